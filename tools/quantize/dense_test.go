package quantize

import (
	"math"
	"slices"
	"testing"

	"bedside/kernels/reference"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
)

// TestDense holds Apply to a reference device that reads the tensors: it is the pooler of an
// encoder of which only that differs.
func TestDense(t *testing.T) {
	for _, test := range []struct {
		format        string
		device, exact float64 // largest differences from the device, and from the unrounded layer
	}{
		{weights.Float32, 1e-6, 1e-6},
		{weights.Float16, 1e-6, 2e-3},
		{weights.Int8, 1e-6, 0.05},
	} {
		t.Run(test.format, func(t *testing.T) {
			shape := invented.Tiny()
			shape.Weights, shape.Pooler = test.format, false
			m, tensors := invented.Model(shape, weights.MultiClass, []string{"A", "B"}, 3)
			sequences := [][]int32{{2, 7, 9, 31, 3}, {2, 40, 3}, {2, 57, 58, 59, 60, 5, 3}, {2, 21, 22, 3}}
			plain, err := Run(t.Context(), m, tensors, reference.NewDevice(), sequences)
			if err != nil {
				t.Fatal(err)
			}
			var rows []float32
			for _, a := range plain {
				rows = append(rows, a.Pooled...)
			}
			_, d := drawn(1, shape.Hidden, shape.Hidden)
			clear(d.weight[12*d.in:]) // units that pad
			clear(d.bias[12:])
			made, err := NewDense(weights.EncoderPooler, test.format, d.weight, d.bias, rows)
			if err != nil {
				t.Fatal(err)
			}
			m.Encoder.Pooler = true
			got, err := Run(t.Context(), m, slices.Concat(tensors, made.Tensors), reference.NewDevice(), sequences)
			if err != nil {
				t.Fatal(err)
			}
			units, exact := made.Apply(rows), d.apply(rows)
			tanh(units)
			tanh(exact)
			for i, a := range got {
				for c, v := range a.Pooled {
					at := i*d.out + c
					if e := math.Abs(float64(v - units[at])); !(e <= test.device) {
						t.Errorf("sequence %d, unit %d: %g on the device, %g here", i, c, v, units[at])
					}
					if e := math.Abs(float64(v - exact[at])); !(e <= test.exact) {
						t.Errorf("sequence %d, unit %d: %g, want %g", i, c, v, exact[at])
					}
					if c >= 12 && v != 0 {
						t.Errorf("sequence %d, unit %d pads and is %g", i, c, v)
					}
				}
			}
		})
	}
}

func TestNewDenseRefuses(t *testing.T) {
	x, d := drawn(4, 6, 6)
	_, err := NewDense("encoder.pooler", "float8", d.weight, d.bias, x)
	wants(t, err, `weights "float8": want int8, float16 or float32`)
	for _, short := range [][]float32{nil, x[:5]} {
		_, err = NewDense("encoder.pooler", weights.Int8, d.weight, d.bias, short)
		wants(t, err, "no layer")
	}
	d.weight[3] = 1e5
	_, err = NewDense("encoder.pooler", weights.Float16, d.weight, d.bias, x)
	wants(t, err, "tensor encoder.pooler.weight: element 3 is 100000, more than float16 holds")
	for i := range d.weight {
		d.weight[i] = 3e38
	}
	for i := range x {
		x[i] = 9
	}
	_, err = NewDense("encoder.pooler", weights.Int8, d.weight, d.bias, x)
	wants(t, err, "tensor encoder.pooler: its outputs overflow")
}
