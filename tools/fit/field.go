package fit

import "gonum.org/v1/gonum/floats"

// field evaluates a loss and its gradient at weights in a space, on all cores. Sums are
// taken in an order that does not depend on which core did what.
type field struct {
	space    space
	loss     loss
	k        int // labels
	scores   []float64
	residual []float64 // derivative of the loss by the scores, [rows][k]
	sums     []float64 // [chunks][values]
}

// chunk is the number of rows, or of coordinates, that a core takes at a time.
const chunk = 32

func newField(s space, l loss, k int) *field {
	f := &field{space: s}
	f.use(l, k)
	return f
}

// use changes the loss and its number of labels, keeping memory.
func (f *field) use(l loss, k int) {
	rows := f.space.count()
	f.loss, f.k = l, k
	f.scores = sized(f.scores, rows*k)
	f.residual = sized(f.residual, rows*k)
	f.sums = sized(f.sums, (rows+chunk-1)/chunk*l.values())
}

func sized(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	return s[:n]
}

// evaluate sets gradient to the loss's gradient and values to its values at x. Both
// vectors are [dim+1][k], biases last.
func (f *field) evaluate(x, gradient, values []float64) {
	k, dim, n := f.k, f.space.dim(), len(values)
	w, bias := x[:dim*k], x[dim*k:]
	parallel(f.space.count(), chunk, func(lo, hi int) {
		f.space.scores(f.scores, w, k, lo, hi)
		z := f.scores[lo*k : hi*k]
		for i := 0; i < len(z); i += k {
			floats.Add(z[i:i+k], bias)
		}
		at := lo / chunk * n
		f.loss.at(f.residual[lo*k:hi*k], z, f.sums[at:at+n], lo)
	})
	parallel(dim, chunk, func(lo, hi int) {
		f.space.pull(gradient, f.residual, k, lo, hi)
	})
	slope := gradient[dim*k:]
	clear(slope)
	for i := 0; i < len(f.residual); i += k {
		floats.Add(slope, f.residual[i:i+k])
	}
	clear(values)
	for i := 0; i < len(f.sums); i += n {
		floats.Add(values, f.sums[i:i+n])
	}
}
