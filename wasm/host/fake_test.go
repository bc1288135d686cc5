package host

import (
	"maps"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// Places in a fake module's memory, which is one page.
const (
	planAt       = 4096
	resultAt     = 16384
	allocationAt = 32768
	pageSize     = 65536
)

// fake is a module of the ABI written by hand, to misbehave where the real one cannot.
// A body is WebAssembly text's opcodes; an export without one does what a sound
// module would.
type fake struct {
	plan, result string
	bodies       map[string][]byte
}

// Opcodes of the bodies.
const (
	opUnreachable = 0x00
	opBranch      = 0x0c
	opCall        = 0x10
	opDrop        = 0x1a
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opI32         = 0x41
	opI64         = 0x42
	noResult      = 0x40
)

var (
	forever = []byte{opLoop, noResult, opBranch, 0, opEnd, opUnreachable}
	trap    = []byte{opUnreachable}
)

func answer(v int32) []byte { return append([]byte{opI32}, sleb(int64(v))...) }

// output makes the module's output these bytes of its memory.
func output(address, length uint32) []byte {
	packed := int64(uint64(address)<<32 | uint64(length))
	return append(append([]byte{opI64}, sleb(packed)...), opGlobalSet, 0)
}

// imports are the functions that wasm/module/ABI.md lets the module import, by the number that bodies call.
var imports = []struct {
	module, name string
	parameters   int // all i32
	results      []byte
}{
	{"bedside_device", "reserve", 2, []byte{i32}},
	{"bedside_device", "write", 4, nil},
	{"bedside_device", "read", 4, []byte{i32}},
	{"bedside_device", "run", 2, []byte{i32}},
	{"bedside_device", "threads", 1, []byte{i32}},
	{"bedside_gpu", "limit", 2, []byte{i32}},
	{"bedside_gpu", "pipeline", 3, []byte{i32}},
	{"bedside_gpu", "record", 3, []byte{i32}},
	{"bedside_gpu", "submit", 4, []byte{i32}},
}

// call calls an import with these numbers and drops what it answers.
func call(name string, parameters ...int32) []byte {
	var b []byte
	for _, p := range parameters {
		b = append(b, answer(p)...)
	}
	for i, f := range imports {
		if f.name == name {
			b = append(b, opCall, byte(i))
			if f.results != nil {
				b = append(b, opDrop)
			}
		}
	}
	return b
}

func signature(parameters int, results []byte) []byte {
	all := strings.Repeat(string([]byte{api.ValueTypeI32}), parameters)
	return slices.Concat([]byte{0x60}, bytesOf([]byte(all)), bytesOf(results))
}

func (f fake) encode() []byte {
	bodies := map[string][]byte{
		"_initialize":      nil,
		"bedside_abi":      answer(abiVersion),
		"bedside_allocate": answer(allocationAt),
		"bedside_release":  nil,
		"bedside_open":     append(output(planAt, uint32(len(f.plan))), answer(1)...),
		"bedside_ready":    answer(0),
		"bedside_close":    answer(0),
		"bedside_begin":    answer(1),
		"bedside_finish":   append(output(resultAt, uint32(len(f.result))), answer(0)...),
		"bedside_cancel":   answer(0),
		"bedside_output":   {opGlobalGet, 0},
	}
	maps.Copy(bodies, f.bodies)
	var types, imported, functions, exported, codes [][]byte
	for i, f := range imports {
		types = append(types, signature(f.parameters, f.results))
		imported = append(imported, slices.Concat(bytesOf([]byte(f.module)), bytesOf([]byte(f.name)), []byte{0}, uleb(i)))
	}
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		i := len(types)
		types = append(types, signature(exports[name].parameters, exports[name].result))
		functions = append(functions, uleb(i))
		exported = append(exported, slices.Concat(bytesOf([]byte(name)), []byte{0}, uleb(i)))
		codes = append(codes, bytesOf(slices.Concat([]byte{0}, bodies[name], []byte{opEnd})))
	}
	exported = append(exported, append(bytesOf([]byte("memory")), 2, 0))
	data := [][]byte{dataAt(planAt, f.plan), dataAt(resultAt, f.result)}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types), section(2, imported), section(3, functions),
		section(5, [][]byte{{0, 1}}),
		section(6, [][]byte{{api.ValueTypeI64, 1, opI64, 0, opEnd}}),
		section(7, exported), section(10, codes), section(11, data))
}

func dataAt(address int32, text string) []byte {
	return slices.Concat([]byte{0}, answer(address), []byte{opEnd}, bytesOf([]byte(text)))
}

func section(id byte, entries [][]byte) []byte {
	return append([]byte{id}, bytesOf(append(uleb(len(entries)), slices.Concat(entries...)...))...)
}

func bytesOf(b []byte) []byte { return append(uleb(len(b)), b...) }

func uleb(v int) []byte {
	var b []byte
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func sleb(v int64) []byte {
	var b []byte
	for {
		low := byte(v) & 0x7f
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
