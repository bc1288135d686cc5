package fit

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
)

// A space is where the weights live while they are fitted: coordinates in which the
// scores are linear and the squared length of the weights is that of the coordinates.
// Vectors hold k labels side by side: z[i*k+l], w[j*k+l].
type space interface {
	// count is the number of rows.
	count() int
	// dim is the number of coordinates of one label.
	dim() int
	// scores sets rows lo to hi of z to the scores of the weights w.
	scores(z, w []float64, k, lo, hi int)
	// pull sets coordinates lo to hi of g to the sum of the rows, each times its r.
	pull(g, r []float64, k, lo, hi int)
	// enter gives the coordinates of feature weights, given also their scores.
	enter(weight, scores []float64, k int) []float64
	// leave gives the feature weights of coordinates w, at which the loss pulls by r.
	leave(w, r []float64, k int) []float64
}

// space picks the cheaper one.
func (d *Design) space() space {
	if d.gramPays {
		return &span{features{d.rows, d.columns()}, d.factor(), d.rows.Rows}
	}
	return &features{d.rows, d.columns()}
}

// features is the plain space: one coordinate per feature.
type features struct {
	rows, columns *Matrix
}

func (f *features) count() int { return f.rows.Rows }

func (f *features) dim() int { return f.rows.Cols }

func (f *features) scores(z, w []float64, k, lo, hi int) {
	combine(f.rows, z, w, k, lo, hi)
}

func (f *features) pull(g, r []float64, k, lo, hi int) {
	combine(f.columns, g, r, k, lo, hi)
}

func (f *features) enter(weight, _ []float64, _ int) []float64 {
	return append([]float64(nil), weight...)
}

func (f *features) leave(w, _ []float64, _ int) []float64 { return w }

// combine sets rows lo to hi of out to the products of m with v.
func combine(m *Matrix, out, v []float64, k, lo, hi int) {
	for i := lo; i < hi; i++ {
		index, value := m.row(i)
		if k == 1 {
			sum := 0.0
			for p, j := range index {
				sum += value[p] * v[j]
			}
			out[i] = sum
			continue
		}
		row := out[i*k : (i+1)*k]
		clear(row)
		for p, j := range index {
			floats.AddScaled(row, value[p], v[int(j)*k:(int(j)+1)*k])
		}
	}
}

// span is the space the rows span: with X = L*Q for orthonormal Q, weights are
// transpose(Q) times the coordinates and scores are L times them.
type span struct {
	features
	factor []float64 // see computeFactor
	n      int
}

func (s *span) dim() int { return s.n }

func (s *span) scores(z, w []float64, k, lo, hi int) {
	for i := lo; i < hi; i++ {
		product(z[i*k:(i+1)*k], s.factor[i*s.n:i*s.n+i+1], w[:(i+1)*k], k)
	}
}

func (s *span) pull(g, r []float64, k, lo, hi int) {
	for j := lo; j < hi; j++ {
		product(g[j*k:(j+1)*k], s.factor[j*s.n+j:(j+1)*s.n], r[j*k:s.n*k], k)
	}
}

// product sets out to row times v, v having k numbers for each of row's.
func product(out, row, v []float64, k int) {
	if k == 1 {
		out[0] = floats.Dot(row, v)
		return
	}
	blas64.Gemv(blas.Trans, 1,
		blas64.General{Rows: len(row), Cols: k, Stride: k, Data: v},
		blas64.Vector{N: len(row), Inc: 1, Data: row}, 0,
		blas64.Vector{N: k, Inc: 1, Data: out})
}

// enter solves L*w = scores, by forward substitution.
func (s *span) enter(_, scores []float64, k int) []float64 {
	w := make([]float64, s.n*k)
	known := make([]float64, k)
	for i := range s.n {
		pivot := s.factor[i*s.n+i]
		if pivot == 0 {
			continue
		}
		clear(known)
		if i > 0 {
			product(known, s.factor[i*s.n:i*s.n+i], w[:i*k], k)
		}
		for l := range k {
			w[i*k+l] = (scores[i*k+l] - known[l]) / pivot
		}
	}
	return w
}

// leave uses that at the optimum the weights equal the loss's pull, reversed: off it
// they differ by no more than the gradient's norm, and L need not be inverted.
func (s *span) leave(_, r []float64, k int) []float64 {
	weight := make([]float64, s.features.dim()*k)
	parallel(s.features.dim(), 256, func(lo, hi int) {
		s.features.pull(weight, r, k, lo, hi)
	})
	floats.Scale(-1, weight)
	return weight
}
