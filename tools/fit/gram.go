package fit

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/floats"
)

// lanes is the number of rows that are multiplied together: their values of one feature
// fill a cache line.
const lanes = 8

// computeGram multiplies every row with every row: n*n numbers, symmetric. It spreads
// a few rows out and runs all earlier ones past them.
func computeGram(rows *Matrix) []float64 {
	n := rows.Rows
	k := make([]float64, n*n)
	spread := sync.Pool{New: func() any {
		at := make([][lanes]float64, rows.Cols)
		return &at
	}}
	parallel(n, lanes, func(lo, hi int) {
		borrowed := spread.Get().(*[][lanes]float64)
		defer spread.Put(borrowed)
		at := *borrowed
		for i := lo; i < hi; i++ {
			index, value := rows.row(i)
			for p, j := range index {
				at[j][i-lo] = value[p]
			}
		}
		for other := range hi {
			product := multiply(rows, other, at)
			for i := max(lo, other); i < hi; i++ {
				k[i*n+other] = product[i-lo]
			}
		}
		for i := lo; i < hi; i++ {
			index, _ := rows.row(i)
			for _, j := range index {
				at[j] = [lanes]float64{}
			}
		}
	})
	mirror(k, n)
	return k
}

// multiply gives the products of one row with the rows spread out.
func multiply(rows *Matrix, other int, at [][lanes]float64) [lanes]float64 {
	var a, b, c, d, e, f, g, h float64
	index, value := rows.row(other)
	for p, v := range value {
		x := &at[index[p]]
		a += v * x[0]
		b += v * x[1]
		c += v * x[2]
		d += v * x[3]
		e += v * x[4]
		f += v * x[5]
		g += v * x[6]
		h += v * x[7]
	}
	return [lanes]float64{a, b, c, d, e, f, g, h}
}

// mirror copies the lower triangle to the upper one.
func mirror(k []float64, n int) {
	parallel(n, 16, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			for j := i + 1; j < n; j++ {
				k[i*n+j] = k[j*n+i]
			}
		}
	})
}

// singular is the share of a row's squared length below which what earlier rows leave
// of it counts as rounding.
const singular = 1e-12

// computeFactor gives the lower triangle L with L*transpose(L) = k, and mirrored in
// the upper triangle transpose(L), so that both multiply by contiguous dot products.
// A row in the span of earlier ones (zero, or a multiple) gets a zero column.
func computeFactor(k []float64, n int) []float64 {
	const block = 64
	l := make([]float64, n*n)
	entry := func(i, j int) float64 {
		return k[i*n+j] - floats.Dot(l[i*n:i*n+j], l[j*n:j*n+j])
	}
	fill := func(i, from, to int) {
		for j := from; j < to; j++ {
			if pivot := l[j*n+j]; pivot > 0 {
				l[i*n+j] = entry(i, j) / pivot
			}
		}
	}
	for from := 0; from < n; from += block {
		to := min(from+block, n)
		for i := from; i < to; i++ {
			fill(i, from, i)
			if rest := entry(i, i); rest > singular*k[i*n+i] {
				l[i*n+i] = math.Sqrt(rest)
			}
		}
		parallel(n-to, 16, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				fill(to+i, from, to)
			}
		})
	}
	mirror(l, n)
	return l
}
