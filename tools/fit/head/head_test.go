package head

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gorgonia.org/tensor"

	"bedside/tools/fit"
)

// invent draws vectors around a place for each label; hard ones overlap.
func invent(rows, width, labels int, multiClass bool, spread float64, seed uint64) Examples {
	places := rand.New(rand.NewPCG(1, 2))
	at := make([]float64, labels*width)
	for i := range at {
		at[i] = places.NormFloat64()
	}
	random := rand.New(rand.NewPCG(seed, 3))
	e := Examples{Width: width, Targets: fit.Targets{Labels: labels, MultiClass: multiClass}}
	for range rows {
		set := []int{min(random.IntN(labels), random.IntN(labels))}
		if second := random.IntN(labels); !multiClass && second > set[0] {
			set = append(set, second)
		}
		e.Targets.Sets = append(e.Targets.Sets, set)
		for j := range width {
			x := 0.3*float64(j%5) + spread*random.NormFloat64()
			for _, l := range set {
				x += at[l*width+j]
			}
			e.Vectors = append(e.Vectors, float32(x*math.Pow(2, float64(j%7-3)))) // of various sizes
		}
	}
	return e
}

// fitted fits without a validation part.
func fitted(t *testing.T, e Examples, o Options) *Head {
	t.Helper()
	h, err := Fit(t.Context(), e, Examples{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestGradients holds gorgonia's gradients to those worked out by hand.
func TestGradients(t *testing.T) {
	for _, c := range []struct {
		name       string
		multiClass bool
		hidden     int
	}{{"softmax", true, 0}, {"sigmoids", false, 0}, {"softmax, hidden layer", true, 7}, {"sigmoids, hidden layer", false, 7}} {
		t.Run(c.name, func(t *testing.T) {
			e := invent(23, 11, 5, c.multiClass, 1, 4)
			task, err := newTask(e.Targets)
			if err != nil {
				t.Fatal(err)
			}
			layers := start(e.Width, len(task.open), Options{Hidden: c.hidden, Seed: 5})
			random := rand.New(rand.NewPCG(6, 7))
			for _, l := range layers {
				for _, v := range [][]float64{l.weight, l.bias} {
					for i := range v {
						v[i] = random.NormFloat64() / 2
					}
				}
			}
			const decay = 0.03
			b := newScaler(e).batch(e, task)
			n := newNetwork(b.rows, layers, c.multiClass, decay)
			defer n.close()
			if err := n.differentiate(b.x, b.has, b.all); err != nil {
				t.Fatal(err)
			}
			value, gradients := byHand(layers, b, c.multiClass, decay)
			if got := n.objective.Value().Data().(float64); math.Abs(got-value) > 1e-9*math.Abs(value) {
				t.Errorf("objective %g, by hand %g", got, value)
			}
			for i, want := range gradients {
				grad, err := n.parameters[i].Grad()
				if err != nil {
					t.Fatal(err)
				}
				got := grad.(tensor.Tensor).Data().([]float64)
				for j, w := range want {
					if math.Abs(got[j]-w) > 1e-5*max(math.Abs(w), 1e-3) {
						t.Errorf("%v, element %d: %g, by hand %g", n.parameters[i], j, got[j], w)
					}
				}
			}
		})
	}
}

// byHand is the objective and its derivatives by weight and bias, layer after layer. With
// the chain rule's d = (probability - label) weighted, dW = XᵀD, db = 1ᵀD, and D of the
// layer below is DWᵀ(1 - h²).
func byHand(layers []layer, b batch, multiClass bool, decay float64) (float64, [][]float64) {
	inputs := []*mat.Dense{mat.NewDense(b.rows, b.width, b.x)}
	for i, l := range layers {
		z := mat.NewDense(b.rows, l.out, nil)
		z.Mul(inputs[i], mat.NewDense(l.in, l.out, l.weight))
		z.Apply(func(_, o int, v float64) float64 {
			if v += l.bias[o]; i+1 < len(layers) {
				return math.Tanh(v)
			}
			return v
		}, z)
		inputs = append(inputs, z)
	}
	z := inputs[len(layers)]
	labels := layers[len(layers)-1].out
	has, all := mat.NewDense(b.rows, labels, b.has), mat.NewDense(b.rows, labels, b.all)
	value, d := 0.0, mat.NewDense(b.rows, labels, nil)
	for i := range b.rows {
		norm := 0.0
		for l := range labels {
			norm += math.Exp(z.At(i, l))
		}
		for l := range labels {
			if multiClass {
				value -= has.At(i, l) * math.Log(math.Exp(z.At(i, l))/norm)
				d.Set(i, l, mat.Sum(has.RowView(i))*math.Exp(z.At(i, l))/norm-has.At(i, l))
				continue
			}
			p := 1 / (1 + math.Exp(-z.At(i, l)))
			value -= has.At(i, l)*math.Log(p) + (all.At(i, l)-has.At(i, l))*math.Log(1-p)
			d.Set(i, l, all.At(i, l)*p-has.At(i, l))
		}
	}
	value /= float64(b.rows)
	d.Scale(1/float64(b.rows), d)
	gradients := make([][]float64, 2*len(layers))
	for i := len(layers) - 1; i >= 0; i-- {
		l := layers[i]
		w := mat.NewDense(l.in, l.out, l.weight)
		var dw, below mat.Dense
		dw.Mul(inputs[i].T(), d)
		for at, v := range l.weight {
			dw.RawMatrix().Data[at] += decay * v
			value += decay / 2 * v * v
		}
		db := make([]float64, l.out)
		for o := range db {
			db[o] = mat.Sum(d.ColView(o))
		}
		gradients[2*i], gradients[2*i+1] = dw.RawMatrix().Data, db
		below.Mul(d, w.T())
		below.Apply(func(r, c int, v float64) float64 { h := inputs[i].At(r, c); return v * (1 - h*h) }, &below)
		d = &below
	}
	return value, gradients
}

// TestOptimum fits long enough to come to the optimum that the exact solver of package fit
// finds on the same columns.
func TestOptimum(t *testing.T) {
	for _, multiClass := range []bool{true, false} {
		e := invent(320, 12, 4, multiClass, 2, 8)
		task, err := newTask(e.Targets)
		if err != nil {
			t.Fatal(err)
		}
		scale := newScaler(e)
		b := scale.batch(e, task)
		const c = 0.05
		h := fitted(t, e, Options{C: c, Epochs: 400, Seed: 1})

		m := &fit.Matrix{Rows: b.rows, Cols: b.width, Start: []int{0}, Value: b.x}
		for range b.rows {
			for j := range b.width {
				m.Index = append(m.Index, int32(j))
			}
			m.Start = append(m.Start, len(m.Index))
		}
		design, err := fit.Prepare(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		balance := fit.BalancedLabels
		if multiClass {
			balance = fit.BalancedClasses
		}
		exact, err := design.Logistic(t.Context(), e.Targets, fit.LogisticOptions{C: c, Balance: balance, Multinomial: multiClass})
		if err != nil {
			t.Fatal(err)
		}
		want, err := exact.Decision(m)
		if err != nil {
			t.Fatal(err)
		}
		best, got := task.loss(want, b.has, b.all), task.loss(h.Scores(e.Vectors), b.has, b.all)
		if off := math.Abs(got/best - 1); off > 0.01 {
			t.Errorf("multi-class %t: loss %g, the optimum's is %g", multiClass, got, best)
		}
	}
}

// TestSameBits fits again, with other cores and another seed.
func TestSameBits(t *testing.T) {
	for _, hidden := range []int{0, 6} {
		train, validate := invent(300, 40, 6, false, 3, 9), invent(60, 40, 6, false, 3, 10)
		run := func(seed uint64) *Head {
			h, err := Fit(t.Context(), train, validate, Options{C: 1, Hidden: hidden, Epochs: 30, Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		first := run(1)
		for range 3 {
			if !reflect.DeepEqual(run(1), first) {
				t.Error("the same seed gives another head")
			}
		}
		cores := runtime.GOMAXPROCS(1)
		alone := run(1)
		runtime.GOMAXPROCS(cores)
		if !reflect.DeepEqual(alone, first) {
			t.Error("one core gives another head")
		}
		if reflect.DeepEqual(run(2), first) {
			t.Error("another seed gives the same head")
		}
	}
}

// TestStopsEarly has few examples of many columns, which a long fit learns by heart.
func TestStopsEarly(t *testing.T) {
	for _, multiClass := range []bool{true, false} {
		train, validate := invent(80, 60, 4, multiClass, 8, 11), invent(200, 60, 4, multiClass, 8, 12)
		o := Options{C: 1e3, Epochs: MaxEpochs, Seed: 1}
		h, err := Fit(t.Context(), train, validate, o)
		if err != nil {
			t.Fatal(err)
		}
		if h.Epochs < 1 || h.Epochs >= MaxEpochs-patience {
			t.Errorf("multi-class %t: %d epochs", multiClass, h.Epochs)
		}
		task, err := newTask(train.Targets)
		if err != nil {
			t.Fatal(err)
		}
		has, all := task.weigh(validate.Targets.Sets)
		loss := func(h *Head) float64 { return task.loss(h.Scores(validate.Vectors), has, all) }
		if long := fitted(t, train, o); loss(h) >= loss(long) {
			t.Errorf("multi-class %t: stopped at a loss of %g, the last is %g", multiClass, loss(h), loss(long))
		}
		o.Epochs = h.Epochs
		if again := fitted(t, train, o); loss(again) != loss(h) {
			t.Errorf("multi-class %t: as many epochs give a loss of %g, want %g", multiClass, loss(again), loss(h))
		}
	}
}

// TestHiddenLayer learns what no linear head can: whether two signs agree.
func TestHiddenLayer(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 14))
	e := Examples{Width: 2, Targets: fit.Targets{Labels: 2, MultiClass: true}}
	for range 400 {
		a, b := random.NormFloat64(), random.NormFloat64()
		label := 0
		if a*b > 0 {
			label = 1
		}
		e.Vectors = append(e.Vectors, float32(a), float32(b+3))
		e.Targets.Sets = append(e.Targets.Sets, []int{label})
	}
	right := func(hidden int) (n int) {
		s := fitted(t, e, Options{C: 100, Hidden: hidden, Epochs: MaxEpochs, Seed: 1}).Scores(e.Vectors)
		for i, set := range e.Targets.Sets {
			if (s[2*i+1] > s[2*i]) == (set[0] == 1) {
				n++
			}
		}
		return n
	}
	if linear, hidden := right(0), right(16); linear > 260 || hidden < 370 {
		t.Errorf("of 400 right: %d without, %d with a hidden layer", linear, hidden)
	}
}

// TestDecidedLabels has labels that none, or all, of the examples have.
func TestDecidedLabels(t *testing.T) {
	for _, hidden := range []int{0, 3} {
		e := invent(60, 8, 3, false, 1, 15)
		e.Targets.Labels = 5
		for i := range e.Targets.Sets {
			e.Targets.Sets[i] = append(e.Targets.Sets[i], 4) // 3 is nobody's
		}
		s := fitted(t, e, Options{C: 1, Hidden: hidden, Epochs: 3}).Scores(e.Vectors)
		for at := 0; at < len(s); at += 5 {
			if s[at+3] != fit.Floor || s[at+4] != -fit.Floor || math.Abs(s[at]) == -fit.Floor {
				t.Fatalf("scores %v", s[at:at+5])
			}
		}
	}
	alone := Examples{Vectors: []float32{1, 2, 3, 4}, Width: 2, Targets: fit.MultiClass(2, []int{1, 1})}
	if s := fitted(t, alone, Options{C: 1, Epochs: 3}).Scores(alone.Vectors); !slices.Equal(s, []float64{fit.Floor, -fit.Floor, fit.Floor, -fit.Floor}) {
		t.Errorf("scores %v", s)
	}
}

// TestDullColumns has one that never varies, and one that hardly does.
func TestDullColumns(t *testing.T) {
	e := invent(200, 6, 3, true, 1, 16)
	random := rand.New(rand.NewPCG(17, 18))
	for i := range e.Targets.Sets {
		e.row(i)[0], e.row(i)[1] = 0.7, float32(0.9999+1e-5*random.NormFloat64())
	}
	h := fitted(t, e, Options{C: 10, Epochs: 40})
	for l := range 3 {
		if w := h.Layers[0].Weight[l*6:]; w[0] != 0 || w[1] != 0 || w[2] == 0 {
			t.Errorf("label %d: weights %v", l, w[:6])
		}
	}
}

func TestRefuses(t *testing.T) {
	good := invent(20, 4, 2, true, 1, 19)
	spoilt := func(spoil func(*Examples)) Examples {
		e := good.Select([]int{0, 1, 2, 3, 4, 5})
		e.Targets.Sets = slices.Clone(e.Targets.Sets)
		spoil(&e)
		return e
	}
	o := Options{C: 1, Epochs: 2}
	for _, c := range []struct {
		name            string
		train, validate Examples
		o               Options
		err             string
	}{
		{"no C", good, Examples{}, Options{Epochs: 1}, "the regularization C is 0"},
		{"an infinite C", good, Examples{}, Options{C: math.Inf(1), Epochs: 1}, "the regularization C is +Inf"},
		{"no epochs", good, Examples{}, Options{C: 1}, "0 epochs"},
		{"less than no layer", good, Examples{}, Options{C: 1, Epochs: 1, Hidden: -1}, "-1 hidden units"},
		{"no examples", Examples{Width: 3}, Examples{}, o, "no examples"},
		{"another width", good, spoilt(func(e *Examples) { e.Width = 2 }), o, "vectors of 2, wanted of 4"},
		{"vectors missing", spoilt(func(e *Examples) { e.Vectors = e.Vectors[:7] }), Examples{}, o, "7 numbers for 6 vectors of 4"},
		{"not a number", spoilt(func(e *Examples) { e.Vectors[9] = float32(math.NaN()) }), Examples{}, o, "vector 2, element 1: NaN"},
		{"a label too many", spoilt(func(e *Examples) { e.Targets.Sets[3] = []int{2} }), Examples{}, o, "row 3: label 2"},
		{"two classes", spoilt(func(e *Examples) { e.Targets.Sets[3] = []int{0, 1} }), Examples{}, o, "row 3 has 2 labels"},
		{"other labels", good, spoilt(func(e *Examples) { e.Targets.Labels = 3 }), o, "2 labels to train on, 3 to validate on"},
	} {
		if _, err := Fit(t.Context(), c.train, c.validate, c.o); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Fit(ctx, good, Examples{}, o); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: error %v", err)
	}
}

// BenchmarkFit is the whole of a head's training as bedside train does it, but for reading
// notes: five folds that validate on a tenth, and the fit on all.
func BenchmarkFit(b *testing.B) {
	for _, c := range []struct {
		name       string
		multiClass bool
		hidden     int
	}{{"softmax", true, 0}, {"sigmoids", false, 0}, {"sigmoids-hidden", false, 128}} {
		e := invent(2000, 384, 20, c.multiClass, 4, 20)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				epochs := 0
				for fold := range 5 {
					var train, validate []int
					for i := range e.Targets.Sets {
						switch {
						case i%5 == fold:
						case i%10 == (fold+1)%5:
							validate = append(validate, i)
						default:
							train = append(train, i)
						}
					}
					h, err := Fit(b.Context(), e.Select(train), e.Select(validate), Options{C: 1, Hidden: c.hidden, Epochs: MaxEpochs, Seed: 1})
					if err != nil {
						b.Fatal(err)
					}
					epochs += h.Epochs
				}
				if _, err := Fit(b.Context(), e, Examples{}, Options{C: 1, Hidden: c.hidden, Epochs: epochs / 5, Seed: 1}); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(epochs)/5, "epochs")
			}
		})
	}
}
