package host

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"bedside/wasm/classify"
)

func TestMakeInterruptibleRefusesWhatItCannotFollow(t *testing.T) {
	sound := fake{}.encode()
	for name, module := range map[string][]byte{
		"empty":           nil,
		"preamble cut":    sound[:6],
		"cut in sections": sound[:len(sound)/2],
		"section twice":   append(append([]byte(nil), sound...), sound[8:]...),
		"unknown section": append(append([]byte(nil), sound...), 99, 0),
		"unknown opcode":  fake{bodies: map[string][]byte{"bedside_ready": {0xe0}}}.encode(),
	} {
		if _, err := makeInterruptible(module); !errors.Is(err, errModule) {
			t.Errorf("%s: error %v, want errModule", name, err)
		}
	}
}

// The garbage collector stops every goroutine: it must be able to stop one in the module.
func TestCollectorDoesNotWaitForACall(t *testing.T) {
	files := tinyBundle(t, []uint64{1})
	h, err := newFake(t, fake{planOf(t, files, func(*plan) {}), fakeResult, map[string][]byte{"bedside_begin": forever}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := m.Classify(ctx, "A note.", classify.Options{})
		ended <- err
	}()
	for len(h.slots) == 0 {
		runtime.Gosched()
	}
	start := time.Now()
	runtime.GC()
	if took := time.Since(start); took > promptly {
		t.Errorf("a collection took %v", took)
	}
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
}

// Whatever the bytes, there is an error or a module that can be read again.
func FuzzMakeInterruptible(f *testing.F) {
	f.Add(fake{}.encode())
	f.Add(fake{bodies: map[string][]byte{"bedside_begin": forever}}.encode())
	f.Fuzz(func(t *testing.T, module []byte) {
		out, err := makeInterruptible(module)
		if err != nil {
			if !errors.Is(err, errModule) {
				t.Fatal(err)
			}
			return
		}
		if _, err := makeInterruptible(out); err != nil {
			t.Fatalf("%x became %x: %v", module, out, err)
		}
	})
}

func BenchmarkMakeInterruptible(b *testing.B) {
	module, err := EmbeddedModule()
	if err != nil {
		if os.Getenv("CI") == "true" {
			b.Fatal(err)
		}
		b.Skip(err)
	}
	b.SetBytes(int64(len(module)))
	for b.Loop() {
		if _, err := makeInterruptible(module); err != nil {
			b.Fatal(err)
		}
	}
}
