package fit

import (
	"fmt"

	"gonum.org/v1/gonum/floats"
)

// Linear scores rows: score[l] = Bias[l] + sum over features j of x[j]*Weight[j*Labels+l].
type Linear struct {
	Features, Labels int
	Weight           []float64 // [Features][Labels]
	Bias             []float64 // [Labels]
}

// Floor is the bias, without weights, of a label that no training row has; a label
// that all of them have gets -Floor. Its probability rounds to 0 (or 1), yet stays a
// finite number.
const Floor = -30

// Decision gives the scores [x.Rows][Labels]. Cores share the rows.
func (l *Linear) Decision(x *Matrix) ([]float64, error) {
	if err := x.Validate(); err != nil {
		return nil, err
	}
	if x.Cols != l.Features || len(l.Weight) != l.Features*l.Labels || len(l.Bias) != l.Labels {
		return nil, fmt.Errorf("model of %d features and %d labels, with %d weights and %d biases, for a matrix of %d columns",
			l.Features, l.Labels, len(l.Weight), len(l.Bias), x.Cols)
	}
	scores := make([]float64, x.Rows*l.Labels)
	parallel(x.Rows, 64, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			score := scores[i*l.Labels : (i+1)*l.Labels]
			copy(score, l.Bias)
			index, value := x.row(i)
			for p, j := range index {
				floats.AddScaled(score, value[p], l.Weight[int(j)*l.Labels:(int(j)+1)*l.Labels])
			}
		}
	})
	return scores, nil
}
