package emit

import (
	"math"

	. "bedside/kernels/simd/asm"
)

// power emits 2^x for vectors: to within 2e-7 of its value where that is at least 2^-126,
// 0 where it is less than 2^-127. NaN stays NaN; from 2^127 on it is undefined.
//
// 2^x = 2^n 2^r with n whole and |r| ≤ 1/2; 2^r is the polynomial 1 + c1 r + ... + c5 r⁵ with the least
// relative error, 9.2e-8.
type power struct {
	relaxed      bool
	lowest, bias Var[F32x4]
	coefficients []Var[F32x4] // from r⁵ down
	t, r, p      Var[F32x4]
}

// powerCoefficients are c1 to c5 over powers of ln2: those of e^r.
var powerCoefficients = [5]float64{0.9999997068, 0.4999914885, 0.1666763697, 0.0418980215, 0.0082902976}

const (
	powerLowest = -127 // 2^n is 0 there, as its bits are
	// powerBias, added to x, leaves n rounded in the float's low bits, and with it the
	// exponent of 2^n.
	powerBias = magic + 127
)

// power puts constants into variables: before a loop, not in it.
func (e *emitter) power(f *Func) power {
	x := power{relaxed: e.Relaxed, lowest: Let(f, ConstF32x4(powerLowest)), bias: Let(f, ConstF32x4(powerBias))}
	x.coefficients = []Var[F32x4]{Let(f, ConstF32x4(1))}
	for i, c := range powerCoefficients {
		c := Let(f, ConstF32x4(float32(c*math.Pow(math.Ln2, float64(i+1)))))
		x.coefficients = append([]Var[F32x4]{c}, x.coefficients...)
	}
	x.t, x.r, x.p = Local[F32x4](f), Local[F32x4](f), Local[F32x4](f)
	return x
}

// of is 2^v. The expression must be used before of is called again.
func (x power) of(v F32x4) F32x4 {
	t, r, p := x.t, x.r, x.p
	r.Set(v.PMax(x.lowest.Get()))
	t.Set(r.Get().Add(x.bias.Get()))
	r.Set(r.Get().Sub(t.Get().Sub(x.bias.Get())))
	p.Set(x.coefficients[0].Get())
	for _, c := range x.coefficients[1:] {
		p.Set(p.Get().MulAdd(r.Get(), c.Get(), x.relaxed))
	}
	return p.Get().Mul(t.Get().I32x4().Shl(23).F32x4())
}
