package host

import (
	"embed"
	"fmt"
)

//go:embed all:built
var built embed.FS

// EmbeddedModule returns the bytes of the bedside.wasm this program was built with.
// It fails when the program was built before the module was.
func EmbeddedModule() ([]byte, error) {
	module, err := built.ReadFile("built/bedside.wasm")
	if err != nil {
		return nil, fmt.Errorf("host: bedside.wasm is not embedded in this program: run make build: %w", err)
	}
	return module, nil
}
