package devicetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
)

// Residuals are what a dense layer may add to its outputs: nothing, another matrix, or what was in its own.
var Residuals = []string{"absent", "present", "out"}

// Linear is a dense layer and how its input comes.
type Linear struct {
	Rows, In, Out int
	Residual      string // of Residuals
	AtOnce        bool   // nobody else reads the quantized input, so that the layer may quantize it itself
	Multiplied    bool
}

func (c Linear) String() string {
	return fmt.Sprintf("%dx%dx%d, residual %s, at once %v, multiplied %v", c.Rows, c.In, c.Out, c.Residual, c.AtOnce, c.Multiplied)
}

// Agree quantizes and multiplies. With scales of 1 and no bias the outputs are the
// integer sums themselves, exact in float32 as long as they are below 2^24: those must
// be equal, bit for bit.
func (c Linear) Agree(t *testing.T, d kernels.Device) {
	r := rand.New(rand.NewPCG(uint64(c.Rows), uint64(c.In)))
	t.Run("sums", func(t *testing.T) { c.sums(t, d, r) })
	t.Run("floats", func(t *testing.T) { c.floats(t, d, r) })
}

// sums gives every row a zero, a least and a greatest value, so that its scale is exactly 1 and
// its quantized values are what is written here. Multipliers are powers of 2.
func (c Linear) sums(t *testing.T, d kernels.Device, r *rand.Rand) {
	multiplier := make([]float32, c.In)
	for k := range multiplier {
		multiplier[k] = []float32{1, 2, 0.25}[k%3]
	}
	x := make([]float32, c.Rows*c.In)
	for i := range x {
		x[i] = float32(r.IntN(128) - 60)
		switch {
		case c.In == 1:
			x[i] = 127
		case i%c.In == 0:
			x[i] = 67
		case i%c.In == 1:
			x[i] = -60
		}
		if c.Multiplied {
			x[i] /= multiplier[i%c.In]
		}
	}
	w := Weights(r, c.In*c.Out)
	for k := range c.In { // one output of extremes
		w[k] = 127
	}
	ones, zeros := make([]float32, kernels.Padded(c.Out, kernels.PanelWidth)), make([]float32, kernels.Padded(c.Out, kernels.PanelWidth))
	for i := range ones {
		ones[i] = 1
	}
	c.Residual = "absent"
	Agree(t, d, c.operands(d, x, multiplier, w, ones, zeros, make([]float32, c.Rows*c.Out), Same), c.program)
}

func (c Linear) floats(t *testing.T, d kernels.Device, r *rand.Rand) {
	outs := kernels.Padded(c.Out, kernels.PanelWidth)
	Agree(t, d, c.operands(d, Normals(r, c.Rows*c.In), Normals(r, c.In), Weights(r, c.In*c.Out), Normals(r, outs), Normals(r, outs),
		// the sum is exact; the rest is a few roundings of values up to about 1000
		Normals(r, c.Rows*c.Out), Within(1e-3, 1e-6)), c.program)
}

func (c Linear) operands(d kernels.Device, x, multiplier []float32, w []int8, scales, bias, out []float32, compare func(got, want []byte) error) []Operand {
	return []Operand{
		{Data: Floats(x)}, {Data: Floats(multiplier)},
		{Data: Int8s(kernels.PackInt8(w, c.In, c.Out))}, {Data: Floats(scales)}, {Data: Ints(kernels.PackedSums(w, c.In, c.Out))}, {Data: Floats(bias)},
		{Data: Floats(out), Compare: compare}, {Data: Floats(out)},
		{Data: make([]byte, d.QuantizedBytes(c.Rows, c.In)), Compare: Ignore},
		{Data: make([]byte, 64)}, // nothing is written elsewhere
	}
}

func (c Linear) program(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
	q := kernels.Quantized{Buffer: b[8], Rows: c.Rows, Columns: c.In}
	quantize := kernels.Quantize{In: kernels.Matrix{Buffer: b[0], Rows: c.Rows, Columns: c.In}, Out: q}
	if c.Multiplied {
		quantize.Multiplier = b[1]
	}
	linear := kernels.Linear{In: q, Weights: kernels.Packed{Weights: b[2], Scales: b[3], Sums: b[4], In: c.In, Out: c.Out}, Bias: b[5],
		Out: kernels.Matrix{Buffer: b[6], Rows: c.Rows, Columns: c.Out}}
	linear.Residual = residual(c.Residual, linear.Out, b[7])
	program := []kernels.Op{quantize, linear}
	if c.AtOnce {
		program = append(program, quantize) // nobody else reads what linear is given
	}
	return program
}

func residual(which string, out kernels.Matrix, other kernels.Buffer) kernels.Matrix {
	switch which {
	case "present":
		return kernels.Matrix{Buffer: other, Rows: out.Rows, Columns: out.Columns}
	case "out":
		return out
	}
	return kernels.Matrix{}
}

// LinearFloat is a dense layer of float32.
type LinearFloat struct {
	Rows, In, Out int
	Residual      string // of Residuals
}

func (c LinearFloat) String() string {
	return fmt.Sprintf("%dx%dx%d, residual %s", c.Rows, c.In, c.Out, c.Residual)
}

// Agree runs the layer on the device and on the reference.
func (c LinearFloat) Agree(t *testing.T, d kernels.Device) {
	r := rand.New(rand.NewPCG(uint64(c.Rows), uint64(c.In)))
	Agree(t, d, []Operand{
		{Data: Floats(Normals(r, c.Rows*c.In))},
		{Data: Floats(kernels.PackPanels(Normals(r, c.In*c.Out), c.In, c.Out))},
		{Data: Floats(Normals(r, kernels.Padded(c.Out, kernels.PanelWidth)))},
		{Data: Floats(Normals(r, c.Rows*c.Out))},
		// a sum of n normal products grows to √n, and is rounded n times
		{Data: Floats(Normals(r, c.Rows*c.Out)), Compare: Within(3e-6+2e-7*float64(c.In), 0)},
		{Data: make([]byte, 64)}, // nothing is written elsewhere
	}, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
		out := kernels.Matrix{Buffer: b[4], Rows: c.Rows, Columns: c.Out}
		return []kernels.Op{kernels.LinearFloat{
			In:      kernels.Matrix{Buffer: b[0], Rows: c.Rows, Columns: c.In},
			Weights: kernels.Panels{Weights: b[1], In: c.In, Out: c.Out}, Bias: b[2],
			Residual: residual(c.Residual, out, b[3]), Out: out,
		}}
	})
}
