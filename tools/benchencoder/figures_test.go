package main

import (
	"math"
	"slices"
	"testing"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values  []float64
		q, want float64
	}{
		{[]float64{3}, .5, 3},
		{[]float64{3, 1}, .5, 2},
		{[]float64{9, 1, 5}, .5, 5},
		{[]float64{9, 1, 5}, 0, 1},
		{[]float64{9, 1, 5}, 1, 9},
		{[]float64{4, 1, 3, 2, 0}, .25, 1},
		{nil, .5, math.NaN()},
	} {
		if got := quantile(c.values, c.q); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.values, c.q, got, c.want)
		}
	}
}

func TestRatios(t *testing.T) {
	if got := ratios([]float64{1, 3}, []float64{2, 4, 8}); !slices.Equal(got, []float64{.5, .75}) {
		t.Errorf("ratios: %v", got)
	}
}

func TestCosine(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 0}, []float64{0, 2}, 0},
		{[]float64{1, 2}, []float64{2, 4}, 1},
		{[]float64{1, 2}, []float64{-1, -2}, -1},
	} {
		if got := cosine(c.a, c.b); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("cosine(%v, %v) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
	for _, b := range [][]float64{{1}, {0, 0}} {
		if got := cosine([]float64{1, 2}, b); !math.IsNaN(got) {
			t.Errorf("cosine with %v = %v, want NaN", b, got)
		}
	}
}
