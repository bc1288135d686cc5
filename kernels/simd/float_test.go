package simd_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

func TestLinearFloat(t *testing.T) {
	shapes := []struct{ rows, in, out int }{{1, 1, 1}, {1, 4, 8}, {1, 768, 3}, {2, 3, 7}, {3, 5, 16}, {5, 26, 9}, {6, 64, 24}, {7, 7, 31},
		{12, 12, 12}, {13, 33, 100}, {16, 8, 9}, {40, 128, 72}, {200, 4, 72}, {6, 3072, 8}}
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
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	devicetest.Agree(t, d, []devicetest.Operand{
		{Data: devicetest.Floats(random(rows * in))},
		{Data: devicetest.Floats(kernels.PackPanels(random(in*out), in, out))},
		{Data: devicetest.Floats(random(kernels.Padded(out, kernels.PanelWidth)))},
		{Data: devicetest.Floats(random(rows * out))},
		// a sum of n normal products grows to √n, and is rounded n times
		{Data: devicetest.Floats(random(rows * out)), Compare: devicetest.Within(3e-6+2e-7*float64(in), 0)},
		{Data: make([]byte, 64)}, // nothing is written behind Out
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
