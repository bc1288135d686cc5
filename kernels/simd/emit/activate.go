package emit

import (
	"bedside/kernels"
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// GELU, in both forms, is max(x, 0) - a*tail(a) with a = |x|. The tail falls from 1/2 to 0 about as
// e^(-a²/2) does, so that tail^(-1/8) is close to a polynomial P; GELU is then max(x, 0) - a/P(a)⁸.
// Coefficients, lowest first, are minimax for the error over max(1, a) up to a = 5.6; beyond, P⁸
// only grows. In float32 the error is below 2e-7 * max(1, a), with and without fused multiply-add.
var (
	geluTail = []float32{1.090508, 0.10875762, 0.048841864, 0.00938298, 0.0010416612, 0.00014631927,
		9.5032054e-05, -1.56843e-05, 2.969183e-06}
	geluTanhTail = []float32{1.0905075, 0.108767636, 0.04877463, 0.009511942, 0.0005594744, 0.00059051707,
		-0.00021165953, 0.00013433969, -2.797628e-05, 2.9254e-06}
)

// activations emits the functions that apply an activation in place, by activation; nil
// for Identity. Parameters: address, elements.
func (e *emitter) activations() []*Func {
	return []*Func{
		kernels.Identity: nil,
		kernels.GELU:     e.activation(func(f *Func, x []Var[F32x4]) { e.gelu(f, x, geluTail) }),
		kernels.GELUTanh: e.activation(func(f *Func, x []Var[F32x4]) { e.gelu(f, x, geluTanhTail) }),
		kernels.ReLU: e.activation(func(f *Func, x []Var[F32x4]) {
			for _, v := range x {
				v.Set(v.Get().PMax(ConstF32x4(0)))
			}
		}),
		kernels.Tanh: e.activation(e.tanh),
	}
}

func (e *emitter) activation(apply func(f *Func, x []Var[F32x4])) *Func {
	f := e.Func()
	at, n := floats(Parameter[I32](f)), Parameter[I32](f)
	x := Locals[F32x4](f, 4)
	walk(f, n.Get(), []array{at}, func(s step) {
		v := x[:s.vectors()]
		for i := range v {
			v[i].Set(s.load(at, i))
		}
		apply(f, v)
		for i := range v {
			s.store(at, i, v[i].Get())
		}
	})
	return f
}

// horner sets p to the polynomial in x, for all vectors side by side.
func (e *emitter) horner(f *Func, p, x []Var[F32x4], coefficients []float32) {
	top := len(coefficients) - 1
	c := Let(f, ConstF32x4(coefficients[top]))
	for i := range p {
		p[i].Set(c.Get())
	}
	for n := top - 1; n >= 0; n-- {
		c.Set(ConstF32x4(coefficients[n]))
		for i := range p {
			p[i].Set(p[i].Get().MulAdd(x[i].Get(), c.Get(), e.Relaxed))
		}
	}
}

func (e *emitter) gelu(f *Func, x []Var[F32x4], tail []float32) {
	a, p := Locals[F32x4](f, len(x)), Locals[F32x4](f, len(x))
	for i := range x {
		a[i].Set(x[i].Get().Abs())
	}
	e.horner(f, p, a, tail)
	for range 3 {
		for i := range p {
			p[i].Set(p[i].Get().Mul(p[i].Get()))
		}
	}
	for i := range x {
		x[i].Set(x[i].Get().PMax(ConstF32x4(0)).Sub(a[i].Get().Div(p[i].Get())))
	}
}

// tanh is x*N(x²)/D(x²), minimax for the relative error up to tanhEnd, beyond which tanh is 1
// to within 1.1e-7. In float32 the relative error is below 4e-7.
const tanhEnd = 8.4

var (
	tanhOver  = []float32{1, 0.13419579, 0.0035416158, 2.1379747e-05, 1.4457814e-08}
	tanhUnder = []float32{1, 0.46752903, 0.026051434, 0.00033614246, 8.219946e-07}
)

func (e *emitter) tanh(f *Func, x []Var[F32x4]) {
	t, over, under := Locals[F32x4](f, len(x)), Locals[F32x4](f, len(x)), Locals[F32x4](f, len(x))
	for i := range x {
		x[i].Set(x[i].Get().PMin(ConstF32x4(tanhEnd)).PMax(ConstF32x4(-tanhEnd)))
		t[i].Set(x[i].Get().Mul(x[i].Get()))
	}
	e.horner(f, over, t, tanhOver)
	e.horner(f, under, t, tanhUnder)
	for i := range x {
		y := x[i].Get().Mul(over[i].Get()).Div(under[i].Get())
		x[i].Set(y.PMin(ConstF32x4(1)).PMax(ConstF32x4(-1)))
	}
}

// activePiece is the elements in a piece of Activate.
const activePiece = 8192

func (e *emitter) activate(activations []*Func) kernel {
	f, record, piece, _ := e.piece()
	total := func(record Var[I32]) I32 { return word(record, simd.Rows).Mul(word(record, simd.Columns)) }
	first := Let(f, piece.Get().Mul(Const(activePiece)))
	n := Let(f, total(record).Sub(first.Get()).Min(Const(activePiece)))
	at := Let(f, word(record, simd.ActivateInOut).Add(first.Get().Shl(2)))
	applied(f, activations, word(record, simd.ActivateActivation), at, n)
	return kernel{run: f, pieces: func(f *Func, record Var[I32]) I32 { return ceil(total(record), activePiece) }}
}

// applied calls the function of an activation, if it has one.
func applied(f *Func, activations []*Func, activation I32, at, n Var[I32]) {
	cases := make([]func(), len(activations))
	for i, a := range activations {
		cases[i] = func() {
			if a != nil {
				f.Call(a, at.Get(), n.Get())
			}
		}
	}
	f.Switch(activation, cases, func() {})
}
