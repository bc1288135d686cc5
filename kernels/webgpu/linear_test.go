package webgpu_test

import (
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

func linearCases() []devicetest.Linear {
	shapes := []struct{ rows, in, out int }{{1, 1, 1}, {1, 16, 8}, {2, 17, 9}, {3, 4, 5}, {5, 24, 72}, {7, 48, 64}, {8, 64, 8}, {9, 16, 31},
		{15, 33, 17}, {16, 384, 129}, {17, 768, 24}, {31, 32, 128}, {33, 130, 65}, {40, 128, 136}, {200, 64, 264}, {4, 3072, 8}, {3, 1040, 12}}
	var cases []devicetest.Linear
	for i, s := range shapes {
		cases = append(cases, devicetest.Linear{Rows: s.rows, In: s.in, Out: s.out, Residual: devicetest.Residuals[i%3], Multiplied: i%2 == 0},
			devicetest.Linear{Rows: s.rows, In: s.in, Out: s.out, Residual: devicetest.Residuals[(i+1)%3], AtOnce: true, Multiplied: i%2 == 0})
	}
	return cases
}

func TestLinear(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for _, c := range linearCases() {
			t.Run(c.String(), func(t *testing.T) { c.Agree(t, d) })
		}
	})
}

func TestLinearFloat(t *testing.T) {
	shapes := []struct{ rows, in, out int }{{1, 1, 1}, {1, 4, 8}, {1, 768, 3}, {2, 3, 7}, {3, 5, 16}, {5, 26, 9}, {7, 7, 31},
		{15, 12, 12}, {17, 33, 130}, {40, 128, 72}, {200, 4, 72}, {6, 3072, 8}}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, s := range shapes {
			for _, residual := range devicetest.Residuals {
				c := devicetest.LinearFloat{Rows: s.rows, In: s.in, Out: s.out, Residual: residual}
				t.Run(c.String(), func(t *testing.T) { c.Agree(t, d) })
			}
		}
	})
}
