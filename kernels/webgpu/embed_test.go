package webgpu_test

import (
	"fmt"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// TestEmbed: tables of int8 and float32, in every combination.
func TestEmbed(t *testing.T) {
	shapes := []struct{ rows, columns int }{{1, 1}, {3, 3}, {33, 12}, {7, 16}, {12, 26}, {4, 312}, {13, 768}, {2, 3072}}
	each(t, func(t *testing.T, d kernels.Device) {
		for kinds, s := range shapes {
			t.Run(fmt.Sprintf("%dx%d", s.rows, s.columns), func(t *testing.T) {
				testEmbed(t, d, s.rows, s.columns, devicetest.TableKinds()[kinds])
			})
		}
	})
}

func testEmbed(t *testing.T, d kernels.Device, rows, columns int, tables [3]devicetest.Table) {
	devicetest.Embed{Rows: rows, Columns: columns, Tables: tables, Compare: devicetest.Within(4e-6, 2e-6)}.Agree(t, d)
}
