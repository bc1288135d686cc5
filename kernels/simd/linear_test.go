package simd_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// TestLinear quantizes and multiplies. With scales of 1 and no bias the outputs are the
// integer sums themselves, exact in float32 as long as they are below 2^24: those must
// be equal, bit for bit.
func TestLinear(t *testing.T) {
	type shape struct{ rows, in, out int }
	shapes := []shape{{1, 1, 1}, {1, 16, 8}, {2, 17, 9}, {3, 4, 5}, {5, 24, 72}, {6, 312, 40}, {7, 48, 64}, {8, 64, 8}, {9, 16, 31},
		{11, 32, 24}, {13, 33, 17}, {40, 128, 136}, {200, 64, 264}, {6, 768, 24}, {4, 3072, 8}}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, s := range shapes {
			t.Run(fmt.Sprintf("%dx%dx%d", s.rows, s.in, s.out), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(s.rows), uint64(s.in)))
				t.Run("sums", func(t *testing.T) { testSums(t, d, r, s.rows, s.in, s.out) })
				t.Run("floats", func(t *testing.T) { testLinear(t, d, r, s.rows, s.in, s.out) })
			})
		}
	})
}

// testSums gives every row a zero, a least and a greatest value, so that its scale is
// exactly 1 and its quantized values are what is written here.
func testSums(t *testing.T, d kernels.Device, r *rand.Rand, rows, in, out int) {
	x := make([]float32, rows*in)
	for i := range x {
		x[i] = float32(r.IntN(128) - 60)
	}
	for row := range rows {
		x[row*in] = 67
		if in > 1 {
			x[row*in+1] = -60
		} else {
			x[row*in] = 127
		}
	}
	w := make([]int8, in*out)
	for i := range w {
		w[i] = int8(r.IntN(255) - 127)
	}
	for k := range in { // one output of extremes
		w[k] = 127
	}
	ones, zeros := make([]float32, kernels.Padded(out, 8)), make([]float32, kernels.Padded(out, 8))
	for i := range ones {
		ones[i] = 1
	}
	program := linearProgram(rows, in, out, false)
	devicetest.Agree(t, d, []devicetest.Operand{
		{Data: devicetest.Floats(x)},
		{Data: devicetest.Int8s(kernels.PackInt8(w, in, out))}, {Data: devicetest.Floats(ones)}, {Data: devicetest.Ints(kernels.PackedSums(w, in, out))}, {Data: devicetest.Floats(zeros)},
		{Data: make([]byte, 4*rows*out)},
		{Data: make([]byte, 2*rows*(in+16)+8*rows+64), Compare: devicetest.Ignore},
	}, program)
}

func testLinear(t *testing.T, d kernels.Device, r *rand.Rand, rows, in, out int) {
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	w := make([]int8, in*out)
	for i := range w {
		w[i] = int8(r.IntN(255) - 127)
	}
	outs := kernels.Padded(out, 8)
	devicetest.Agree(t, d, []devicetest.Operand{
		{Data: devicetest.Floats(random(rows * in))},
		{Data: devicetest.Int8s(kernels.PackInt8(w, in, out))}, {Data: devicetest.Floats(random(outs))}, {Data: devicetest.Ints(kernels.PackedSums(w, in, out))}, {Data: devicetest.Floats(random(outs))},
		// the sum is exact; the rest is three roundings of values up to about 1000
		{Data: devicetest.Floats(random(rows * out)), Compare: devicetest.Within(1e-3, 1e-6)},
		{Data: make([]byte, 2*rows*(in+16)+8*rows+64), Compare: devicetest.Ignore},
	}, linearProgram(rows, in, out, true))
}

func linearProgram(rows, in, out int, residual bool) func(kernels.Device, []kernels.Buffer) []kernels.Op {
	return func(d kernels.Device, b []kernels.Buffer) []kernels.Op {
		q := kernels.Quantized{Buffer: b[6], Rows: rows, Columns: in}
		o := kernels.Matrix{Buffer: b[5], Rows: rows, Columns: out}
		linear := kernels.Linear{In: q, Weights: kernels.Packed{Weights: b[1], Scales: b[2], Sums: b[3], In: in, Out: out}, Bias: b[4], Out: o}
		if residual {
			linear.Residual = o
		}
		return []kernels.Op{kernels.Quantize{In: kernels.Matrix{Buffer: b[0], Rows: rows, Columns: in}, Out: q}, linear}
	}
}
