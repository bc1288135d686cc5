package webgpu_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// TestWiden: every half, and lengths that do not fill a word or a workgroup.
func TestWiden(t *testing.T) {
	var all []byte
	for bits := range 1 << 16 {
		all = binary.LittleEndian.AppendUint16(all, uint16(bits))
	}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, n := range []int{1, 2, 3, 127, 128, 129, 1 << 16} {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				devicetest.Agree(t, d, []devicetest.Operand{{Data: all[:2*n]}, {Data: make([]byte, 4*n), Compare: sameNumbers}, {Data: make([]byte, 64)}},
					func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
						return []kernels.Op{kernels.Widen{In: b[0], Out: b[1]}}
					})
			})
		}
	})
}

// sameNumbers are the same bits, or both no number.
func sameNumbers(got, want []byte) error {
	for i, y := range devicetest.AsFloats(want) {
		x := devicetest.AsFloats(got[4*i : 4*i+4])[0]
		if math.Float32bits(x) != math.Float32bits(y) && (x == x || y == y) {
			return fmt.Errorf("element %d is %g, want %g", i, x, y)
		}
	}
	return nil
}
