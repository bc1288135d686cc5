package page

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"bedside/kernels/simd/built"
	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/shaders"
)

// builds are the builds of kernels/simd/ABI.md.
var builds = []string{"plain-single", "plain-shared", "relaxed-single", "relaxed-shared", "dot-single", "dot-shared"}

// PackKernels is every build in one file, which brotli makes little larger than one of
// them, every shader as NAME.wgsl, and as KIND.pipelines what a kind of adapter is to begin with, a line each, see
// kernels/webgpu/ABI.md: a WebAssembly module of nothing but custom sections, each with a name and bytes. Browsers take it
// apart themselves.
func PackKernels() ([]byte, error) {
	pack := []byte("\x00asm\x01\x00\x00\x00")
	for _, name := range builds {
		build, err := built.Kernels(name + ".wasm")
		if err != nil {
			return nil, err
		}
		pack = appendSection(pack, name, build)
	}
	texts := shaders.All()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		pack = appendSection(pack, name+".wgsl", []byte(texts[name]))
	}
	kinds := webgpu.Kinds()
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		var names []string
		for _, p := range webgpu.Wanted(kinds[kind]) {
			names = append(names, p.String())
		}
		pack = appendSection(pack, kind+".pipelines", []byte(strings.Join(names, "\n")))
	}
	return pack, nil
}

// appendSection appends a custom section:
// https://webassembly.github.io/spec/core/binary/modules.html#custom-section
func appendSection(module []byte, name string, contents []byte) []byte {
	named := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
	module = binary.AppendUvarint(append(module, 0), uint64(len(named)+len(contents)))
	return append(append(module, named...), contents...)
}

// addKernels puts the pack into files.
func addKernels(files map[string][]byte) (*Pinned, error) {
	pack, err := PackKernels()
	if err != nil {
		return nil, err
	}
	pinned := asset("kernels", ".wasm", pack)
	files[pinned.URL] = pack
	return &pinned, nil
}
