package simd_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// attentionCase is normal random queries, keys and values. Queries and keys are multiplied by spread,
// so that scores are of the size of its square.
type attentionCase struct {
	name        string
	rows        int
	heads, size int
	sequences   []kernels.Sequence
	spread      float64
}

func attentionCases() []attentionCase {
	one := func(rows, keys int) []kernels.Sequence { return []kernels.Sequence{{Rows: rows, Keys: keys}} }
	cases := []attentionCase{
		{"one row", 1, 1, 64, one(1, 1), 1},
		{"one element", 1, 1, 1, one(1, 1), 1},
		{"5 rows", 5, 2, 12, one(5, 5), 1},
		{"6 rows", 6, 3, 4, one(6, 6), 1},
		{"7 rows", 7, 1, 26, one(7, 7), 1},
		{"12 rows", 12, 2, 32, one(12, 12), 1},
		{"13 rows", 13, 1, 64, one(13, 13), 1},
		{"16 rows, odd heads", 16, 3, 3, one(16, 16), 1},
		{"128 rows", 128, 2, 64, one(128, 128), 1},
		{"blocks of queries", 200, 1, 26, one(200, 193), 1},
		{"several sequences", 40, 2, 12, []kernels.Sequence{{First: 0, Rows: 9, Keys: 4}, {First: 9, Rows: 1, Keys: 1}, {First: 16, Rows: 20, Keys: 20}}, 1},
		{"sequences in another order", 24, 1, 32, []kernels.Sequence{{First: 20, Rows: 4, Keys: 3}, {First: 0, Rows: 8, Keys: 8}}, 1},
		{"fewer rows than keys", 40, 3, 12, []kernels.Sequence{{First: 0, Rows: 1, Keys: 23}, {First: 23, Rows: 2, Keys: 17}}, 1},
		{"no sequence", 3, 1, 8, nil, 1},
		{"large scores", 30, 2, 64, one(30, 30), 5},
		{"scores that underflow", 30, 2, 16, one(30, 27), 12},
		{"one key, its score far below 0 or above", 9, 2, 16, one(9, 1), 12},
	}
	for keys := 1; keys <= 17; keys++ {
		cases = append(cases, attentionCase{"some keys", 18, 1, 12, one(18, keys), 1})
	}
	return cases
}

// attentionError bounds the difference to the reference. A score s has an error of about
// |s|·2⁻²² from its sum and its scaling, a weight the same error relative to itself, and
// values are below 5.
func attentionError(spread float64) float64 { return 1e-6 + 5e-7*spread*spread }

func TestAttention(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for _, c := range attentionCases() {
			t.Run(c.name, func(t *testing.T) { testAttention(t, d, c) })
		}
	})
}

func testAttention(t *testing.T, d kernels.Device, c attentionCase) {
	r := rand.New(rand.NewPCG(uint64(c.rows), uint64(c.size)))
	columns := c.heads * c.size
	qkv := make([]float32, c.rows*3*columns)
	for i := range qkv {
		qkv[i] = float32(r.NormFloat64())
		if i%(3*columns) < 2*columns {
			qkv[i] *= float32(c.spread)
		}
	}
	hideUnasked(qkv, c)
	out := make([]float32, c.rows*columns)
	for i := range out {
		out[i] = float32(i)
	}
	devicetest.Agree(t, d, []devicetest.Operand{
		{Data: devicetest.Floats(qkv)},
		{Data: devicetest.Floats(out), Compare: devicetest.Within(attentionError(c.spread), 0)},
		{Data: make([]byte, 64)}, // nothing is written behind Out
	}, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
		return []kernels.Op{kernels.Attention{
			QKV: kernels.Matrix{Buffer: b[0], Rows: c.rows, Columns: 3 * columns}, Heads: c.heads,
			Sequences: c.sequences, Out: kernels.Matrix{Buffer: b[1], Rows: c.rows, Columns: columns},
		}}
	})
}

// hideUnasked makes NaN of keys and values that no query may see, and of queries of rows
// that no sequence has.
func hideUnasked(qkv []float32, c attentionCase) {
	columns := c.heads * c.size
	asks, answers := make([]bool, c.rows), make([]bool, c.rows)
	for _, s := range c.sequences {
		for i := range s.Rows {
			asks[s.First+i] = true
		}
		for i := range s.Keys {
			answers[s.First+i] = true
		}
	}
	for i := range qkv {
		row, query := i/(3*columns), i%(3*columns) < columns
		if query && !asks[row] || !query && !answers[row] {
			qkv[i] = float32(math.NaN())
		}
	}
}
