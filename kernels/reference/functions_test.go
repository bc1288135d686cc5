package reference

import (
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
)

func TestErfAndTanhAgreeWithMath(t *testing.T) {
	for x := -8.0; x <= 8; x += 1.0 / 512 {
		if got, want := Erf(x), math.Erf(x); math.Abs(got-want) > 1e-14*math.Abs(want) {
			t.Errorf("Erf(%g) = %.17g, want %.17g", x, got, want)
		}
		if got, want := Tanh(x), math.Tanh(x); math.Abs(got-want) > 1e-10*math.Abs(want) {
			t.Errorf("Tanh(%g) = %.17g, want %.17g", x, got, want)
		}
	}
	for x := 1e-30; x < 1; x *= 3 {
		if got, want := Tanh(x), math.Tanh(x); math.Abs(got-want) > 1e-10*want {
			t.Errorf("Tanh(%g) = %.17g, want %.17g", x, got, want)
		}
		if got, want := Erf(-x), math.Erf(-x); math.Abs(got-want) > -1e-14*want {
			t.Errorf("Erf(%g) = %.17g, want %.17g", -x, got, want)
		}
	}
	for _, f := range []func(float64) float64{Erf, Tanh} {
		if f(math.Inf(1)) != 1 || f(math.Inf(-1)) != -1 || !math.IsNaN(f(math.NaN())) || f(0) != 0 {
			t.Error("wrong at infinity, NaN or 0")
		}
	}
}

func TestActivate(t *testing.T) {
	want := map[kernels.Activation]func(x float64) float64{
		kernels.Identity: func(x float64) float64 { return x },
		kernels.GELU:     func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
		kernels.GELUTanh: func(x float64) float64 {
			return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		},
		kernels.ReLU: func(x float64) float64 { return math.Max(0, x) },
		kernels.Tanh: math.Tanh,
	}
	for a, f := range want {
		for x := float32(-12); x <= 12; x += 1.0 / 64 {
			if got, want := float64(Activate(a, x)), f(float64(x)); math.Abs(got-want) > 1e-13+0x1p-24*math.Abs(want) {
				t.Errorf("activation %d of %g is %g, want %g", a, x, got, want)
			}
		}
	}
}

// TestHalf compares every number of 16 bits with its bits moved to where float32 has them.
func TestHalf(t *testing.T) {
	for bits := range 1 << 16 {
		sign, exponent, fraction := uint32(bits)>>15<<31, uint32(bits)>>10&31, uint32(bits)&1023
		want := math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
		switch exponent {
		case 0:
			want = math.Float32frombits(sign|113<<23|fraction<<13) - math.Float32frombits(sign|113<<23)
		case 31:
			want = math.Float32frombits(sign | 255<<23 | fraction<<13)
		}
		got := Half(uint16(bits))
		if got != want && !(got != got && want != want) {
			t.Fatalf("Half(%#04x) = %g, want %g", bits, got, want)
		}
	}
	if Half(0x3c00) != 1 || Half(0xfbff) != -65504 || Half(1) != 0x1p-24 {
		t.Error("1, -65504 or the least number is wrong")
	}
}

func TestNormalize(t *testing.T) {
	out := make([]float32, 4)
	Normalize(out, []float32{1, 3, 5, 7}, []float32{1, 1, 2, 1}, []float32{0, 10, 0, 0}, 0)
	root := float32(math.Sqrt(5))
	for i, want := range []float32{-3 / root, -1/root + 10, 2 / root, 3 / root} {
		if math.Abs(float64(out[i]-want)) > 1e-6 {
			t.Errorf("element %d is %g, want %g", i, out[i], want)
		}
	}
	Normalize(out, []float32{2, 2, 2, 2}, []float32{1, 1, 1, 1}, []float32{1, 2, 3, 4}, 1e-12)
	for i := range out {
		if out[i] != float32(i+1) {
			t.Errorf("a row without variance: element %d is %g, want beta", i, out[i])
		}
	}
}

func TestQuantizeByHand(t *testing.T) {
	for _, c := range []struct {
		name  string
		x     []float32
		scale float32
		zero  int32
		q     []uint8
	}{
		{"zeros", []float32{0, 0}, 1, 0, []uint8{0, 0}},
		{"positive", []float32{127, 0, 1.5, 2.5, 126.4}, 1, 0, []uint8{127, 0, 2, 2, 126}},
		{"all above zero", []float32{254, 127}, 2, 0, []uint8{127, 64}},
		{"negative", []float32{-127, -1, -0.5}, 1, 127, []uint8{0, 126, 127}},
		{"halves round to even", []float32{-63.5, 63.5, 0, 0.5, 1.5}, 1, 64, []uint8{0, 127, 64, 64, 66}},
		{"empty", nil, 1, 0, nil},
	} {
		q := make([]uint8, len(c.x))
		scale, zero := Quantize(q, c.x)
		if scale != c.scale || zero != c.zero || string(q) != string(c.q) {
			t.Errorf("%s: %v, scale %g, zero %d; want %v, %g, %d", c.name, q, scale, zero, c.q, c.scale, c.zero)
		}
	}
}

func TestQuantizeKeepsWithinAStep(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		x, q := make([]float32, 1+random.IntN(40)), make([]uint8, 40)
		shift, stretch := random.NormFloat64(), math.Exp(20*random.NormFloat64())
		for i := range x {
			x[i] = float32((random.NormFloat64() + shift) * stretch)
		}
		scale, zero := Quantize(q, x)
		for i, v := range x {
			if back := float64(scale) * float64(int32(q[i])-zero); math.Abs(back-float64(v)) > 1.01*float64(scale) || q[i] > 127 {
				t.Fatalf("%g became %d, which stands for %g; scale %g, zero %d", v, q[i], back, scale, zero)
			}
		}
	}
}

func TestQuantizeSurvivesWhatIsNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, x := range [][]float32{{nan}, {inf, 1}, {-inf, inf}, {1e-45, 0}, {math.MaxFloat32, -math.MaxFloat32}, {3e-44, -1e-44}} {
		q := make([]uint8, len(x))
		_, zero := Quantize(q, x)
		for _, v := range q {
			if v > 127 || zero < 0 || zero > 127 {
				t.Errorf("%v became %v, zero %d", x, q, zero)
			}
		}
	}
}
