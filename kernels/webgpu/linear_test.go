package webgpu_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// linearCase is a dense layer and how its input comes.
type linearCase struct {
	rows, in, out int
	residual      string // absent, present or out
	atOnce        bool   // quantized by the linear layer itself
	multiplied    bool
}

func (c linearCase) String() string {
	return fmt.Sprintf("%dx%dx%d, residual %s, at once %v, multiplied %v", c.rows, c.in, c.out, c.residual, c.atOnce, c.multiplied)
}

func linearCases() []linearCase {
	shapes := []struct{ rows, in, out int }{{1, 1, 1}, {1, 16, 8}, {2, 17, 9}, {3, 4, 5}, {5, 24, 72}, {7, 48, 64}, {8, 64, 8}, {9, 16, 31},
		{15, 33, 17}, {16, 384, 129}, {17, 768, 24}, {31, 32, 128}, {33, 130, 65}, {40, 128, 136}, {200, 64, 264}, {4, 3072, 8}, {3, 1040, 12}}
	var cases []linearCase
	for i, s := range shapes {
		cases = append(cases, linearCase{s.rows, s.in, s.out, []string{"absent", "present", "out"}[i%3], false, i%2 == 0},
			linearCase{s.rows, s.in, s.out, []string{"absent", "present", "out"}[(i+1)%3], true, i%2 == 0})
	}
	return cases
}

// TestLinear quantizes and multiplies. With scales of 1 and no bias the outputs are the
// integer sums themselves, exact in float32 as long as they are below 2^24: those must
// be equal, bit for bit.
func TestLinear(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for _, c := range linearCases() {
			t.Run(c.String(), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(c.rows), uint64(c.in)))
				t.Run("sums", func(t *testing.T) { c.sums(t, d, r) })
				t.Run("floats", func(t *testing.T) { c.floats(t, d, r) })
			})
		}
	})
}

// sums gives every row a zero, a least and a greatest value, so that its scale is exactly 1 and
// its quantized values are what is written here. Multipliers are powers of 2.
func (c linearCase) sums(t *testing.T, d kernels.Device, r *rand.Rand) {
	multiplier := make([]float32, c.in)
	for k := range multiplier {
		multiplier[k] = []float32{1, 2, 0.25}[k%3]
	}
	x := make([]float32, c.rows*c.in)
	for i := range x {
		x[i] = float32(r.IntN(128) - 60)
		switch {
		case c.in == 1:
			x[i] = 127
		case i%c.in == 0:
			x[i] = 67
		case i%c.in == 1:
			x[i] = -60
		}
		if c.multiplied {
			x[i] /= multiplier[i%c.in]
		}
	}
	w := int8Weights(r, c.in*c.out)
	for k := range c.in { // one output of extremes
		w[k] = 127
	}
	ones, zeros := make([]float32, kernels.Padded(c.out, 8)), make([]float32, kernels.Padded(c.out, 8))
	for i := range ones {
		ones[i] = 1
	}
	c.residual = "absent"
	devicetest.Agree(t, d, c.operands(d, x, multiplier, w, ones, zeros, make([]float32, c.rows*c.out), devicetest.Same), c.program)
}

func (c linearCase) floats(t *testing.T, d kernels.Device, r *rand.Rand) {
	outs := kernels.Padded(c.out, 8)
	devicetest.Agree(t, d, c.operands(d, normals(r, c.rows*c.in), normals(r, c.in), int8Weights(r, c.in*c.out), normals(r, outs), normals(r, outs),
		// the sum is exact; the rest is a few roundings of values up to about 1000
		normals(r, c.rows*c.out), devicetest.Within(1e-3, 1e-6)), c.program)
}

func (c linearCase) operands(d kernels.Device, x, multiplier []float32, w []int8, scales, bias, out []float32, compare func(got, want []byte) error) []devicetest.Operand {
	return []devicetest.Operand{
		{Data: devicetest.Floats(x)}, {Data: devicetest.Floats(multiplier)},
		{Data: devicetest.Int8s(kernels.PackInt8(w, c.in, c.out))}, {Data: devicetest.Floats(scales)}, {Data: devicetest.Ints(kernels.PackedSums(w, c.in, c.out))}, {Data: devicetest.Floats(bias)},
		{Data: devicetest.Floats(out), Compare: compare}, {Data: devicetest.Floats(out)},
		{Data: make([]byte, d.QuantizedBytes(c.rows, c.in)), Compare: devicetest.Ignore},
		{Data: make([]byte, 64)}, // nothing is written elsewhere
	}
}

func (c linearCase) program(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
	x := kernels.Matrix{Buffer: b[0], Rows: c.rows, Columns: c.in}
	q := kernels.Quantized{Buffer: b[8], Rows: c.rows, Columns: c.in}
	o := kernels.Matrix{Buffer: b[6], Rows: c.rows, Columns: c.out}
	quantize := kernels.Quantize{In: x, Out: q}
	if c.multiplied {
		quantize.Multiplier = b[1]
	}
	linear := kernels.Linear{In: q, Weights: kernels.Packed{Weights: b[2], Scales: b[3], Sums: b[4], In: c.in, Out: c.out}, Bias: b[5], Out: o}
	switch c.residual {
	case "present":
		linear.Residual = kernels.Matrix{Buffer: b[7], Rows: c.rows, Columns: c.out}
	case "out":
		linear.Residual = o
	}
	program := []kernels.Op{quantize, linear}
	if c.atOnce {
		program = append(program, quantize) // nobody else reads what linear is given
	}
	return program
}

func int8Weights(r *rand.Rand, n int) []int8 {
	w := make([]int8, n)
	for i := range w {
		w[i] = int8(r.IntN(255) - 127)
	}
	return w
}

func TestLinearFloat(t *testing.T) {
	shapes := []struct{ rows, in, out int }{{1, 1, 1}, {1, 4, 8}, {1, 768, 3}, {2, 3, 7}, {3, 5, 16}, {5, 26, 9}, {7, 7, 31},
		{15, 12, 12}, {17, 33, 130}, {40, 128, 72}, {200, 4, 72}, {6, 3072, 8}}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, s := range shapes {
			for _, residual := range []string{"absent", "present", "out"} {
				t.Run(fmt.Sprintf("%dx%dx%d, residual %s", s.rows, s.in, s.out, residual), func(t *testing.T) {
					testLinearFloat(t, d, s.rows, s.in, s.out, residual)
				})
			}
		}
	})
}

func testLinearFloat(t *testing.T, d kernels.Device, rows, in, out int, residual string) {
	r := rand.New(rand.NewPCG(uint64(rows), uint64(in)))
	devicetest.Agree(t, d, []devicetest.Operand{
		{Data: devicetest.Floats(normals(r, rows*in))},
		{Data: devicetest.Floats(kernels.PackPanels(normals(r, in*out), in, out))},
		{Data: devicetest.Floats(normals(r, kernels.Padded(out, kernels.PanelWidth)))},
		{Data: devicetest.Floats(normals(r, rows*out))},
		// a sum of n normal products grows to √n, and is rounded n times
		{Data: devicetest.Floats(normals(r, rows*out)), Compare: devicetest.Within(3e-6+2e-7*float64(in), 0)},
		{Data: make([]byte, 64)}, // nothing is written elsewhere
	}, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
		o := kernels.LinearFloat{
			In:      kernels.Matrix{Buffer: b[0], Rows: rows, Columns: in},
			Weights: kernels.Panels{Weights: b[1], In: in, Out: out}, Bias: b[2],
			Out: kernels.Matrix{Buffer: b[4], Rows: rows, Columns: out},
		}
		switch residual {
		case "present":
			o.Residual = kernels.Matrix{Buffer: b[3], Rows: rows, Columns: out}
		case "out":
			o.Residual = o.Out
		}
		return []kernels.Op{o}
	})
}
