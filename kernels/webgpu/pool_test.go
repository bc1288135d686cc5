package webgpu_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

func TestPool(t *testing.T) {
	var many []kernels.Sequence
	for i := range 70 { // more than a dispatch takes
		many = append(many, kernels.Sequence{First: 4 * i, Rows: 4, Keys: 1 + i%4})
	}
	batches := [][]kernels.Sequence{
		{{Rows: 1, Keys: 1}},
		{{Rows: 7, Keys: 3}, {First: 7, Rows: 6, Keys: 6}, {First: 2, Rows: 4, Keys: 4}},
		{{Rows: 64, Keys: 64}, {First: 64, Rows: 200, Keys: 129}, {First: 263, Rows: 1, Keys: 1}},
		many,
	}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, batch := range batches {
			for _, columns := range []int{1, 26, 96} {
				for _, mean := range []bool{false, true} {
					t.Run(fmt.Sprintf("%dx%d/%v", len(batch), columns, mean), func(t *testing.T) {
						testPool(t, d, kernels.Pool{Sequences: batch, Mean: mean, In: kernels.Matrix{Rows: 280, Columns: columns}})
					})
				}
			}
		}
	})
}

func testPool(t *testing.T, d kernels.Device, o kernels.Pool) {
	o.Out = kernels.Matrix{Rows: len(o.Sequences), Columns: o.In.Columns}
	compare := devicetest.Same
	if o.Mean { // sums of at most 32 values of about 1, then of at most 5 of those, over their number
		compare = devicetest.Within(4e-7, 4e-7)
	}
	devicetest.Agree(t, d, []devicetest.Operand{
		{Data: devicetest.Floats(normals(rand.New(rand.NewPCG(1, 2)), o.In.Rows*o.In.Columns))},
		{Data: make([]byte, 4*o.Out.Rows*o.Out.Columns), Compare: compare},
		{Data: make([]byte, 256)}, // nothing is written behind Out
	}, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
		o.In.Buffer, o.Out.Buffer = b[0], b[1]
		return []kernels.Op{o}
	})
}
