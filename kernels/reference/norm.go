package reference

import "math"

// Normalize is the layer norm of one row: out = (in - mean) / √(variance + epsilon) *
// gamma + beta, in float64 and rounded once. All slices are as long; out may be in.
func Normalize(out, in, gamma, beta []float32, epsilon float32) {
	n := float64(len(in))
	sum := 0.0
	for _, x := range in {
		sum += float64(x)
	}
	mean := sum / n
	squares := 0.0
	for _, x := range in {
		d := float64(x) - mean
		squares += float64(d * d)
	}
	deviation := math.Sqrt(squares/n + float64(epsilon))
	for i, x := range in {
		unit := (float64(x) - mean) / deviation
		out[i] = float32(float64(unit*float64(gamma[i])) + float64(beta[i]))
	}
}
