// Package asm is a small typed assembler for WebAssembly: kernels are Go programs that
// build expressions of Go types, one type for each WebAssembly type and lane shape, so
// that operands that do not fit each other do not compile.
//
// Expressions are values; a statement (Set, Store, Loop, Call and so on) appends them to its function.
// Opcodes and encodings are those of https://webassembly.github.io/spec/core/ with
// the relaxed SIMD and threads extensions.
package asm

import (
	"encoding/binary"
	"math"
)

// Module is a WebAssembly module under construction, with one imported memory.
type Module struct {
	memory  memoryImport
	types   []signature
	funcs   []*Func
	exports []export
}

type memoryImport struct {
	module, name string
	pages, limit uint32 // limit 0: none, not shared
}

type export struct {
	name string
	of   *Func
}

type signature struct{ parameters, results string }

// NewModule imports the memory module.name of at least pages of 64 KiB; with a limit
// above 0 it is shared between threads and that is its declared maximum.
func NewModule(module, name string, pages, limit uint32) *Module {
	return &Module{memory: memoryImport{module, name, pages, limit}}
}

// Func adds a function; its parameters are declared with Parameter, its body follows.
func (m *Module) Func() *Func {
	f := &Func{index: uint32(len(m.funcs))}
	m.funcs = append(m.funcs, f)
	return f
}

// Export makes f callable from outside.
func (m *Module) Export(name string, f *Func) { m.exports = append(m.exports, export{name, f}) }

// Bytes encodes the module. Equal modules have equal bytes.
func (m *Module) Bytes() []byte {
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	types := make([]uint32, len(m.funcs))
	for i, f := range m.funcs {
		types[i] = m.typeIndex(f.signature())
	}
	out = section(out, 1, len(m.types), func(b []byte, i int) []byte {
		t := m.types[i]
		b = appendString(append(b, 0x60), t.parameters)
		return appendString(b, t.results)
	})
	out = section(out, 2, 1, func(b []byte, _ int) []byte {
		b = appendString(appendString(b, m.memory.module), m.memory.name)
		if m.memory.limit == 0 {
			return appendUnsigned(append(b, 2, 0), uint64(m.memory.pages))
		}
		b = appendUnsigned(append(b, 2, 3), uint64(m.memory.pages))
		return appendUnsigned(b, uint64(m.memory.limit))
	})
	out = section(out, 3, len(m.funcs), func(b []byte, i int) []byte { return appendUnsigned(b, uint64(types[i])) })
	out = section(out, 7, len(m.exports), func(b []byte, i int) []byte {
		e := m.exports[i]
		return appendUnsigned(append(appendString(b, e.name), 0), uint64(e.of.index))
	})
	return section(out, 10, len(m.funcs), func(b []byte, i int) []byte {
		body := m.funcs[i].body()
		return append(appendUnsigned(b, uint64(len(body))), body...)
	})
}

func (m *Module) typeIndex(s signature) uint32 {
	for i, t := range m.types {
		if t == s {
			return uint32(i)
		}
	}
	m.types = append(m.types, s)
	return uint32(len(m.types) - 1)
}

func section(out []byte, id byte, count int, element func([]byte, int) []byte) []byte {
	if count == 0 {
		return out
	}
	body := appendUnsigned(nil, uint64(count))
	for i := range count {
		body = element(body, i)
	}
	out = appendUnsigned(append(out, id), uint64(len(body)))
	return append(out, body...)
}

func appendString(b []byte, s string) []byte {
	return append(appendUnsigned(b, uint64(len(s))), s...)
}

// appendUnsigned and appendSigned are LEB128.
func appendUnsigned(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func appendSigned(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func appendFloat32(b []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}
