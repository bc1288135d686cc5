package devicetest

import (
	"math"
	"math/rand/v2"
)

// Shapes of matrices: of one element, around the tiles of devices, and as wide as models are.
var Shapes = []struct{ Rows, Columns int }{
	{1, 1}, {13, 1}, {3, 3}, {5, 12}, {1, 16}, {7, 16}, {14, 24}, {12, 26}, {31, 33}, {64, 64}, {15, 384}, {13, 768}, {6, 3072},
}

// Kind is a kind of numbers that a row may hold.
type Kind struct {
	name string
	fill func(r *rand.Rand, x []float32)
}

// Kinds are rows that models may have.
var Kinds = []Kind{
	{"normal", elements(func(r *rand.Rand) float64 { return r.NormFloat64() })},
	{"zeros", elements(func(r *rand.Rand) float64 { return 0 })},
	{"positive", elements(func(r *rand.Rand) float64 { return 3 + r.Float64() })},
	{"negative", elements(func(r *rand.Rand) float64 { return -r.ExpFloat64() })},
	{"constant", elements(func(r *rand.Rand) float64 { return 0.1 })},
	{"halves", func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(r.IntN(254)-120) / 2
		}
		x[0] = 67
		if len(x) > 1 {
			x[1] = -60
		}
	}},
	{"outlier", func(r *rand.Rand, x []float32) {
		copy(x, Normals(r, len(x)))
		x[len(x)/2] = -500
	}},
	{"far from 0", elements(func(r *rand.Rand) float64 { return 1000 + r.NormFloat64() })},
	{"huge", elements(func(r *rand.Rand) float64 { return 1e30 * r.NormFloat64() })},
	{"tiny", elements(func(r *rand.Rand) float64 { return 1e-30 * r.NormFloat64() })},
}

// ExtremeKinds are Kinds, and rows whose quantization is no use, but defined.
var ExtremeKinds = append(Kinds[:len(Kinds):len(Kinds)],
	Kind{"subnormal", elements(func(r *rand.Rand) float64 { return 1e-41 * r.NormFloat64() })},
	Kind{"overflow", elements(func(r *rand.Rand) float64 { return 3.4e38 * (2*float64(r.IntN(2)) - 1) })},
	Kind{"a NaN", withOne(math.NaN())},
	Kind{"an infinity", withOne(math.Inf(1))},
)

func elements(value func(r *rand.Rand) float64) func(*rand.Rand, []float32) {
	return func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(value(r))
		}
	}
}

func withOne(odd float64) func(*rand.Rand, []float32) {
	return func(r *rand.Rand, x []float32) {
		copy(x, Normals(r, len(x)))
		x[r.IntN(len(x))] = float32(odd)
	}
}

// Rows are of one kind after another, from the first-th on; kind names that of a row.
func Rows(r *rand.Rand, kinds []Kind, first, rows, columns int) (x []float32, kind func(row int) string) {
	of := func(row int) Kind { return kinds[(first+row)%len(kinds)] }
	x = make([]float32, rows*columns)
	for row := range rows {
		of(row).fill(r, x[row*columns:][:columns])
	}
	return x, func(row int) string { return of(row).name }
}

// Normals are n numbers of mean 0 and deviation 1.
func Normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// Weights are n of the int8 that weights may be: not -128.
func Weights(r *rand.Rand, n int) []int8 {
	w := make([]int8, n)
	for i := range w {
		w[i] = int8(r.IntN(255) - 127)
	}
	return w
}
