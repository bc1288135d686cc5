package encoder

import (
	"fmt"

	"bedside/kernels"
	"bedside/weights"
)

// network is where the tensors of encoder.go in weights lie.
type network struct {
	word, positions, types kernels.Table
	norm                   kernels.Norm
	layers                 []layer
	pooler, head           dense
}

type layer struct {
	qkv, output, up, down dense
	outputNorm, downNorm  kernels.Norm
}

// dense is a dense layer in integers, where it has a multiplier, or in float32.
type dense struct {
	packed           kernels.Packed
	panels           kernels.Panels
	bias, multiplier kernels.Buffer
}

func (d *dense) integer() bool { return d.multiplier.Bytes != 0 }

// plan gathers what to allocate, and who is told where it lies.
type plan struct {
	manifest     *weights.Manifest
	tensors      map[string]int
	destinations []kernels.Buffer

	sizes  []int
	told   [][]*kernels.Buffer
	halves []half
	bytes  int
	err    error // the first
}

// half is an F16 tensor of the manifest, and where its float32 go.
type half struct {
	tensor int
	wide   *kernels.Buffer
}

func newPlan(m *weights.Manifest, destinations []kernels.Buffer) *plan {
	p := &plan{manifest: m, tensors: make(map[string]int, len(m.Tensors)), destinations: destinations}
	for i, t := range m.Tensors {
		p.tensors[t.Name] = i
	}
	return p
}

// room asks for a buffer, to be stored in all of to.
func (p *plan) room(size int, to ...*kernels.Buffer) {
	p.sizes, p.told = append(p.sizes, size), append(p.told, to)
	p.bytes += kernels.Padded(size, kernels.Alignment)
}

// tensor asks for room for a tensor, which it names; an F16 one is used as F32.
func (p *plan) tensor(name string, to *kernels.Buffer) (dtype string) {
	i, ok := p.tensors[name]
	if !ok {
		if p.err == nil {
			p.err = fmt.Errorf("tensor %q is missing", name)
		}
		return ""
	}
	t := p.manifest.Tensors[i]
	if t.DType != weights.F16 {
		p.room(int(t.Size), &p.destinations[i], to)
		return t.DType
	}
	p.halves = append(p.halves, half{i, to})
	p.room(int(t.Size), &p.destinations[i])
	p.room(2*int(t.Size), to)
	return weights.F32
}

// table, norm and dense ask for the tensors of their kind; they fill what must not move
// before allocate.
func (p *plan) table(name string, rows, columns int, t *kernels.Table) {
	t.Rows, t.Columns = rows, columns
	if p.tensor(name, &t.Values) == weights.I8 {
		p.tensor(name+weights.Scale, &t.Scales)
	}
}

func (p *plan) norm(name string, epsilon float64, n *kernels.Norm) {
	n.Epsilon = float32(epsilon)
	p.tensor(name+weights.Gamma, &n.Gamma)
	p.tensor(name+weights.Beta, &n.Beta)
}

func (p *plan) dense(name string, in, out int, d *dense) {
	p.tensor(name+weights.Bias, &d.bias)
	if i, ok := p.tensors[name+weights.Weight]; ok && p.manifest.Tensors[i].DType == weights.I8 {
		d.packed.In, d.packed.Out = in, out
		p.tensor(name+weights.Weight, &d.packed.Weights)
		p.tensor(name+weights.Scale, &d.packed.Scales)
		p.tensor(name+weights.Sums, &d.packed.Sums)
		p.tensor(name+weights.Multiplier, &d.multiplier)
		return
	}
	d.panels.In, d.panels.Out = in, out
	p.tensor(name+weights.Weight, &d.panels.Weights)
}

func (p *plan) allocate(device kernels.Device) error {
	buffers, err := device.Allocate(p.sizes...)
	if err != nil {
		return fmt.Errorf("%d MB for the network: %w", (p.bytes+999_999)/1_000_000, err)
	}
	for i, b := range buffers {
		for _, to := range p.told[i] {
			*to = b
		}
	}
	return nil
}

func (n *network) plan(p *plan, e *weights.Encoder, labels int) {
	h := e.Hidden
	p.table(weights.EncoderWord, e.Vocabulary, h, &n.word)
	p.table(weights.EncoderPosition, e.Positions, h, &n.positions)
	p.table(weights.EncoderType, e.Types, h, &n.types)
	p.norm(weights.EncoderNorm, e.Epsilon, &n.norm)
	n.layers = make([]layer, e.Layers)
	for i := range n.layers {
		l := &n.layers[i]
		p.dense(weights.LayerTensor(i, "qkv"), h, 3*h, &l.qkv)
		p.dense(weights.LayerTensor(i, "output"), h, h, &l.output)
		p.norm(weights.LayerTensor(i, "output.norm"), e.Epsilon, &l.outputNorm)
		p.dense(weights.LayerTensor(i, "up"), h, e.Intermediate, &l.up)
		p.dense(weights.LayerTensor(i, "down"), e.Intermediate, h, &l.down)
		p.norm(weights.LayerTensor(i, "down.norm"), e.Epsilon, &l.downNorm)
	}
	if e.Pooler {
		p.dense(weights.EncoderPooler, h, h, &n.pooler)
	}
	p.dense(weights.Head, h, labels, &n.head)
}
