package webgpu_test

import (
	"fmt"
	"math/rand/v2"
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
				testEmbed(t, d, s.rows, s.columns, [3]table{{rows: 11, packed: kinds&1 > 0}, {rows: 7, packed: kinds&2 > 0}, {rows: 2, packed: kinds&4 > 0}})
			})
		}
	})
}

func testEmbed(t *testing.T, d kernels.Device, rows, columns int, tables [3]table) {
	r := rand.New(rand.NewPCG(uint64(rows), uint64(columns)))
	// units are about 1; what rounding takes from the sum of three adds to the norm's error
	embedding := []devicetest.Operand{{Data: make([]byte, 4*rows*columns), Compare: devicetest.Within(4e-6, 2e-6)},
		{Data: devicetest.Floats(normals(r, columns))}, {Data: devicetest.Floats(normals(r, columns))}}
	for _, of := range tables {
		embedding = append(embedding, of.operands(r, rows, columns)...)
	}
	devicetest.Agree(t, d, embedding, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
		return []kernels.Op{kernels.Embed{Tokens: b[3], Places: b[6], Kinds: b[9],
			Word: tables[0].at(b[4:], columns), Positions: tables[1].at(b[7:], columns), Types: tables[2].at(b[10:], columns),
			Norm: kernels.Norm{Gamma: b[1], Beta: b[2], Epsilon: 1e-12}, Out: kernels.Matrix{Buffer: b[0], Rows: rows, Columns: columns}}}
	})
}

type table struct {
	rows   int
	packed bool
}

// operands are random ids, values and scales.
func (of table) operands(r *rand.Rand, ids, columns int) []devicetest.Operand {
	rows := make([]int32, ids)
	for i := range rows {
		rows[i] = int32(r.IntN(of.rows))
	}
	if !of.packed {
		return []devicetest.Operand{{Data: devicetest.Ints(rows)}, {Data: devicetest.Floats(normals(r, of.rows*columns))}, {Data: make([]byte, 4)}}
	}
	q := make([]int8, of.rows*columns)
	for i := range q {
		q[i] = int8(r.IntN(255) - 127)
	}
	scales := make([]float32, of.rows)
	for i := range scales {
		scales[i] = 0.01 + 0.01*r.Float32()
	}
	return []devicetest.Operand{{Data: devicetest.Ints(rows)}, {Data: devicetest.Int8s(q)}, {Data: devicetest.Floats(scales)}}
}

func (of table) at(b []kernels.Buffer, columns int) kernels.Table {
	t := kernels.Table{Values: b[0], Rows: of.rows, Columns: columns}
	if of.packed {
		t.Scales = b[1]
	}
	return t
}
