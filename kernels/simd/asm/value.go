package asm

// Value is an expression's type: a WebAssembly type, vectors by the shape of their lanes.
type Value interface {
	I32 | I64 | F32 | F32x4 | I32x4 | I16x8 | I8x16
	Operand
}

// Vector is a type of 128 bits.
type Vector interface {
	F32x4 | I32x4 | I16x8 | I8x16
	Operand
}

// Operand is an expression of any type.
type Operand interface{ operand() (byte, []byte) }

// The types of expressions.
type (
	I32   struct{ code []byte }
	I64   struct{ code []byte }
	F32   struct{ code []byte }
	F32x4 struct{ code []byte }
	I32x4 struct{ code []byte }
	I16x8 struct{ code []byte }
	I8x16 struct{ code []byte }
)

const (
	typeI32  = 0x7f
	typeI64  = 0x7e
	typeF32  = 0x7d
	typeV128 = 0x7b
)

func (x I32) operand() (byte, []byte)   { return typeI32, x.code }
func (x I64) operand() (byte, []byte)   { return typeI64, x.code }
func (x F32) operand() (byte, []byte)   { return typeF32, x.code }
func (x F32x4) operand() (byte, []byte) { return typeV128, x.code }
func (x I32x4) operand() (byte, []byte) { return typeV128, x.code }
func (x I16x8) operand() (byte, []byte) { return typeV128, x.code }
func (x I8x16) operand() (byte, []byte) { return typeV128, x.code }

func valueType[T Value]() byte {
	var x T
	t, _ := x.operand()
	return t
}

func encoded[T Value](x T) []byte {
	_, code := x.operand()
	return code
}

// expression joins operands and an instruction into fresh memory.
func expression(instruction []byte, operands ...[]byte) []byte {
	var code []byte
	for _, o := range operands {
		code = append(code, o...)
	}
	return append(code, instruction...)
}

func op(opcode byte, operands ...[]byte) []byte { return expression([]byte{opcode}, operands...) }

// simd is an instruction of the vector prefix, atomic one of the threads prefix.
func simd(opcode uint32, operands ...[]byte) []byte {
	return expression(appendUnsigned([]byte{0xfd}, uint64(opcode)), operands...)
}

func lane(opcode uint32, n int, operands ...[]byte) []byte {
	return append(simd(opcode, operands...), byte(n))
}
