package emit_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/tetratelabs/wazero"

	"bedside/kernels/simd/emit"
)

// TestReproducible: a build's bytes depend on nothing but its variant.
func TestReproducible(t *testing.T) {
	files := map[string]bool{}
	for _, v := range emit.Variants() {
		if !bytes.Equal(emit.Emit(v), emit.Emit(v)) {
			t.Errorf("%s differs from one emission to the next", v.File())
		}
		files[v.File()] = true
	}
	if len(files) != len(emit.Variants()) {
		t.Errorf("%d variants make %d files", len(emit.Variants()), len(files))
	}
}

// TestPlainIsPlain: what wazero is to run uses no instruction that it lacks.
func TestPlainIsPlain(t *testing.T) {
	ctx := context.Background()
	runtime := wazero.NewRuntime(ctx)
	defer runtime.Close(ctx)
	for _, v := range emit.Variants() {
		_, err := runtime.CompileModule(ctx, emit.Emit(v))
		if portable := v.Name == "plain" && !v.Shared; portable != (err == nil) {
			t.Errorf("%s under wazero: %v", v.File(), err)
		}
	}
}
