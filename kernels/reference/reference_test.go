package reference

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestExpAgreesWithMath(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	worst := 0.0
	for range 200_000 {
		x := random.Float64()*1400 - 700
		if random.IntN(2) == 0 {
			x = random.NormFloat64()
		}
		got, want := Exp(x), math.Exp(x)
		worst = max(worst, math.Abs(got-want)/want)
	}
	if worst > 4*0x1p-53 {
		t.Errorf("largest relative difference to math.Exp is %g", worst)
	}
	for _, c := range []struct{ x, want float64 }{{0, 1}, {-1e300, 0}, {1e300, math.Inf(1)}, {math.Inf(-1), 0}} {
		if got := Exp(c.x); got != c.want {
			t.Errorf("Exp(%g) = %g, want %g", c.x, got, c.want)
		}
	}
	if !math.IsNaN(Exp(math.NaN())) {
		t.Error("Exp(NaN) is a number")
	}
}

func TestSigmoidIsSymmetric(t *testing.T) {
	for x := -40.0; x <= 40; x += 0.37 {
		if sum := Sigmoid(x) + Sigmoid(-x); math.Abs(sum-1) > 1e-15 {
			t.Errorf("Sigmoid(%g) + Sigmoid(%g) = %g", x, -x, sum)
		}
	}
	if Sigmoid(-1e9) != 0 || Sigmoid(1e9) != 1 {
		t.Error("Sigmoid does not saturate")
	}
}

func TestSoftmax(t *testing.T) {
	for _, logits := range [][]float64{{3}, {1, 2, 3}, {-1000, 1000, 999}, {0, 0, 0, 0}} {
		got := append([]float64(nil), logits...)
		Softmax(got)
		sum := 0.0
		for i, p := range got {
			sum += p
			if want := math.Exp(logits[i]-logits[0]) * got[0]; logits[0] > -100 && math.Abs(p-want) > 1e-12 {
				t.Errorf("Softmax(%v)[%d] = %g, want %g", logits, i, p, want)
			}
		}
		if math.Abs(sum-1) > 1e-15*float64(len(got)) {
			t.Errorf("Softmax(%v) sums to %g", logits, sum)
		}
	}
}

func TestSparseLinearAgreesWithDense(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, shape := range []struct{ columns, labels, present int }{{1, 1, 0}, {1, 1, 1}, {7, 3, 4}, {100, 41, 60}} {
		weight := make([]int8, shape.columns*shape.labels)
		for i := range weight {
			weight[i] = int8(random.IntN(255) - 127)
		}
		dense := make([]float64, shape.columns)
		var columns []int32
		var values []float64
		for _, c := range random.Perm(shape.columns)[:shape.present] {
			dense[c] = random.NormFloat64()
			columns, values = append(columns, int32(c)), append(values, dense[c])
		}
		scale, bias := make([]float32, shape.labels), make([]float32, shape.labels)
		for l := range scale {
			scale[l], bias[l] = random.Float32(), random.Float32()
		}
		out := make([]float64, shape.labels)
		SparseLinear(out, columns, values, weight, scale, bias)
		for l := range out {
			want := float64(bias[l])
			for c, x := range dense {
				want += x * float64(weight[c*shape.labels+l]) * float64(scale[l])
			}
			if math.Abs(out[l]-want) > 1e-9 {
				t.Errorf("%+v: out[%d] = %g, want %g", shape, l, out[l], want)
			}
		}
	}
}
