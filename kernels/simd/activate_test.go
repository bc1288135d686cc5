package simd_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
)

// activations in float64, and how far off a device may be at x.
var activations = []struct {
	name  string
	of    kernels.Activation
	exact func(x float64) float64
	bound func(x float64) float64
}{
	{"GELU", kernels.GELU, func(x float64) float64 { return x / 2 * (1 + reference.Erf(x/math.Sqrt2)) },
		func(x float64) float64 { return 2e-7 * max(1, math.Abs(x)) }},
	{"GELUTanh", kernels.GELUTanh, func(x float64) float64 {
		return x / 2 * (1 + reference.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}, func(x float64) float64 { return 2e-7 * max(1, math.Abs(x)) }},
	{"ReLU", kernels.ReLU, func(x float64) float64 { return max(x, 0) }, func(x float64) float64 { return 0 }},
	{"Tanh", kernels.Tanh, reference.Tanh, func(x float64) float64 { return 4e-7 * math.Abs(reference.Tanh(x)) }},
	{"Identity", kernels.Identity, func(x float64) float64 { return x }, func(x float64) float64 { return 0 }},
}

// denseRange is -10 to 10 in small steps, what lies far outside, and what is close to 0.
func denseRange() []float32 {
	var x []float32
	for i := -30_000; i <= 30_000; i++ {
		x = append(x, float32(i)/3000)
	}
	for e := -45; e <= 38; e++ {
		x = append(x, float32(math.Pow10(e)), float32(-math.Pow10(e)), float32(-3*math.Pow10(e)))
	}
	return append(x, 0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32)
}

func TestActivate(t *testing.T) {
	x := denseRange()
	each(t, func(t *testing.T, d kernels.Device) {
		for _, f := range activations {
			t.Run(f.name, func(t *testing.T) {
				worst := 0.0
				for i, got := range activated(t, d, f.of, x) {
					v := float64(x[i])
					off, bound := math.Abs(float64(got)-f.exact(v)), f.bound(v)+0x1p-149 // numbers close to 0 have few digits
					if !(off <= bound) {
						t.Fatalf("of %g is %g, want %g: off by %g, more than %g", v, got, f.exact(v), off, bound)
					}
					if math.Abs(v) <= 10 {
						worst = max(worst, off/max(1, math.Abs(v)))
					}
				}
				t.Logf("largest error from -10 to 10: %.2g * max(1, |x|)", worst)
				if nan := activated(t, d, f.of, []float32{float32(math.NaN())})[0]; nan == nan {
					t.Errorf("of NaN is %g", nan)
				}
			})
		}
	})
}

func activated(t *testing.T, d kernels.Device, f kernels.Activation, x []float32) []float32 {
	t.Helper()
	a := &allocator{Device: d}
	m := a.matrix(1, len(x))
	got := a.after([]kernels.Op{kernels.Activate{Activation: f, InOut: m}}, m.Buffer, written{m.Buffer, devicetest.Floats(x)})
	if a.err != nil {
		t.Fatal(a.err)
	}
	return devicetest.AsFloats(got)
}

// TestQuantizeActivated: quantizing with an activation is what the reference makes of the
// floats that Activate answers on that device.
func TestQuantizeActivated(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		l := layoutOf(t, d)
		for _, s := range []struct{ rows, columns int }{{1, 1}, {3, 3}, {5, 24}, {13, 26}, {7, 768}, {6, 3072}} {
			for i, f := range activations {
				t.Run(fmt.Sprintf("%s/%dx%d", f.name, s.rows, s.columns), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(s.rows), uint64(s.columns)))
					x := devicetest.Normals(r, s.rows*s.columns)
					for i := range x {
						x[i] *= 2
					}
					a := &allocator{Device: d}
					op := kernels.Quantize{In: a.matrix(s.rows, s.columns), Activation: f.of, Out: a.quantized(s.rows, s.columns)}
					before := []written{{op.In.Buffer, devicetest.Floats(x)}}
					var by []float32
					if i%2 == 0 {
						by = devicetest.Normals(r, s.columns)
						op.Multiplier = a.take(4 * s.columns)
						before = append(before, written{op.Multiplier, devicetest.Floats(by)})
					}
					data := a.after([]kernels.Op{op}, op.Out.Buffer, before...)
					if a.err != nil {
						t.Fatal(a.err)
					}
					l.quantizedAs(t, data, activated(t, d, f.of, x), by, s.rows, s.columns, func(int) string { return f.name })
				})
			}
		}
	})
}
