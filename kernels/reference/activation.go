package reference

import (
	"math"

	"bedside/kernels"
)

// Activate is the activation of x, computed in float64 and rounded once.
func Activate(a kernels.Activation, x float32) float32 {
	v := float64(x)
	switch a {
	case kernels.GELU:
		return float32(v / 2 * (1 + Erf(v*math.Sqrt2/2)))
	case kernels.GELUTanh:
		const rootOf2OverPi = math.Sqrt2 / math.SqrtPi
		return float32(v / 2 * (1 + Tanh(rootOf2OverPi*(v+float64(0.044715*v*v*v)))))
	case kernels.ReLU:
		return max(x, 0)
	case kernels.Tanh:
		return float32(Tanh(v))
	}
	return x
}

// Erf is the error function to within 1e-14, ±1 beyond ±6:
//
//	erf(x) = 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)), n from 0
//
// the series https://dlmf.nist.gov/7.6.E2, in which no term is negative.
func Erf(x float64) float64 {
	switch {
	case x < 0:
		return -Erf(-x)
	case x > 6:
		return 1
	}
	twice := 2 * float64(x*x)
	term, sum := x, x
	for n := 1; term > sum*0x1p-54; n++ {
		term = float64(term * (twice / float64(2*n+1)))
		sum += term
	}
	return float64(2 / math.SqrtPi * float64(Exp(-twice/2)*sum))
}

// Tanh is the hyperbolic tangent to within 1e-10 of its value.
func Tanh(x float64) float64 {
	switch {
	case x < 0:
		return -Tanh(-x)
	case x < 1e-5:
		return x // but for x³/3, which the formula below would lose among larger digits
	}
	e := Exp(-2 * x)
	return (1 - e) / (1 + e)
}
