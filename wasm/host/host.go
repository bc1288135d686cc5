package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"bedside/kernels/simd/headless"
)

// maxMemoryPages bounds one instance's linear memory: 1 GiB in pages of 64 KiB.
const maxMemoryPages = 16384

// Options configure a Host. The zero value runs the embedded module with one
// instance a processor and no cache on disk.
type Options struct {
	Module    []byte // bedside.wasm; nil means the embedded one
	Instances int    // most instances alive at once; 0 means GOMAXPROCS
	CacheDir  string // keeps compiled code between runs; "" means none
	Device    string // what computes encoders: SIMD, which "" means, or Reference
}

// Host is a compiled module and its pool of instances.
type Host struct {
	runtime  wazero.Runtime
	config   wazero.RuntimeConfig
	compiled wazero.CompiledModule
	cache    wazero.CompilationCache

	device  string
	kernels struct {
		sync.Mutex
		runtime  wazero.Runtime
		compiled *headless.Kernels
	}

	slots chan struct{} // holds one value for every instance at work
	stop  context.CancelFunc
	// stopped ends when Close begins: running calls end and waiting ones give up.
	stopped context.Context

	mu    sync.Mutex
	idle  []*instance // most recently used last
	close sync.Once
}

// New compiles the module. Compiling takes seconds without a cache; end it early by
// ending ctx.
func New(ctx context.Context, options Options) (*Host, error) {
	module := options.Module
	if module == nil {
		var err error
		if module, err = EmbeddedModule(); err != nil {
			return nil, err
		}
	}
	if options.Instances <= 0 {
		options.Instances = runtime.GOMAXPROCS(0)
	}
	if options.Device == "" {
		options.Device = SIMD
	}
	if options.Device != SIMD && options.Device != Reference {
		return nil, fmt.Errorf("host: device %.16q, want %q or %q", options.Device, SIMD, Reference)
	}
	h := &Host{slots: make(chan struct{}, options.Instances), config: wazero.NewRuntimeConfig(), device: options.Device}
	if options.CacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(options.CacheDir)
		if err != nil {
			return nil, fmt.Errorf("host: compilation cache in %s: %w", options.CacheDir, err)
		}
		h.cache = cache
		h.config = h.config.WithCompilationCache(cache)
	}
	h.runtime = wazero.NewRuntimeWithConfig(ctx, h.config.WithMemoryLimitPages(maxMemoryPages))
	if err := h.compile(ctx, module); err != nil {
		return nil, errors.Join(err, h.release(context.WithoutCancel(ctx)))
	}
	h.stopped, h.stop = context.WithCancel(context.Background())
	return h, nil
}

func (h *Host) compile(ctx context.Context, module []byte) error {
	ctx = experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, h.runtime); err != nil {
		return fmt.Errorf("host: preparing WASI: %w", err)
	}
	if err := h.exportDevices(ctx); err != nil {
		return err
	}
	stoppable, err := makeInterruptible(module)
	if err != nil {
		return fmt.Errorf("host: reading the module (%d bytes): %w", len(module), err)
	}
	compiled, err := h.runtime.CompileModule(ctx, stoppable)
	if err != nil {
		return fmt.Errorf("host: compiling the module (%d bytes): %w", len(module), err)
	}
	h.compiled = compiled
	return checkExports(compiled)
}

// Close ends running calls, waits for them, and frees everything. Models of this
// host cannot be used afterwards. ctx bounds the wait; when it ends first, Close
// returns its error and the memory of the calls still running stays taken.
func (h *Host) Close(ctx context.Context) error {
	var err error
	h.close.Do(func() {
		h.stop()
		// Code must not be unmapped under a running call, so take every slot first.
		for range cap(h.slots) {
			select {
			case h.slots <- struct{}{}:
			case <-ctx.Done():
				err = fmt.Errorf("host: closing: %w", ctx.Err())
				return
			}
		}
		err = h.release(ctx)
	})
	return err
}

func (h *Host) release(ctx context.Context) error {
	err := h.runtime.Close(ctx)
	if h.kernels.runtime != nil {
		err = errors.Join(err, h.kernels.runtime.Close(ctx))
	}
	if h.cache != nil {
		err = errors.Join(err, h.cache.Close(ctx))
	}
	if err != nil {
		return fmt.Errorf("host: closing the runtime: %w", err)
	}
	return nil
}
