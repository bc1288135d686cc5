package emit

import (
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// widenPiece is the elements in a piece of Widen.
const widenPiece = 16384

func (e *emitter) widen() kernel {
	f, record, piece, _ := e.piece()
	first := Let(f, piece.Get().Mul(Const(widenPiece)))
	n := word(record, simd.Columns).Sub(first.Get()).Min(Const(widenPiece))
	in := array{Let(f, word(record, simd.WidenIn).Add(first.Get().Shl(1))), 2}
	out := floats(Let(f, word(record, simd.WidenOut).Add(first.Get().Shl(2))))
	v := Locals[I32x4](f, 4)
	walk(f, n, []array{in, out}, func(s step) {
		s.halves(in, v)
		for i := range s.vectors() {
			s.store(out, i, half(f, v[i]))
		}
	})
	return kernel{run: f, pieces: func(f *Func, record Var[I32]) I32 { return ceil(word(record, simd.Columns), widenPiece) }}
}

// halves sets v to a step's 16-bit elements.
func (s step) halves(a array, v []Var[I32x4]) {
	if s.single {
		v[0].Set(SplatI32(LoadU16(a.at.Get(), 0)))
		return
	}
	for i := range 2 {
		words := Let(s.f, Load[I16x8](a.at.Get(), uint32(16*i)))
		v[2*i].Set(words.Get().LowU())
		v[2*i+1].Set(words.Get().HighU())
	}
}

// half is the float32 of a half-precision number's bits. Exponent and fraction move to
// where float32 has them, and multiplying by 2^112 mends the exponent's bias, exactly and for subnormal numbers too;
// the greatest exponent, of infinity and NaN, becomes the greatest of float32.
func half(f *Func, bits Var[I32x4]) F32x4 {
	sign := Let(f, bits.Get().And(ConstI32x4(0x8000)).Shl(16))
	bits.Set(bits.Get().And(ConstI32x4(0x7fff)).Shl(13))
	special := bits.Get().GtS(ConstI32x4(0x0f7fffff)).And(ConstI32x4(0x7f800000))
	number := bits.Get().F32x4().Mul(ConstF32x4(0x1p112)).I32x4()
	return number.Or(special).Or(sign.Get()).F32x4()
}
