package simd_test

import (
	"fmt"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// TestEmbed: tables of int8 and float32 in all combinations.
func TestEmbed(t *testing.T) {
	shapes := []struct{ rows, columns int }{{1, 1}, {3, 3}, {5, 12}, {7, 16}, {12, 26}, {4, 312}, {13, 768}, {2, 3072}}
	each(t, func(t *testing.T, d kernels.Device) {
		for i, s := range shapes {
			t.Run(fmt.Sprintf("%dx%d", s.rows, s.columns), func(t *testing.T) {
				devicetest.Embed{Rows: s.rows, Columns: s.columns, Tables: devicetest.TableKinds()[i], Compare: devicetest.Within(3e-6, 1e-6)}.Agree(t, d)
			})
		}
	})
}
