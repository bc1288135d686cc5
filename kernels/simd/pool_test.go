package simd_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
)

func TestPool(t *testing.T) {
	sequences := [][]kernels.Sequence{
		{{Rows: 1, Keys: 1}},
		{{Rows: 7, Keys: 3}, {First: 7, Rows: 6, Keys: 6}, {First: 2, Rows: 4, Keys: 4}},
		{{Rows: 64, Keys: 64}, {First: 64, Rows: 200, Keys: 129}, {First: 263, Rows: 1, Keys: 1}, {First: 264, Rows: 36, Keys: 32}},
	}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, s := range sequences {
			last := s[len(s)-1]
			rows := max(13, last.First+last.Rows)
			for _, columns := range []int{1, 26, 96} {
				for _, mean := range []bool{false, true} {
					t.Run(fmt.Sprintf("%dx%d/%v", rows, columns, mean), func(t *testing.T) {
						compare := devicetest.Same
						if mean { // sums of at most 32 values of about 1, then of at most 5 of those, over their number
							compare = devicetest.Within(4e-7, 4e-7)
						}
						devicetest.Agree(t, d, []devicetest.Operand{
							{Data: devicetest.Floats(normals(rand.New(rand.NewPCG(1, 2)), rows*columns))},
							{Data: make([]byte, 4*len(s)*columns), Compare: compare},
						}, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
							return []kernels.Op{kernels.Pool{In: kernels.Matrix{Buffer: b[0], Rows: rows, Columns: columns}, Sequences: s, Mean: mean,
								Out: kernels.Matrix{Buffer: b[1], Rows: len(s), Columns: columns}}}
						})
					})
				}
			}
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
