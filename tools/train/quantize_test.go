package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"bedside/tools/fit"
)

// columns puts the weights of labels side by side.
func columns(labels ...[]float64) *fit.Linear {
	m := &fit.Linear{Features: len(labels[0]), Labels: len(labels), Bias: make([]float64, len(labels))}
	for j := range m.Features {
		for _, label := range labels {
			m.Weight = append(m.Weight, label[j])
		}
	}
	return m
}

func TestQuantize(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	const n = 2000
	normal, tailed := make([]float64, n), make([]float64, n)
	zero, tiny, huge := make([]float64, n), make([]float64, n), make([]float64, n)
	for j := range normal {
		normal[j] = random.NormFloat64()
		tailed[j] = math.Pow(random.NormFloat64(), 5)
		tiny[j] = 1e-44 * random.NormFloat64()
		huge[j] = 1e20 * random.NormFloat64()
	}
	labels := [][]float64{normal, tailed, zero, tiny, huge}
	values, scale := quantize(columns(labels...))
	for l, label := range labels {
		s, largest := float64(scale[l]), 0.0
		for _, w := range label {
			largest = max(largest, math.Abs(w))
		}
		if !(s > 0) || math.IsInf(s, 0) {
			t.Fatalf("label %d: scale %g", l, s)
		}
		var squares, plain float64 // of the error, ours and without clipping
		for j, w := range label {
			q := float64(values[j*len(labels)+l])
			if e := math.Abs(w - s*q); math.Abs(q) < 127 && e > s/2*(1+1e-9) {
				t.Fatalf("label %d: %g became %g steps of %g", l, w, q, s)
			} else {
				squares += e * e
			}
			if math.Abs(w) > 0 && q != 0 && math.Signbit(w) != math.Signbit(q) {
				t.Fatalf("label %d: %g became %g steps", l, w, q)
			}
			e := w - largest/127*math.Round(w*127/max(largest, 1e-300))
			plain += e * e
		}
		if l != 3 && squares > plain*(1+1e-6) {
			t.Errorf("label %d: squared error %g, without clipping %g", l, squares, plain)
		}
	}
	if scale[2] != 1 {
		t.Errorf("the scale of no weights is %g", scale[2])
	}
}

func TestClippingWhereItPays(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	weight := make([]float64, 100000)
	for j := range weight {
		weight[j] = random.Float64() - 0.5
	}
	weight[0] = -0.6
	values, scale := quantize(columns(weight))
	if s := float64(scale[0]); s < 0.45/127 || s > 0.55/127 || values[0] != -127 {
		t.Errorf("one weight of 0.6 among many up to 0.5: scale %.3f/127, %d steps", 127*s, values[0])
	}
}

// TestStrongLexiconsLeaveNGramsTheirSteps: rounding n-grams' weights costs no more for the
// weights of a lexicon below them.
func TestStrongLexiconsLeaveNGramsTheirSteps(t *testing.T) {
	random := rand.New(rand.NewPCG(41, 42))
	const grams, labels = 300, 3
	m := &fit.Linear{Features: grams + labels, Labels: labels}
	for range grams * labels {
		m.Weight = append(m.Weight, random.NormFloat64())
	}
	worst := func(lexicon float64, rows int) float64 {
		whole := *m
		for i := range labels * labels {
			w := 0.0
			if i%(labels+1) == 0 {
				w = lexicon
			}
			whole.Weight = append(whole.Weight[:len(whole.Weight):len(whole.Weight)], w)
		}
		got, off := asShipped(&whole, Int8, rows), 0.0
		for i := range m.Weight {
			off = max(off, math.Abs(got.Weight[i]-whole.Weight[i]))
		}
		for i := len(m.Weight); i < len(whole.Weight); i++ {
			if d := math.Abs(got.Weight[i] - whole.Weight[i]); d > lexicon/16 {
				t.Errorf("a lexicon's weight of %g is off by %g", whole.Weight[i], d)
			}
		}
		return off
	}
	weak, strong, ignored := worst(0.1, labels), worst(20, labels), worst(20, 0)
	if strong > 1.05*weak || ignored < 2*weak {
		t.Errorf("weights are off by %g beside a weak lexicon, by %g beside a strong one, and by %g where nobody looks", weak, strong, ignored)
	}
}
