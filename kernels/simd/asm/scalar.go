package asm

// Const is an i32 constant.
func Const(v int32) I32 { return I32{appendSigned([]byte{0x41}, int64(v))} }

// Const64 is an i64 constant.
func Const64(v int64) I64 { return I64{appendSigned([]byte{0x42}, v)} }

// ConstF32 is an f32 constant.
func ConstF32(v float32) F32 { return F32{appendFloat32([]byte{0x43}, v)} }

// Integer arithmetic wraps; the suffixes S and U say how bits are read.

func (a I32) Add(b I32) I32  { return I32{op(0x6a, a.code, b.code)} }
func (a I32) Sub(b I32) I32  { return I32{op(0x6b, a.code, b.code)} }
func (a I32) Mul(b I32) I32  { return I32{op(0x6c, a.code, b.code)} }
func (a I32) DivU(b I32) I32 { return I32{op(0x6e, a.code, b.code)} }
func (a I32) RemU(b I32) I32 { return I32{op(0x70, a.code, b.code)} }
func (a I32) And(b I32) I32  { return I32{op(0x71, a.code, b.code)} }
func (a I32) Or(b I32) I32   { return I32{op(0x72, a.code, b.code)} }
func (a I32) Shl(n int32) I32 {
	return I32{op(0x74, a.code, Const(n).code)}
}
func (a I32) ShrU(n int32) I32 {
	return I32{op(0x76, a.code, Const(n).code)}
}
func (a I32) Eqz() I32      { return I32{op(0x45, a.code)} }
func (a I32) Eq(b I32) I32  { return I32{op(0x46, a.code, b.code)} }
func (a I32) Ne(b I32) I32  { return I32{op(0x47, a.code, b.code)} }
func (a I32) LtS(b I32) I32 { return I32{op(0x48, a.code, b.code)} }
func (a I32) LtU(b I32) I32 { return I32{op(0x49, a.code, b.code)} }
func (a I32) GtS(b I32) I32 { return I32{op(0x4a, a.code, b.code)} }
func (a I32) GeS(b I32) I32 { return I32{op(0x4e, a.code, b.code)} }
func (a I32) GeU(b I32) I32 { return I32{op(0x4f, a.code, b.code)} }

// Select is a where the condition is not 0, else b. Both are evaluated.
func Select[T Value](a, b T, condition I32) T {
	code := op(0x1b, encoded(a), encoded(b), condition.code)
	return T{code}
}

// Min is the smaller, read as signed; operands are evaluated twice.
func (a I32) Min(b I32) I32 { return Select(a, b, a.LtS(b)) }

// Max is the larger, read as signed; operands are evaluated twice.
func (a I32) Max(b I32) I32 { return Select(a, b, a.GtS(b)) }

// ToF32 converts a signed integer, rounded to nearest.
func (a I32) ToF32() F32 { return F32{op(0xb2, a.code)} }

// Low is the low 32 bits, High the high ones.
func (a I64) Low() I32  { return I32{op(0xa7, a.code)} }
func (a I64) High() I32 { return I64{op(0x88, a.code, Const64(32).code)}.Low() }

// Wide is an i64 of two halves.
func Wide(high, low I32) I64 {
	shifted := op(0x86, op(0xad, high.code), Const64(32).code)
	return I64{op(0x84, shifted, op(0xad, low.code))}
}

func (a F32) Add(b F32) F32 { return F32{op(0x92, a.code, b.code)} }
func (a F32) Sub(b F32) F32 { return F32{op(0x93, a.code, b.code)} }
func (a F32) Mul(b F32) F32 { return F32{op(0x94, a.code, b.code)} }
func (a F32) Div(b F32) F32 { return F32{op(0x95, a.code, b.code)} }
func (a F32) Min(b F32) F32 { return F32{op(0x96, a.code, b.code)} }
func (a F32) Max(b F32) F32 { return F32{op(0x97, a.code, b.code)} }
func (a F32) Sqrt() F32     { return F32{op(0x91, a.code)} }
func (a F32) Neg() F32      { return F32{op(0x8c, a.code)} }
func (a F32) Nearest() F32  { return F32{op(0x90, a.code)} }
func (a F32) Eq(b F32) I32  { return I32{op(0x5b, a.code, b.code)} }
func (a F32) Lt(b F32) I32  { return I32{op(0x5d, a.code, b.code)} }
func (a F32) Gt(b F32) I32  { return I32{op(0x5e, a.code, b.code)} }

// ToI32 truncates to a signed integer; what does not fit saturates.
func (a F32) ToI32() I32 { return I32{expression([]byte{0xfc, 0x00}, a.code)} }
