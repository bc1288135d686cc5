package fit

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Design is a matrix prepared for fitting. It is safe for concurrent use.
//
// Equal rows are merged: the losses of a text that stands in several rows are losses
// at one point. And where there are fewer distinct rows than it takes to hold the
// features, fits work on the products of rows with rows instead of on the features.
// The optimum lies in the span of the rows, so nothing is lost (the representer
// theorem), and a fit costs the same however many features there are.
type Design struct {
	rows   *Matrix // distinct rows
	of     []int   // per row of the matrix prepared, its distinct row
	copies []int   // per distinct row, how many rows it stands for

	gramPays bool // whether products of rows are cheaper to work with than features

	gram    func() []float64 // products of rows with rows, [rows][rows]; see computeGram
	factor  func() []float64 // see computeFactor
	columns func() *Matrix   // rows, by columns
}

// maxGramRows bounds the memory of a design: 2 matrices of its square, of 8 bytes each.
const maxGramRows = 4096

// gramCost is how many products of rows cost as much as one value of a feature: they lie
// side by side, and optimizers keep many vectors of one number per feature.
const gramCost = 8

// maxValue is the largest feature whose products with others stay far from overflow.
const maxValue = 1e15

// Prepare merges equal rows. The matrix must not change afterwards.
func Prepare(ctx context.Context, x *Matrix) (*Design, error) {
	if err := x.Validate(); err != nil {
		return nil, err
	}
	for _, v := range x.Value {
		if math.Abs(v) > maxValue {
			return nil, fmt.Errorf("a feature is %g; scale features to at most %g", v, maxValue)
		}
	}
	d := &Design{}
	d.merge(x)
	n := d.rows.Rows
	d.gramPays = n <= maxGramRows && n < d.rows.Cols && n*n <= gramCost*len(d.rows.Value)
	d.columns = sync.OnceValue(d.rows.transpose)
	d.gram = sync.OnceValue(func() []float64 { return computeGram(d.rows) })
	d.factor = sync.OnceValue(func() []float64 { return computeFactor(d.gram(), d.rows.Rows) })
	return d, ctx.Err()
}

// merge finds the rows whose bits are equal.
func (d *Design) merge(x *Matrix) {
	seen := make(map[string]int, x.Rows)
	var first []int
	var key []byte
	d.of = make([]int, x.Rows)
	for i := range x.Rows {
		key = key[:0]
		index, value := x.row(i)
		for p, j := range index {
			key = binary.LittleEndian.AppendUint32(key, uint32(j))
			key = binary.LittleEndian.AppendUint64(key, math.Float64bits(value[p]))
		}
		k, known := seen[string(key)]
		if !known {
			k = len(first)
			seen[string(key)] = k
			first = append(first, i)
			d.copies = append(d.copies, 0)
		}
		d.of[i] = k
		d.copies[k]++
	}
	d.rows = x.Select(first)
}

// share is the number of rows with one label among the copies of a distinct row.
type share struct {
	label int
	rows  int
}

// shares counts the labels of each distinct row, labels ascending.
func (d *Design) shares(t Targets) [][]share {
	all := make([][]int, d.rows.Rows)
	for i, set := range t.Sets {
		all[d.of[i]] = append(all[d.of[i]], set...)
	}
	shares := make([][]share, d.rows.Rows)
	for k, labels := range all {
		slices.Sort(labels)
		for _, l := range labels {
			if n := len(shares[k]); n > 0 && shares[k][n-1].label == l {
				shares[k][n-1].rows++
			} else {
				shares[k] = append(shares[k], share{l, 1})
			}
		}
	}
	return shares
}
