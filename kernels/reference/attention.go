package reference

import (
	"math"

	"bedside/kernels"
)

// attention computes, for each head of d columns, sequence, and row r of it,
//
//	score[k] = Σ Q[r][c]*K[k][c] / √d          for each key k of the sequence
//	Out[r]   = Σ softmax(score)[k] * V[k]
//
// in float64, rounded once. QKV is [rows][3][heads][d], Out [rows][heads][d].
func (d *Device) attention(o kernels.Attention) {
	size := o.Out.Columns / o.Heads
	qkv := d.floats(o.QKV.Buffer, o.QKV.Rows*o.QKV.Columns)
	parallel(len(o.Sequences)*o.Heads, func(i int) {
		s, column := o.Sequences[i/o.Heads], i%o.Heads*size
		row := func(r, part int) []float32 { return qkv[r*o.QKV.Columns+part*o.Out.Columns+column:][:size] }
		keys, values := make([]float64, 0, s.Keys*size), make([]float64, 0, s.Keys*size)
		for k := range s.Keys {
			keys, values = widened(keys, row(s.First+k, 1)), widened(values, row(s.First+k, 2))
		}
		scores, query, out := make([]float64, s.Keys), make([]float64, size), make([]float64, size)
		for r := s.First; r < s.First+s.Rows; r++ {
			attend(out, widened(query[:0], row(r, 0)), keys, values, scores)
			for c, x := range out {
				d.putFloat(o.Out.Buffer, r*o.Out.Columns+column+c, float32(x))
			}
		}
	})
}

// attend makes out of one query; keys and values are [len(scores)][len(query)].
func attend(out, query, keys, values, scores []float64) {
	size := len(query)
	root := math.Sqrt(float64(size))
	for k := range scores {
		dot := 0.0
		for c, x := range keys[k*size:][:size] {
			dot += query[c] * x
		}
		scores[k] = dot / root
	}
	Softmax(scores)
	clear(out)
	for k, p := range scores {
		for c, x := range values[k*size:][:size] {
			out[c] += float64(p * x)
		}
	}
}

func widened(to []float64, from []float32) []float64 {
	for _, x := range from {
		to = append(to, float64(x))
	}
	return to
}
