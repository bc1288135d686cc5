package head

import "math"

// scaler brings columns to mean 0 and deviation 1, as Adam, whose steps are alike in all
// columns, and the regularization want them.
type scaler struct{ mean, by []float64 }

// leastDeviation is the least deviation, relative to the mean, of a column that counts: what
// varies less is rounding, which Adam would amplify and which float32 could not bear.
const leastDeviation = 1e-3

func newScaler(e Examples) scaler {
	s := scaler{make([]float64, e.Width), make([]float64, e.Width)}
	n := float64(len(e.Targets.Sets))
	for at, v := range e.Vectors {
		s.mean[at%e.Width] += float64(v) / n
	}
	for at, v := range e.Vectors {
		d := float64(v) - s.mean[at%e.Width]
		s.by[at%e.Width] += d * d / n
	}
	for j, variance := range s.by {
		deviation := math.Sqrt(variance)
		if s.by[j] = 0; deviation > leastDeviation*math.Abs(s.mean[j]) {
			s.by[j] = 1 / deviation
		}
	}
	return s
}

// batch gives examples as a descent sees them.
func (s scaler) batch(e Examples, t *task) batch {
	b := batch{rows: len(e.Targets.Sets), width: len(s.mean), x: make([]float64, len(e.Vectors))}
	for at, v := range e.Vectors {
		j := at % len(s.mean)
		b.x[at] = (float64(v) - s.mean[j]) * s.by[j]
	}
	b.has, b.all = t.weigh(e.Targets.Sets)
	return b
}

// fold makes a layer of scaled columns one of columns as they come.
func (s scaler) fold(l layer) {
	for j, by := range s.by {
		for o := range l.out {
			w := &l.weight[j*l.out+o]
			*w *= by
			l.bias[o] -= *w * s.mean[j]
		}
	}
}
