// Package built holds the emitted kernels; make kernels writes them.
package built

import (
	"embed"
	"fmt"
)

//go:embed all:wasm
var files embed.FS

// Kernels is a build of ABI.md, such as "plain-single.wasm". It fails when the program was
// built before the kernels were emitted.
func Kernels(file string) ([]byte, error) {
	module, err := files.ReadFile("wasm/" + file)
	if err != nil {
		return nil, fmt.Errorf("kernels: %s is not embedded in this program: run make kernels: %w", file, err)
	}
	return module, nil
}
