package devicetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
)

// Pool runs first rows and means of a batch of sequences, within 13 rows or as many as it has.
func Pool(t *testing.T, d kernels.Device, batch []kernels.Sequence) {
	rows := 13
	for _, s := range batch {
		rows = max(rows, s.First+s.Rows)
	}
	for _, columns := range []int{1, 26, 96} {
		for _, mean := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d of %dx%d/%v", len(batch), rows, columns, mean), func(t *testing.T) {
				compare := Same
				if mean { // sums of at most 32 values of about 1, then of at most 5 of those, over their number
					compare = Within(4e-7, 4e-7)
				}
				Agree(t, d, []Operand{
					{Data: Floats(Normals(rand.New(rand.NewPCG(1, 2)), rows*columns))},
					{Data: make([]byte, 4*len(batch)*columns), Compare: compare},
					{Data: make([]byte, 256)}, // nothing is written behind Out
				}, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
					return []kernels.Op{kernels.Pool{Sequences: batch, Mean: mean, In: kernels.Matrix{Buffer: b[0], Rows: rows, Columns: columns},
						Out: kernels.Matrix{Buffer: b[1], Rows: len(batch), Columns: columns}}}
				})
			})
		}
	}
}
