package emit

import (
	"math"

	. "bedside/kernels/simd/asm"
)

// exponential emits 2^x or e^x for vectors: to within 2e-7 of its value where that is at
// least 2^-126, 0 where it is less than 2^-127. NaN stays NaN; above 2^127 it is undefined.
//
// x, in e^x times log2(e), is n + r with n whole and |r| ≤ 1/2. 2^r is the polynomial 1 + c1 r + ... + c5 r⁵
// with the least error, 9.2e-8 of its value.
type exponential struct {
	f                *Func
	relaxed, natural bool

	lowest, bias, log2e, ln2High, ln2Low Var[F32x4]
	coefficients                         []Var[F32x4] // from r⁵ down
	t, r, p                              Var[F32x4]
}

// expCoefficients are c1 to c5 for e^r and |r| ≤ ln2/2; for 2^r they are multiplied with powers of ln2.
var expCoefficients = [5]float64{0.9999997068, 0.4999914885, 0.1666763697, 0.0418980215, 0.0082902976}

const (
	// expBias, added to x, leaves n rounded in the float's low bits, and with it the
	// exponent of 2^n.
	expBias = magic + 127
	ln2High = 0x1.62e4p-1 // 16 bits, so that n times it is exact
	ln2Low  = math.Ln2 - ln2High
)

// exp2 and exp declare an exponential and set its constants: before a loop, not in it.
func (e *emitter) exp2(f *Func) exponential { return e.exponential(f, false) }
func (e *emitter) exp(f *Func) exponential  { return e.exponential(f, true) }

func (e *emitter) exponential(f *Func, natural bool) exponential {
	constant := func(v float64) Var[F32x4] { return Let(f, ConstF32x4(float32(v))) }
	x := exponential{f: f, relaxed: e.Relaxed, natural: natural, bias: constant(expBias)}
	power, unit := 1.0, math.Ln2
	if natural {
		unit = 1
		x.log2e, x.ln2High, x.ln2Low = constant(math.Log2E), constant(-ln2High), constant(-ln2Low)
	}
	x.lowest = constant(-127 * math.Ln2 / unit) // n is -127 there, and 2^n 0
	for _, c := range expCoefficients {
		power *= unit
		x.coefficients = append([]Var[F32x4]{constant(c * power)}, x.coefficients...)
	}
	x.coefficients = append(x.coefficients, constant(1))
	x.t, x.r, x.p = Local[F32x4](f), Local[F32x4](f), Local[F32x4](f)
	return x
}

// of is the exponential of v. The expression must be used before of is called again.
func (x exponential) of(v F32x4) F32x4 {
	t, r, p := x.t, x.r, x.p
	r.Set(v.PMax(x.lowest.Get()))
	if x.natural {
		t.Set(r.Get().MulAdd(x.log2e.Get(), x.bias.Get(), x.relaxed))
		p.Set(t.Get().Sub(x.bias.Get()))
		r.Set(p.Get().MulAdd(x.ln2High.Get(), r.Get(), x.relaxed))
		r.Set(p.Get().MulAdd(x.ln2Low.Get(), r.Get(), x.relaxed))
	} else {
		t.Set(r.Get().Add(x.bias.Get()))
		r.Set(r.Get().Sub(t.Get().Sub(x.bias.Get())))
	}
	p.Set(x.coefficients[0].Get())
	for _, c := range x.coefficients[1:] {
		p.Set(p.Get().MulAdd(r.Get(), c.Get(), x.relaxed))
	}
	return p.Get().Mul(t.Get().I32x4().Shl(23).F32x4())
}
