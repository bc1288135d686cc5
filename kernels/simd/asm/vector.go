package asm

import "encoding/binary"

// Splats and constants.

func SplatF32(x F32) F32x4       { return F32x4{simd(19, x.code)} }
func SplatI32(x I32) I32x4       { return I32x4{simd(17, x.code)} }
func ConstF32x4(v float32) F32x4 { return F32x4{constant(appendFloat32(nil, v))} }
func ConstI32x4(v int32) I32x4 {
	return I32x4{constant(binary.LittleEndian.AppendUint32(nil, uint32(v)))}
}
func ConstI16x8(v int16) I16x8 {
	return I16x8{constant(binary.LittleEndian.AppendUint16(nil, uint16(v)))}
}

// constant repeats an element through a vector.
func constant(element []byte) []byte {
	code := simd(12)
	for n := 0; n < 16; n += len(element) {
		code = append(code, element...)
	}
	return code
}

// The same bits in lanes of another shape.

func (a F32x4) I32x4() I32x4 { return I32x4(a) }
func (a I32x4) F32x4() F32x4 { return F32x4(a) }
func (a I32x4) I16x8() I16x8 { return I16x8(a) }
func (a I32x4) I8x16() I8x16 { return I8x16(a) }
func (a I16x8) I32x4() I32x4 { return I32x4(a) }
func (a I8x16) I16x8() I16x8 { return I16x8(a) }
func (a I8x16) I32x4() I32x4 { return I32x4(a) }

func (a F32x4) Add(b F32x4) F32x4 { return F32x4{simd(228, a.code, b.code)} }
func (a F32x4) Sub(b F32x4) F32x4 { return F32x4{simd(229, a.code, b.code)} }
func (a F32x4) Mul(b F32x4) F32x4 { return F32x4{simd(230, a.code, b.code)} }
func (a F32x4) Div(b F32x4) F32x4 { return F32x4{simd(231, a.code, b.code)} }
func (a F32x4) Abs() F32x4        { return F32x4{simd(224, a.code)} }
func (a F32x4) Nearest() F32x4    { return F32x4{simd(106, a.code)} }
func (a F32x4) Ne(b F32x4) I32x4  { return I32x4{simd(66, a.code, b.code)} }
func (a F32x4) Lt(b F32x4) I32x4  { return I32x4{simd(67, a.code, b.code)} }

// PMin is b < a ? b : a, PMax a < b ? b : a: one instruction on x86, unlike Min and Max,
// which order zeros and spread NaN.
func (a F32x4) PMin(b F32x4) F32x4 { return F32x4{simd(234, a.code, b.code)} }
func (a F32x4) PMax(b F32x4) F32x4 { return F32x4{simd(235, a.code, b.code)} }

// MulAdd is a*b + c, rounded twice, or with relaxed once where the CPU can.
func (a F32x4) MulAdd(b, c F32x4, relaxed bool) F32x4 {
	if relaxed {
		return F32x4{simd(0x105, a.code, b.code, c.code)}
	}
	return c.Add(a.Mul(b))
}

// ToI32x4 truncates; what does not fit saturates, NaN gives 0.
func (a F32x4) ToI32x4() I32x4 { return I32x4{simd(248, a.code)} }

// ToF32x4 converts signed integers, rounded to nearest.
func (a I32x4) ToF32x4() F32x4 { return F32x4{simd(250, a.code)} }

// Lane extracts a lane.
func (a F32x4) Lane(n int) F32 { return F32{lane(31, n, a.code)} }
func (a I32x4) Lane(n int) I32 { return I32{lane(27, n, a.code)} }

func (a I32x4) Add(b I32x4) I32x4 { return I32x4{simd(174, a.code, b.code)} }
func (a I32x4) Sub(b I32x4) I32x4 { return I32x4{simd(177, a.code, b.code)} }
func (a I32x4) Mul(b I32x4) I32x4 { return I32x4{simd(181, a.code, b.code)} }
func (a I32x4) Shl(n int32) I32x4 { return I32x4{simd(171, a.code, Const(n).code)} }
func (a I32x4) And(b I32x4) I32x4 { return I32x4{simd(78, a.code, b.code)} }
func (a I32x4) Or(b I32x4) I32x4  { return I32x4{simd(80, a.code, b.code)} }
func (a I32x4) GtS(b I32x4) I32x4 { return I32x4{simd(59, a.code, b.code)} }

// AnyTrue is 1 where a bit is set.
func (a I32x4) AnyTrue() I32 { return I32{simd(83, a.code)} }

// Bits picks bits of a where the mask has ones, else of b.
func (mask I32x4) Bits(a, b I32x4) I32x4 { return I32x4{simd(82, a.code, b.code, mask.code)} }

// NarrowS and NarrowU halve the lanes of two vectors, saturating to signed or unsigned.
func (a I32x4) NarrowS(b I32x4) I16x8 { return I16x8{simd(133, a.code, b.code)} }
func (a I16x8) NarrowS(b I16x8) I8x16 { return I8x16{simd(101, a.code, b.code)} }
func (a I16x8) NarrowU(b I16x8) I8x16 { return I8x16{simd(102, a.code, b.code)} }

// Low and High widen half of the lanes, signed.
func (a I8x16) Low() I16x8  { return I16x8{simd(135, a.code)} }
func (a I8x16) High() I16x8 { return I16x8{simd(136, a.code)} }
func (a I16x8) Low() I32x4  { return I32x4{simd(167, a.code)} }
func (a I16x8) High() I32x4 { return I32x4{simd(168, a.code)} }

// LowU and HighU widen half of the lanes, unsigned.
func (a I16x8) LowU() I32x4  { return I32x4{simd(169, a.code)} }
func (a I16x8) HighU() I32x4 { return I32x4{simd(170, a.code)} }

func (a I16x8) MinS(b I16x8) I16x8 { return I16x8{simd(150, a.code, b.code)} }

// Dot multiplies 16-bit lanes and adds neighbours.
func (a I16x8) Dot(b I16x8) I32x4 { return I32x4{simd(186, a.code, b.code)} }

// Pairs adds neighbouring lanes.
func (a I16x8) Pairs() I32x4 { return I32x4{simd(126, a.code)} }

// RelaxedDot multiplies signed bytes with bytes of 0 to 127 and adds neighbours.
func (a I8x16) RelaxedDot(b7 I8x16) I16x8 { return I16x8{simd(0x112, a.code, b7.code)} }

// RelaxedDotAdd multiplies signed bytes with bytes of 0 to 127, adds four neighbours, and c.
func (a I8x16) RelaxedDotAdd(b7 I8x16, c I32x4) I32x4 {
	return I32x4{simd(0x113, a.code, b7.code, c.code)}
}

// Shuffle picks bytes of a (0 to 15) and b (16 to 31).
func (a I8x16) Shuffle(b I8x16, pick [16]byte) I8x16 {
	return I8x16{append(simd(13, a.code, b.code), pick[:]...)}
}

// Shuffle picks lanes of a (0 to 3) and b (4 to 7).
func (a I32x4) Shuffle(b I32x4, pick [4]byte) I32x4 {
	var bytes [16]byte
	for i := range bytes {
		bytes[i] = 4*pick[i/4] + byte(i%4)
	}
	return I32x4(I8x16(a).Shuffle(I8x16(b), bytes))
}

// Shuffle picks lanes of a (0 to 3) and b (4 to 7).
func (a F32x4) Shuffle(b F32x4, pick [4]byte) F32x4 {
	return F32x4(I32x4(a).Shuffle(I32x4(b), pick))
}
