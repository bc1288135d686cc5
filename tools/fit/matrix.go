// Package fit trains linear classifiers on sparse features: logistic regression and
// the linear support vector machine, both with L2 regularization.
//
// The objectives are scikit-learn's, to the constant, so that C means the same. The
// solvers are exact methods run to a stated precision; given the same input they
// return the same bits, whatever the number of cores and the order they finish in.
//
// Prepare a matrix once, then fit it as often as the search over settings needs:
//
//	design, err := fit.Prepare(ctx, features)
//	for _, c := range grid {
//		model, err = design.Logistic(ctx, targets, fit.LogisticOptions{C: c, Start: model})
//	}
package fit

import (
	"fmt"
	"math"
)

// Matrix is a sparse matrix in compressed rows: row i holds Value[p] in column
// Index[p] for p from Start[i] to Start[i+1], columns ascending.
type Matrix struct {
	Rows, Cols int
	Start      []int
	Index      []int32
	Value      []float64
}

// Validate reports the first way in which the matrix is not one.
func (m *Matrix) Validate() error {
	if m.Rows < 0 || m.Cols < 0 || m.Cols > math.MaxInt32 {
		return fmt.Errorf("matrix of %d rows and %d columns", m.Rows, m.Cols)
	}
	if len(m.Start) != m.Rows+1 {
		return fmt.Errorf("matrix of %d rows has %d row starts, not one more", m.Rows, len(m.Start))
	}
	if len(m.Index) != len(m.Value) || m.Start[0] != 0 || m.Start[m.Rows] != len(m.Index) {
		return fmt.Errorf("matrix rows span %d to %d over %d columns and %d values", m.Start[0], m.Start[m.Rows], len(m.Index), len(m.Value))
	}
	for i := range m.Rows {
		if m.Start[i] > m.Start[i+1] {
			return fmt.Errorf("matrix row %d ends before it starts", i)
		}
		if err := m.validateRow(i); err != nil {
			return err
		}
	}
	return nil
}

func (m *Matrix) validateRow(i int) error {
	last := int32(-1)
	if m.Start[i+1] > len(m.Index) {
		return fmt.Errorf("matrix row %d ends past the last value", i)
	}
	for p := m.Start[i]; p < m.Start[i+1]; p++ {
		if m.Index[p] <= last || int(m.Index[p]) >= m.Cols {
			return fmt.Errorf("matrix row %d: column %d after column %d, of %d columns", i, m.Index[p], last, m.Cols)
		}
		if math.IsNaN(m.Value[p]) || math.IsInf(m.Value[p], 0) {
			return fmt.Errorf("matrix row %d, column %d: %g is not a number to learn from", i, m.Index[p], m.Value[p])
		}
		last = m.Index[p]
	}
	return nil
}

// Select copies the named rows, in the order named; a row may be named twice.
// It panics on a row that the matrix does not have, as indexing a slice does.
func (m *Matrix) Select(rows []int) *Matrix {
	size := 0
	for _, i := range rows {
		size += m.Start[i+1] - m.Start[i]
	}
	s := &Matrix{Rows: len(rows), Cols: m.Cols, Start: make([]int, 1, len(rows)+1),
		Index: make([]int32, 0, size), Value: make([]float64, 0, size)}
	for _, i := range rows {
		index, value := m.row(i)
		s.Index = append(s.Index, index...)
		s.Value = append(s.Value, value...)
		s.Start = append(s.Start, len(s.Index))
	}
	return s
}

func (m *Matrix) row(i int) ([]int32, []float64) {
	lo, hi := m.Start[i], m.Start[i+1]
	return m.Index[lo:hi:hi], m.Value[lo:hi:hi]
}

// transpose gives the matrix by columns: row j of the result is column j.
func (m *Matrix) transpose() *Matrix {
	t := &Matrix{Rows: m.Cols, Cols: m.Rows, Start: make([]int, m.Cols+1),
		Index: make([]int32, len(m.Index)), Value: make([]float64, len(m.Value))}
	for _, j := range m.Index {
		t.Start[j+1]++
	}
	for j := range m.Cols {
		t.Start[j+1] += t.Start[j]
	}
	next := append([]int(nil), t.Start...)
	for i := range m.Rows {
		index, value := m.row(i)
		for p, j := range index {
			t.Index[next[j]], t.Value[next[j]] = int32(i), value[p]
			next[j]++
		}
	}
	return t
}
