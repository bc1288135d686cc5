package simd_test

import (
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

func TestLinearFloat(t *testing.T) {
	shapes := []struct{ rows, in, out int }{{1, 1, 1}, {1, 4, 8}, {1, 768, 3}, {2, 3, 7}, {3, 5, 16}, {5, 26, 9}, {6, 64, 24}, {7, 7, 31},
		{12, 12, 12}, {13, 33, 100}, {16, 8, 9}, {40, 128, 72}, {200, 4, 72}, {6, 3072, 8}}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, s := range shapes {
			for _, residual := range devicetest.Residuals {
				c := devicetest.LinearFloat{Rows: s.rows, In: s.in, Out: s.out, Residual: residual}
				t.Run(c.String(), func(t *testing.T) { c.Agree(t, d) })
			}
		}
	})
}
