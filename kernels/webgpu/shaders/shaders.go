// Package shaders embeds the shaders of kernels/webgpu for the programs that hand them to a
// GPU. The module itself only knows their names.
package shaders

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.wgsl
var files embed.FS

// All is the WGSL of every shader, by its name without ".wgsl".
func All() map[string]string {
	entries, _ := fs.ReadDir(files, ".")
	all := make(map[string]string, len(entries))
	for _, e := range entries {
		text, _ := fs.ReadFile(files, e.Name())
		all[strings.TrimSuffix(e.Name(), ".wgsl")] = string(text)
	}
	return all
}

// Joined is the WGSL of a pipeline's files: "quantize+activation+quantization".
func Joined(names string) (string, error) {
	var b strings.Builder
	for _, name := range strings.Split(names, "+") {
		text, err := files.ReadFile(name + ".wgsl")
		if err != nil {
			return "", fmt.Errorf("shaders: %s: %w", names, err)
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String(), nil
}
