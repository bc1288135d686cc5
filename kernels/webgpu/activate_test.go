package webgpu_test

import (
	"fmt"
	"math"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
)

// TestActivate: every activation from -10 to 10, far outside, and close to 0.
func TestActivate(t *testing.T) {
	var x []float32
	for i := -20_000; i <= 20_000; i++ {
		x = append(x, float32(i)/2000)
	}
	for e := -37.0; e <= 38; e++ {
		x = append(x, float32(math.Pow(10, e)), float32(-3*math.Pow(10, min(e, 37))))
	}
	x = append(x, math.MaxFloat32, -math.MaxFloat32)
	each(t, func(t *testing.T, d kernels.Device) {
		for f := kernels.Identity; f <= kernels.Tanh; f++ {
			t.Run(fmt.Sprint(f), func(t *testing.T) {
				m := [][]byte{make([]byte, 4*len(x))}
				b, err := d.Allocate(4 * len(x))
				if err != nil {
					t.Fatal(err)
				}
				if err := d.Write(b[0], devicetest.Floats(x)); err != nil {
					t.Fatal(err)
				}
				devicetest.Run(t, d, []kernels.Op{kernels.Activate{Activation: f, InOut: kernels.Matrix{Buffer: b[0], Rows: 1, Columns: len(x)}}})
				devicetest.Read(t, d, m, b)
				for i, got := range devicetest.AsFloats(m[0]) {
					want := float64(reference.Activate(f, x[i]))
					if off := math.Abs(float64(got) - want); !(off <= activationError(f, float64(x[i]), want)) {
						t.Fatalf("of %g is %g, want %g", x[i], got, want)
					}
				}
			})
		}
	})
}

// activationError bounds what a device may be off at x; subnormal answers it may flush.
func activationError(f kernels.Activation, x, want float64) float64 {
	const flushed = 0x1p-126
	switch f {
	case kernels.GELU, kernels.GELUTanh:
		return 4e-7*max(1, math.Abs(x)) + flushed
	case kernels.Tanh:
		return 6e-7*math.Abs(want) + flushed
	}
	return 0
}
