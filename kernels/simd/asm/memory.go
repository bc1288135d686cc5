package asm

// Loads and stores take an address and a constant offset in bytes. Scalars and vectors need
// no alignment; atomics their width.

func (m at) arg(align byte) []byte { return appendUnsigned([]byte{align}, uint64(m.offset)) }

type at struct{ offset uint32 }

func access(opcode byte, align byte, offset uint32, operands ...[]byte) []byte {
	return expression(append([]byte{opcode}, at{offset}.arg(align)...), operands...)
}

func vectorAccess(opcode uint32, align byte, offset uint32, operands ...[]byte) []byte {
	return append(simd(opcode, operands...), at{offset}.arg(align)...)
}

func LoadI32(address I32, offset uint32) I32 { return I32{access(0x28, 0, offset, address.code)} }
func LoadF32(address I32, offset uint32) F32 { return F32{access(0x2a, 0, offset, address.code)} }

// LoadI8 is sign-extended, LoadU16 zero-extended.
func LoadI8(address I32, offset uint32) I32  { return I32{access(0x2c, 0, offset, address.code)} }
func LoadU16(address I32, offset uint32) I32 { return I32{access(0x2f, 0, offset, address.code)} }

// Load reads 16 bytes.
func Load[T Vector](address I32, offset uint32) T {
	return T{vectorAccess(0, 0, offset, address.code)}
}

// LoadSplat32 repeats the 4 bytes at the address through a vector, LoadSplat64 the 8 bytes.
func LoadSplat32[T Vector](address I32, offset uint32) T {
	return T{vectorAccess(9, 0, offset, address.code)}
}
func LoadSplat64[T Vector](address I32, offset uint32) T {
	return T{vectorAccess(10, 0, offset, address.code)}
}

// LoadLow32 and LoadLow64 read 4 or 8 bytes; the rest is 0.
func LoadLow32[T Vector](address I32, offset uint32) T {
	return T{vectorAccess(92, 0, offset, address.code)}
}
func LoadLow64[T Vector](address I32, offset uint32) T {
	return T{vectorAccess(93, 0, offset, address.code)}
}

// LoadWide reads 8 signed bytes as 16-bit lanes.
func LoadWide(address I32, offset uint32) I16x8 {
	return I16x8{vectorAccess(1, 0, offset, address.code)}
}

func (f *Func) StoreI32(address I32, offset uint32, x I32) {
	f.code = append(f.code, access(0x36, 0, offset, address.code, x.code)...)
}
func (f *Func) StoreF32(address I32, offset uint32, x F32) {
	f.code = append(f.code, access(0x38, 0, offset, address.code, x.code)...)
}
func (f *Func) StoreByte(address I32, offset uint32, x I32) {
	f.code = append(f.code, access(0x3a, 0, offset, address.code, x.code)...)
}

// Store writes 16 bytes.
func Store[T Vector](f *Func, address I32, offset uint32, x T) {
	f.code = append(f.code, vectorAccess(11, 0, offset, address.code, encoded(x))...)
}

// StoreLane32 writes one lane of 4 bytes, StoreLane64 half a vector.
func (f *Func) StoreLane32(address I32, offset uint32, x I32x4, n int) {
	f.code = append(append(f.code, vectorAccess(90, 0, offset, address.code, x.code)...), byte(n))
}
func (f *Func) StoreLane64(address I32, offset uint32, x I32x4, n int) {
	f.code = append(append(f.code, vectorAccess(91, 0, offset, address.code, x.code)...), byte(n))
}

// Copy moves n bytes between ranges that may overlap, Fill sets n bytes to a value.
func (f *Func) Copy(to, from, n I32) {
	f.code = append(f.code, expression([]byte{0xfc, 0x0a, 0, 0}, to.code, from.code, n.code)...)
}
func (f *Func) Fill(to, value, n I32) {
	f.code = append(f.code, expression([]byte{0xfc, 0x0b, 0}, to.code, value.code, n.code)...)
}

func atomic(opcode, align byte, offset uint32, operands ...[]byte) []byte {
	return expression(append([]byte{0xfe, opcode}, at{offset}.arg(align)...), operands...)
}

// Atomic loads, stores and read-modify-writes, sequentially consistent; those of the
// last kind answer what was there before.
func AtomicLoadI32(address I32, offset uint32) I32 {
	return I32{atomic(0x10, 2, offset, address.code)}
}
func (f *Func) AtomicStoreI32(address I32, offset uint32, x I32) {
	f.code = append(f.code, atomic(0x17, 2, offset, address.code, x.code)...)
}
func (f *Func) AtomicStoreI64(address I32, offset uint32, x I64) {
	f.code = append(f.code, atomic(0x18, 3, offset, address.code, x.code)...)
}
func AtomicAddI32(address I32, offset uint32, x I32) I32 {
	return I32{atomic(0x1e, 2, offset, address.code, x.code)}
}
func AtomicAddI64(address I32, offset uint32, x I64) I64 {
	return I64{atomic(0x1f, 3, offset, address.code, x.code)}
}

// AtomicWait sleeps while the i32 at the address is what is expected, at most so many
// nanoseconds: 0 woken, 1 another value, 2 time is up.
func AtomicWait(address I32, offset uint32, expected I32, nanoseconds I64) I32 {
	return I32{atomic(0x01, 2, offset, address.code, expected.code, nanoseconds.code)}
}

// AtomicNotify wakes up to count sleepers and answers how many.
func AtomicNotify(address I32, offset uint32, count I32) I32 {
	return I32{atomic(0x00, 2, offset, address.code, count.code)}
}
