package devicetest

import (
	"math/rand/v2"
	"testing"

	"bedside/kernels"
)

// Embed adds up rows of three tables, of words, places and kinds, and norms them. Units are about 1;
// what rounding takes from the sum of three adds to the norm's error, which Compare allows.
type Embed struct {
	Rows, Columns int
	Tables        [3]Table
	Compare       func(got, want []byte) error
}

// Table is of int8 where it is packed, of float32 otherwise.
type Table struct {
	Rows   int
	Packed bool
}

// TableKinds are small tables of int8 and float32 in all eight combinations.
func TableKinds() (all [][3]Table) {
	for i := range 8 {
		all = append(all, [3]Table{{11, i&1 > 0}, {7, i&2 > 0}, {2, i&4 > 0}})
	}
	return all
}

// Agree runs the sum on the device and on the reference.
func (c Embed) Agree(t *testing.T, d kernels.Device) {
	r := rand.New(rand.NewPCG(uint64(c.Rows), uint64(c.Columns)))
	operands := []Operand{{Data: make([]byte, 4*c.Rows*c.Columns), Compare: c.Compare},
		{Data: Floats(Normals(r, c.Columns))}, {Data: Floats(Normals(r, c.Columns))}}
	for _, of := range c.Tables {
		operands = append(operands, of.operands(r, c.Rows, c.Columns)...)
	}
	Agree(t, d, operands, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
		return []kernels.Op{kernels.Embed{Tokens: b[3], Places: b[6], Kinds: b[9],
			Word: c.Tables[0].at(b[4:], c.Columns), Positions: c.Tables[1].at(b[7:], c.Columns), Types: c.Tables[2].at(b[10:], c.Columns),
			Norm: kernels.Norm{Gamma: b[1], Beta: b[2], Epsilon: 1e-12}, Out: kernels.Matrix{Buffer: b[0], Rows: c.Rows, Columns: c.Columns}}}
	})
}

// operands are random ids, values and scales.
func (of Table) operands(r *rand.Rand, ids, columns int) []Operand {
	rows := make([]int32, ids)
	for i := range rows {
		rows[i] = int32(r.IntN(of.Rows))
	}
	if !of.Packed {
		return []Operand{{Data: Ints(rows)}, {Data: Floats(Normals(r, of.Rows*columns))}, {Data: make([]byte, 4)}}
	}
	q := Weights(r, of.Rows*columns)
	scales := make([]float32, of.Rows)
	for i := range scales {
		scales[i] = 0.01 + 0.01*r.Float32()
	}
	return []Operand{{Data: Ints(rows)}, {Data: Int8s(q)}, {Data: Floats(scales)}}
}

func (of Table) at(b []kernels.Buffer, columns int) kernels.Table {
	t := kernels.Table{Values: b[0], Rows: of.Rows, Columns: columns}
	if of.Packed {
		t.Scales = b[1]
	}
	return t
}
