package host

import (
	"errors"
	"fmt"
	"slices"
)

// stopGlobal is the export that makeInterruptible adds: an i32 that ends the
// instance's running call when it is not 0.
const stopGlobal = "host.stop"

// yieldEvery is how many loop iterations pass between two yields: some tens of
// microseconds. Written as a signed LEB128, it needs bit 6 of its last seven bits free.
const yieldEvery = 4096

// errModule reports WebAssembly that makeInterruptible cannot follow.
var errModule = errors.New("malformed or unsupported WebAssembly")

// makeInterruptible returns the module with a yield to Go every yieldEvery loop
// iterations, after which the exported global stopGlobal can end the call.
//
// wazero can stop a running call itself (WithCloseOnContextDone), but yields at every
// iteration to do so. Go compiles each function to one loop around its jumps, and a
// note takes 5 times as long (1.35 ms for 0.25 ms). Never yielding is no choice
// either: the garbage collector cannot stop compiled code, so it would wait for the
// call with the whole process standing still.
func makeInterruptible(module []byte) (_ []byte, err error) {
	defer func() {
		if recover() != nil { // the reader ran past the end
			err = fmt.Errorf("%w: it ends early", errModule)
		}
	}()
	const preamble = 8
	r := &reader{module[preamble:]}
	sections := map[byte][]byte{}
	var names []byte
	for len(r.rest) > 0 {
		id := r.byte()
		content := r.take(r.number())
		if id == customSection {
			if s := (&reader{content}); string(s.take(s.number())) == "name" {
				names = content
			}
			continue // others may hold offsets into the code, which move
		}
		if id >= byte(len(sectionOrder)+1) || sections[id] != nil {
			return nil, fmt.Errorf("%w: section %d", errModule, id)
		}
		sections[id] = content
	}
	imported, err := importedGlobals(sections[importSection])
	if err != nil {
		return nil, err
	}
	first := imported + count(sections[globalSection])
	addGlobals(sections, first)
	if sections[codeSection], err = instrument(sections[codeSection], yield(first)); err != nil {
		return nil, err
	}
	out := slices.Clone(module[:preamble])
	for _, id := range sectionOrder {
		if content := sections[id]; content != nil {
			out = appendSized(append(out, id), content)
		}
	}
	if names != nil {
		out = appendSized(append(out, customSection), names)
	}
	return out, nil
}

// Section numbers (WebAssembly core specification, 5.5.2).
const (
	customSection = 0
	importSection = 2
	globalSection = 6
	exportSection = 7
	codeSection   = 10
)

// sectionOrder is the order sections stand in.
var sectionOrder = []byte{1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11}

// addGlobals appends the exported stop flag, whose index is first, and the count of
// iterations left until the next yield.
func addGlobals(sections map[byte][]byte, first uint32) {
	mutable := []byte{0x7f, 1} // i32
	stop := append(mutable, 0x41, 0, opEnd)
	left := append(appendNumber(append(mutable, 0x41), yieldEvery), opEnd)
	sections[globalSection] = appendEntry(appendEntry(sections[globalSection], stop), left)
	export := append(appendSized(nil, []byte(stopGlobal)), 3) // a global
	sections[exportSection] = appendEntry(sections[exportSection], appendNumber(export, first))
}

// yield is the code that goes into every loop: count down, and at 0 begin again, let
// Go run, and trap where the call is to end. Growing memory by nothing is what leaves
// compiled code without an import of its own.
func yield(stop uint32) []byte {
	const (
		get, set    = 0x23, 0x24
		constant    = 0x41
		subtract    = 0x6b
		isZero      = 0x45
		ifVoid      = 0x04
		grow, drop  = 0x40, 0x1a
		unreachable = 0x00
	)
	left := stop + 1
	var b []byte
	b = appendNumber(append(b, get), left)
	b = append(b, constant, 1, subtract)
	b = appendNumber(append(b, set), left)
	b = appendNumber(append(b, get), left)
	b = append(b, isZero, ifVoid, 0x40)
	b = appendNumber(append(b, constant), yieldEvery)
	b = appendNumber(append(b, set), left)
	b = append(b, constant, 0, grow, 0, drop)
	b = appendNumber(append(b, get), stop)
	b = append(b, ifVoid, 0x40, unreachable, opEnd)
	return append(b, opEnd)
}

func importedGlobals(section []byte) (n uint32, err error) {
	if section == nil {
		return 0, nil
	}
	r := &reader{section}
	for range r.number() {
		r.take(r.number())
		r.take(r.number())
		switch kind := r.byte(); kind {
		case 0: // function
			r.number()
		case 3: // global
			r.byte()
			r.byte()
			n++
		default:
			return 0, fmt.Errorf("%w: an import of kind %d", errModule, kind)
		}
	}
	return n, nil
}

// count is the number of entries of a section.
func count(section []byte) uint32 {
	if section == nil {
		return 0
	}
	return (&reader{section}).number()
}

func appendEntry(section, entry []byte) []byte {
	n := count(section)
	out := appendNumber(nil, n+1)
	if section != nil {
		r := &reader{section}
		r.number()
		out = append(out, r.rest...)
	}
	return append(out, entry...)
}

// instrument puts code at the head of every loop of a code section.
func instrument(section, code []byte) ([]byte, error) {
	if section == nil {
		return nil, nil
	}
	r := &reader{section}
	functions := r.number()
	out := appendNumber(make([]byte, 0, len(section)*5/4), functions)
	var body []byte
	for range functions {
		f := &reader{r.take(r.number())}
		locals := f.rest
		for range f.number() { // locals
			f.number()
			f.byte()
		}
		body = append(body[:0], locals[:len(locals)-len(f.rest)]...)
		for len(f.rest) > 0 {
			before := f.rest
			op, err := f.instruction()
			if err != nil {
				return nil, err
			}
			body = append(body, before[:len(before)-len(f.rest)]...)
			if op == opLoop {
				body = append(body, code...)
			}
		}
		out = appendSized(out, body)
	}
	return out, nil
}

const (
	opLoop = 0x03
	opEnd  = 0x0b
)

// reader reads the binary format. It panics past the end.
type reader struct{ rest []byte }

func (r *reader) byte() byte { return r.take(1)[0] }

func (r *reader) take(n uint32) []byte {
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

// number reads an unsigned LEB128; of a longer or signed one it keeps the low bits.
func (r *reader) number() (n uint32) {
	for shift := 0; ; shift += 7 {
		b := r.byte()
		n |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

func (r *reader) numbers(n int) {
	for range n {
		r.number()
	}
}

// instruction skips one instruction and gives its first byte (core specification, 5.4).
func (r *reader) instruction() (byte, error) {
	op := r.byte()
	switch {
	case op == 0x0e: // br_table
		r.numbers(int(min(r.number(), uint32(len(r.rest)))) + 1)
	case op >= 0x02 && op <= 0x04, op == 0x0c, op == 0x0d, op == 0x10, op >= 0x20 && op <= 0x26,
		op >= 0x3f && op <= 0x42, op == 0xd0, op == 0xd2:
		r.number()
	case op == 0x11, op >= 0x28 && op <= 0x3e: // call_indirect, loads and stores
		r.numbers(2)
	case op == 0x1c: // select with types
		r.take(r.number())
	case op == 0x43: // f32.const
		r.take(4)
	case op == 0x44: // f64.const
		r.take(8)
	case op == 0xfc:
		return op, r.bulk()
	case op == 0xfd:
		r.vector()
	case op <= 0x01, op == 0x05, op == 0x0b, op == 0x0f, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
	default:
		return op, fmt.Errorf("%w: opcode %#x", errModule, op)
	}
	return op, nil
}

// bulk skips what follows 0xfc: saturating truncations, bulk memory and tables.
func (r *reader) bulk() error {
	switch op := r.number(); {
	case op <= 7:
	case op == 8, op == 10, op == 12, op == 14:
		r.numbers(2)
	case op <= 17:
		r.number()
	default:
		return fmt.Errorf("%w: opcode 0xfc %d", errModule, op)
	}
	return nil
}

// vector skips what follows 0xfd: SIMD.
func (r *reader) vector() {
	switch op := r.number(); {
	case op <= 11, op == 92, op == 93: // loads and stores
		r.numbers(2)
	case op == 12, op == 13: // v128.const, i8x16.shuffle
		r.take(16)
	case op >= 21 && op <= 34: // lanes
		r.byte()
	case op >= 84 && op <= 91: // loads and stores of lanes
		r.numbers(2)
		r.byte()
	}
}

func appendNumber(b []byte, n uint32) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func appendSized(b, content []byte) []byte {
	return append(appendNumber(b, uint32(len(content))), content...)
}
