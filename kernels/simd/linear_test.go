package simd_test

import (
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

func TestLinear(t *testing.T) {
	shapes := []struct{ rows, in, out int }{{1, 1, 1}, {1, 16, 8}, {2, 17, 9}, {3, 4, 5}, {5, 24, 72}, {6, 312, 40}, {7, 48, 64}, {8, 64, 8}, {9, 16, 31},
		{11, 32, 24}, {13, 33, 17}, {40, 128, 136}, {200, 64, 264}, {6, 768, 24}, {4, 3072, 8}}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, s := range shapes {
			c := devicetest.Linear{Rows: s.rows, In: s.in, Out: s.out, Residual: "out"}
			t.Run(c.String(), func(t *testing.T) { c.Agree(t, d) })
		}
	})
}
