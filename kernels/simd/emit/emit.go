// Package emit writes the SIMD kernels: one file a kernel, each a Go function that emits
// WebAssembly, the unrolling as Go loops. kernels/reference defines what each computes.
package emit

import (
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// Variant is a set of instructions that kernels may use.
type Variant struct {
	Name    string // as in ABI.md
	Relaxed bool   // relaxed SIMD: fused multiply-add
	Product Product
	Shared  bool // for several threads
}

// Product is how int8 products are summed.
type Product int

const (
	Dot16      Product = iota // widened to 16 bits: SIMD of 2021
	RelaxedDot                // pairs, then widened
	DotAdd                    // four at once: one instruction with VNNI
)

// Variants are all builds.
func Variants() []Variant {
	var all []Variant
	for _, shared := range []bool{false, true} {
		all = append(all,
			Variant{"plain", false, Dot16, shared},
			Variant{"relaxed", true, RelaxedDot, shared},
			Variant{"dot", true, DotAdd, shared})
	}
	return all
}

// File is the name of the variant's build.
func (v Variant) File() string {
	if v.Shared {
		return v.Name + "-shared.wasm"
	}
	return v.Name + "-single.wasm"
}

// maxPages is the declared maximum of shared memory: all of 32-bit addresses.
const maxPages = 65536

// Emit is the variant's module.
func Emit(v Variant) []byte {
	limit := uint32(0)
	if v.Shared {
		limit = maxPages
	}
	e := &emitter{Module: NewModule("kernels", "memory", 2, limit), Variant: v}
	kernels := make([]kernel, simd.Opcodes)
	tiles := e.tiles()
	quantize := e.quantizer()
	activations := e.activations()
	normalizer := e.normalizer()
	kernels[simd.OpEmbed] = e.embed(e.accumulator(), normalizer)
	kernels[simd.OpNormalize] = e.normalize(normalizer, quantize)
	kernels[simd.OpQuantize] = e.quantize(quantize, activations)
	kernels[simd.OpLinear] = e.linear(tiles)
	kernels[simd.OpLinearFloat] = e.linearFloat()
	kernels[simd.OpAttention] = e.attention()
	kernels[simd.OpActivate] = e.activate(activations)
	kernels[simd.OpPool] = e.pool()
	kernels[simd.OpWiden] = e.widen()
	e.driver(kernels)
	e.probe(kernels[simd.OpQuantize], kernels[simd.OpLinear])
	return e.Bytes()
}

type emitter struct {
	*Module
	Variant
}

// kernel is one operation: how many pieces its work divides into, and the function that
// does one. Its parameters are the address of the record, the number of the piece, and the
// address of the thread's scratch memory.
type kernel struct {
	pieces func(f *Func, record Var[I32]) I32
	run    *Func
}

// piece declares a kernel's function.
func (e *emitter) piece() (f *Func, record, piece, scratch Var[I32]) {
	f = e.Func()
	return f, Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
}

// word and float are a word of a record.
func word(record Var[I32], n int) I32  { return LoadI32(record.Get(), uint32(4*n)) }
func float(record Var[I32], n int) F32 { return LoadF32(record.Get(), uint32(4*n)) }

// ceil is n/d rounded up, for n ≥ 0.
func ceil(n I32, d int32) I32 { return n.Add(Const(d - 1)).DivU(Const(d)) }
