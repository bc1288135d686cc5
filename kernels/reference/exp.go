package reference

import "math"

// Exp is e^x to within 2 ulp, 0 below -708 and +Inf above 709.
//
// x = k ln2 + r with |r| <= ln2/2; ln2 is split in two so that k's share is exact; e^r
// is its Taylor series, whose first dropped term is under 2^-54.
func Exp(x float64) float64 {
	const (
		ln2High = 6.93147180369123816490e-01 // the leading 32 bits of ln 2
		ln2Low  = 1.90821492927058770002e-10
	)
	switch {
	case math.IsNaN(x):
		return x
	case x < -708:
		return 0
	case x > 709:
		return math.Inf(1)
	}
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := float64(x-float64(k*ln2High)) - float64(k*ln2Low)
	sum := 1.0
	for n := 14.0; n >= 1; n-- {
		sum = 1 + float64(sum*float64(r/n))
	}
	return math.Ldexp(sum, int(k))
}

// Sigmoid is 1 / (1 + e^-x).
func Sigmoid(x float64) float64 {
	if x < 0 {
		e := Exp(x)
		return e / (1 + e)
	}
	return 1 / (1 + Exp(-x))
}

// Softmax replaces logits by e^x / sum e^x, shifted by the largest.
func Softmax(logits []float64) {
	largest := math.Inf(-1)
	for _, x := range logits {
		largest = max(largest, x)
	}
	sum := 0.0
	for i, x := range logits {
		logits[i] = Exp(x - largest)
		sum += logits[i]
	}
	for i := range logits {
		logits[i] /= sum
	}
}
