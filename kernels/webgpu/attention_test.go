package webgpu_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// attended is what is asked of normal random queries, keys and values. Queries and keys are multiplied
// by spread, so that scores are of the size of its square.
type attended struct {
	heads, size int
	sequences   []kernels.Sequence
	spread      float64
}

func attentionCases() []attended {
	one := func(rows, keys int) []kernels.Sequence { return []kernels.Sequence{{Rows: rows, Keys: keys}} }
	var short []kernels.Sequence
	for i := range 131 { // more blocks than a dispatch takes
		short = append(short, kernels.Sequence{First: 3 * i, Rows: 1 + i%3, Keys: 1 + i%2})
	}
	cases := []attended{
		{2, 32, nil, 1},
		{12, 32, one(128, 128), 1},
		{1, 64, one(200, 193), 1},
		{2, 12, []kernels.Sequence{{First: 0, Rows: 9, Keys: 4}, {First: 9, Rows: 1, Keys: 1}, {First: 16, Rows: 70, Keys: 70}}, 1},
		{1, 32, []kernels.Sequence{{First: 50, Rows: 40, Keys: 33}, {First: 0, Rows: 38, Keys: 38}}, 1},
		{3, 12, []kernels.Sequence{{First: 0, Rows: 1, Keys: 97}, {First: 97, Rows: 2, Keys: 64}}, 1},
		{2, 4, short, 1},
		{2, 64, one(70, 70), 5},
		{2, 16, one(30, 27), 12}, // weights that underflow
		{2, 16, one(9, 1), 12},
	}
	for _, n := range []int{1, 2, 31, 32, 33, 64, 65} {
		cases = append(cases, attended{1, 8, one(n, n), 1}, attended{1, 33, one(65, n), 1})
	}
	for _, size := range []int{1, 3, 31, 32, 33, 64, 65, 96, 128, 129, 200} {
		cases = append(cases, attended{2, size, one(40, 37), 1})
	}
	return cases
}

// bound is the largest difference to the reference. The error of a score s is about |s|·2⁻²² of it,
// that of a weight as much and what exp2 may be off; values are below 5.
func (c attended) bound() float64 { return 2e-6 + 1e-6*c.spread*c.spread }

func (c attended) rows() int {
	rows := 1
	for _, s := range c.sequences {
		rows = max(rows, s.First+max(s.Rows, s.Keys))
	}
	return rows + 2 // rows that no sequence names
}

func TestAttention(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for _, c := range attentionCases() {
			t.Run(fmt.Sprintf("%dx%d/%d sequences/%d rows", c.heads, c.size, len(c.sequences), c.rows()), func(t *testing.T) {
				rows, columns := c.rows(), c.heads*c.size
				before := make([]float32, rows*columns)
				for i := range before {
					before[i] = float32(i)
				}
				devicetest.Agree(t, d, []devicetest.Operand{
					{Data: devicetest.Floats(c.qkv())},
					{Data: devicetest.Floats(before), Compare: devicetest.Within(c.bound(), 0)},
					{Data: make([]byte, 256)}, // nothing is written behind Out
				}, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
					return []kernels.Op{kernels.Attention{
						QKV: kernels.Matrix{Buffer: b[0], Rows: rows, Columns: 3 * columns}, Heads: c.heads,
						Sequences: c.sequences, Out: kernels.Matrix{Buffer: b[1], Rows: rows, Columns: columns},
					}}
				})
			})
		}
	})
}

// qkv has NaN wherever no sequence asks, and where none answers.
func (c attended) qkv() []float32 {
	r := rand.New(rand.NewPCG(uint64(c.heads), uint64(c.size)))
	columns := c.heads * c.size
	x := make([]float32, c.rows()*3*columns)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	fill := func(row, part int, spread float64) {
		for i := range columns {
			x[(3*row+part)*columns+i] = float32(spread * r.NormFloat64())
		}
	}
	for _, s := range c.sequences {
		for i := range s.Rows {
			fill(s.First+i, 0, c.spread)
		}
		for i := range s.Keys {
			fill(s.First+i, 1, c.spread)
			fill(s.First+i, 2, 1)
		}
	}
	return x
}

// TestAttentionQuantized: what is quantized behind attention is the reference's quantization of what the device attended.
func TestAttentionQuantized(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for _, c := range []attended{
			{2, 32, []kernels.Sequence{{Rows: 1, Keys: 1}}, 1},
			{3, 5, []kernels.Sequence{{Rows: 37, Keys: 30}}, 1},
			{2, 16, []kernels.Sequence{{Rows: 9, Keys: 9}, {First: 9, Rows: 64, Keys: 64}, {First: 73, Rows: 3, Keys: 2}}, 2},
			{4, 8, []kernels.Sequence{{First: 2, Rows: 6, Keys: 6}, {Rows: 2, Keys: 2}}, 1}, // out of order
		} {
			for _, multiplied := range []bool{false, true} {
				t.Run(fmt.Sprintf("%dx%d/%d sequences/multiplied %t", c.heads, c.size, len(c.sequences), multiplied), func(t *testing.T) { c.quantized(t, d, multiplied) })
			}
		}
	})
}

func (c attended) quantized(t *testing.T, d kernels.Device, multiplied bool) {
	rows, columns := c.rows()-2, c.heads*c.size
	buffers, err := d.Allocate(4*3*rows*columns, 4*rows*columns, 4*columns, d.QuantizedBytes(rows, columns))
	if err != nil {
		t.Fatal(err)
	}
	out := kernels.Matrix{Buffer: buffers[1], Rows: rows, Columns: columns}
	quantize := kernels.Quantize{In: out, Out: kernels.Quantized{Buffer: buffers[3], Rows: rows, Columns: columns}}
	var by []float32
	if multiplied {
		by, quantize.Multiplier = devicetest.Normals(rand.New(rand.NewPCG(1, 2)), columns), buffers[2]
	}
	if err := errors.Join(d.Write(buffers[0], devicetest.Floats(c.qkv()[:3*rows*columns])), d.Write(buffers[2], devicetest.Floats(by))); err != nil {
		t.Fatal(err)
	}
	devicetest.Run(t, d, []kernels.Op{
		kernels.Attention{QKV: kernels.Matrix{Buffer: buffers[0], Rows: rows, Columns: 3 * columns}, Heads: c.heads, Sequences: c.sequences, Out: out},
		quantize,
	})
	data := [][]byte{make([]byte, buffers[1].Bytes), make([]byte, buffers[3].Bytes)}
	devicetest.Read(t, d, data, []kernels.Buffer{buffers[1], buffers[3]})
	if err := quantizedAs(data[1], devicetest.AsFloats(data[0]), by, rows, columns, func(int) string { return "attended" }); err != nil {
		t.Error(err)
	}
}
