// Command write emits the kernels into a directory.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"bedside/kernels/simd/emit"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: write DIR")
		os.Exit(2)
	}
	for _, v := range emit.Variants() {
		if err := os.WriteFile(filepath.Join(os.Args[1], v.File()), emit.Emit(v), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
