package main

import (
	"math"
	"slices"
)

// quantile interpolates between the nearest values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

func median(values []float64) float64 { return quantile(values, .5) }

// ratios divides pair by pair.
func ratios(own, peer []float64) []float64 {
	out := make([]float64, min(len(own), len(peer)))
	for i := range out {
		out[i] = own[i] / peer[i]
	}
	return out
}

// cosine is of the angle between two vectors; NaN where their lengths differ or one is zero.
func cosine(a, b []float64) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+a[i]*b[i], aa+a[i]*a[i], bb+b[i]*b[i]
	}
	return ab / math.Sqrt(aa*bb)
}
