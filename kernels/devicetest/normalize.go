package devicetest

import (
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels/reference"
)

// Norm is a layer norm's operands: rows of all kinds, from the first-th on.
type Norm struct {
	Rows, Columns  int
	X, Gamma, Beta []float32
	Kind           func(row int) string
}

func NewNorm(r *rand.Rand, first, rows, columns int) Norm {
	n := Norm{Rows: rows, Columns: columns, Gamma: Normals(r, columns), Beta: Normals(r, columns)}
	n.X, n.Kind = Rows(r, Kinds, first, rows, columns)
	return n
}

// Holds compares what came out with the reference, which is in float64. The bound is so much of what
// the last step adds up, gamma * (1 + |unit|) and beta.
func (n Norm) Holds(t *testing.T, out []float32, epsilon float32, bound float64) {
	t.Helper()
	want := make([]float32, n.Columns)
	worst, at := 0.0, 0
	for row := range n.Rows {
		reference.Normalize(want, n.X[row*n.Columns:][:n.Columns], n.Gamma, n.Beta, epsilon)
		for c, w := range want {
			g, b := math.Abs(float64(n.Gamma[c])), math.Abs(float64(n.Beta[c]))
			got := float64(out[row*n.Columns+c])
			off := math.Abs(got-float64(w)) / (g + math.Abs(float64(w)-float64(n.Beta[c])) + b)
			if !(off <= bound) {
				t.Fatalf("row %d (%s), column %d is %g, want %g: %.2g of its parts", row, n.Kind(row), c, got, w, off)
			}
			if off > worst {
				worst, at = off, row
			}
		}
	}
	t.Logf("largest error %.2g of the parts, row of %s", worst, n.Kind(at))
}
