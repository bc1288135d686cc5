package head

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// layer is a dense layer as it is fitted.
type layer struct {
	in, out int
	weight  []float64 // [in][out]
	bias    []float64 // [out]
}

func (l layer) turned() Layer {
	t := Layer{l.in, l.out, make([]float32, len(l.weight)), make([]float32, l.out)}
	for i, w := range l.weight {
		t.Weight[i%l.out*l.in+i/l.out] = float32(w)
	}
	for i, b := range l.bias {
		t.Bias[i] = float32(b)
	}
	return t
}

// start gives the layers to start from: zeros, but a hidden layer and what reads it drawn
// evenly, as Glorot and Bengio (2010) have it.
func start(in, out int, o Options) []layer {
	if o.Hidden == 0 {
		return []layer{newLayer(in, out)}
	}
	layers := []layer{newLayer(in, o.Hidden), newLayer(o.Hidden, out)}
	random := rand.New(rand.NewPCG(o.Seed, 0x6c0207))
	for _, l := range layers {
		limit := math.Sqrt(6 / float64(l.in+l.out))
		for i := range l.weight {
			l.weight[i] = limit * (2*random.Float64() - 1)
		}
	}
	return layers
}

func newLayer(in, out int) layer {
	return layer{in, out, make([]float64, in*out), make([]float64, out)}
}

// network is the objective of one step as a graph.
type network struct {
	rows int

	x, has, all *gorgonia.Node // what a step is about; all is nil where classes exclude each other
	parameters  gorgonia.Nodes
	objective   *gorgonia.Node

	layers  []layer // whose memory the parameters share
	machine gorgonia.VM
	solver  gorgonia.Solver
}

// newNetwork makes the graph for steps of so many examples. Its objective is the mean loss
// and decay times half the square of the weights. Shapes fit by construction, so that what
// gorgonia may refuse is a defect here.
func newNetwork(rows int, layers []layer, multiClass bool, decay float64) *network {
	n := &network{rows: rows, layers: layers, solver: gorgonia.NewAdamSolver(gorgonia.WithLearnRate(learningRate))}
	in, out := layers[0].in, layers[len(layers)-1].out
	graph := gorgonia.NewGraph()
	n.x, n.has = input(graph, "x", rows, in), input(graph, "has", rows, out)
	z := n.x
	var squares gorgonia.Nodes
	for i, l := range layers {
		if i > 0 {
			z = must(gorgonia.Tanh(z))
		}
		weight, bias := parameter(graph, "weight", i, l.weight, l.in, l.out), parameter(graph, "bias", i, l.bias, 1, l.out)
		n.parameters = append(n.parameters, weight, bias)
		z = must(gorgonia.BroadcastAdd(must(gorgonia.Mul(z, weight)), bias, nil, []byte{0}))
		squares = append(squares, must(gorgonia.Sum(must(gorgonia.Square(weight)))))
	}
	var losses *gorgonia.Node
	if multiClass {
		losses = must(gorgonia.Neg(must(gorgonia.HadamardProd(n.has, must(gorgonia.LogSoftMax(z, 1))))))
	} else {
		n.all = input(graph, "all", rows, out)
		either := must(gorgonia.HadamardProd(n.all, must(gorgonia.Softplus(z))))
		losses = must(gorgonia.Sub(either, must(gorgonia.HadamardProd(n.has, z))))
	}
	mean := must(gorgonia.Mul(gorgonia.NewConstant(1/float64(rows)), must(gorgonia.Sum(losses))))
	penalty := must(gorgonia.Mul(gorgonia.NewConstant(decay/2), must(gorgonia.ReduceAdd(squares))))
	n.objective = must(gorgonia.Add(mean, penalty))
	if _, err := gorgonia.Grad(n.objective, n.parameters...); err != nil {
		panic(err)
	}
	n.machine = gorgonia.NewTapeMachine(graph, gorgonia.BindDualValues(n.parameters...))
	return n
}

func must(node *gorgonia.Node, err error) *gorgonia.Node { return gorgonia.Must(node, err) }

func input(g *gorgonia.ExprGraph, name string, rows, columns int) *gorgonia.Node {
	return gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(rows, columns), gorgonia.WithName(name))
}

// parameter is a node that shares memory with values.
func parameter(g *gorgonia.ExprGraph, name string, layer int, values []float64, rows, columns int) *gorgonia.Node {
	return gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithName(fmt.Sprintf("%s %d", name, layer)),
		gorgonia.WithShape(rows, columns), gorgonia.WithValue(matrix(values, rows, columns)))
}

func matrix(values []float64, rows, columns int) *tensor.Dense {
	return tensor.New(tensor.WithShape(rows, columns), tensor.WithBacking(values))
}

func (n *network) close() { _ = n.machine.Close() } // it holds memory alone

// differentiate adds to the parameters' gradients; the solver's step clears them. The
// numbers must stay until then.
func (n *network) differentiate(x, has, all []float64) error {
	for _, of := range []struct {
		node   *gorgonia.Node
		values []float64
	}{{n.x, x}, {n.has, has}, {n.all, all}} {
		if of.node == nil {
			continue
		}
		if err := gorgonia.Let(of.node, matrix(of.values, n.rows, len(of.values)/n.rows)); err != nil {
			return err
		}
	}
	n.machine.Reset()
	return n.machine.RunAll()
}

// scores are those of scaled vectors.
func (n *network) scores(x []float64) []float64 {
	for i, l := range n.layers {
		rows := len(x) / l.in
		z := mat.NewDense(rows, l.out, nil)
		z.Mul(mat.NewDense(rows, l.in, x), mat.NewDense(l.in, l.out, l.weight))
		z.Apply(func(_, o int, v float64) float64 {
			if v += l.bias[o]; i+1 < len(n.layers) {
				v = math.Tanh(v)
			}
			return v
		}, z)
		x = z.RawMatrix().Data
	}
	return x
}
