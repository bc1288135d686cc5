package simd_test

import (
	"encoding/binary"
	"math"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
)

func TestPool(t *testing.T) {
	batches := [][]kernels.Sequence{
		{{Rows: 1, Keys: 1}},
		{{Rows: 7, Keys: 3}, {First: 7, Rows: 6, Keys: 6}, {First: 2, Rows: 4, Keys: 4}},
		{{Rows: 64, Keys: 64}, {First: 64, Rows: 200, Keys: 129}, {First: 263, Rows: 1, Keys: 1}, {First: 264, Rows: 36, Keys: 32}},
	}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, batch := range batches {
			devicetest.Pool(t, d, batch)
		}
	})
}

// TestWiden: every number of 16 bits, and counts that are no multiple of anything.
func TestWiden(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for _, n := range []int{65536, 1, 2, 7, 15, 17, 16384 + 33} {
			in := make([]byte, 2*n)
			for i := range n {
				binary.LittleEndian.PutUint16(in[2*i:], uint16(i*(65536/n)))
			}
			a := &allocator{Device: d}
			op := kernels.Widen{In: a.take(2 * n), Out: a.take(4 * n)}
			got := a.after([]kernels.Op{op}, op.Out, written{op.In, in})
			if a.err != nil {
				t.Fatal(a.err)
			}
			for i, x := range devicetest.AsFloats(got) {
				bits := binary.LittleEndian.Uint16(in[2*i:])
				want := reference.Half(bits)
				if math.Float32bits(x) != math.Float32bits(want) && !(x != x && want != want) {
					t.Fatalf("%d elements: %04x became %g, want %g", n, bits, x, want)
				}
			}
		}
	})
}
