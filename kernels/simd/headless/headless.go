// Package headless runs the SIMD kernels under wazero, for Go programs and for hosts
// of bedside.wasm.
package headless

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"bedside/kernels"
	"bedside/kernels/simd"
	"bedside/kernels/simd/built"
)

// file is the build that wazero can run: it has neither relaxed SIMD nor, by default,
// shared memory.
const file = "plain-single.wasm"

// memory is a module that exports as "memory" what the kernels import: 2 pages at first.
var memory = []byte{
	0, 'a', 's', 'm', 1, 0, 0, 0,
	5, 3, 1, 0, 2, // one memory without a maximum
	7, 10, 1, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0,
}

// Kernels are compiled kernels, for any number of devices.
type Kernels struct {
	runtime         wazero.Runtime
	memory, kernels wazero.CompiledModule
}

// Compile compiles the embedded kernels in a runtime, which bounds a device's memory
// and frees them when it is closed.
func Compile(ctx context.Context, runtime wazero.Runtime) (*Kernels, error) {
	module, err := built.Kernels(file)
	if err != nil {
		return nil, err
	}
	k := &Kernels{runtime: runtime}
	if k.memory, err = runtime.CompileModule(ctx, memory); err != nil {
		return nil, fmt.Errorf("headless: compiling the memory: %w", err)
	}
	if k.kernels, err = runtime.CompileModule(ctx, module); err != nil {
		return nil, fmt.Errorf("headless: compiling the kernels: %w", err)
	}
	return k, nil
}

// Memory is one instance of the kernels with its memory; it implements simd.Host. One
// goroutine at a time.
type Memory struct {
	ctx             context.Context
	memory, kernels api.Module
	failed          error
}

var _ simd.Host = (*Memory)(nil)

// New starts an instance. Ending ctx does not interrupt a run.
func (k *Kernels) New(ctx context.Context) (*Memory, error) {
	m := &Memory{ctx: context.WithoutCancel(ctx)}
	anonymous := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	var err error
	if m.memory, err = k.runtime.InstantiateModule(ctx, k.memory, anonymous); err != nil {
		return nil, fmt.Errorf("headless: starting the kernels' memory: %w", err)
	}
	resolve := experimental.WithImportResolver(ctx, func(name string) api.Module {
		if name == "kernels" {
			return m.memory
		}
		return nil
	})
	if m.kernels, err = k.runtime.InstantiateModule(resolve, k.kernels, anonymous); err != nil {
		return nil, errors.Join(fmt.Errorf("headless: starting the kernels: %w", err), m.memory.Close(ctx))
	}
	return m, nil
}

const page = 65536

func (m *Memory) Reserve(bytes uint32) bool {
	have := uint64(m.bytes().Size())
	if uint64(bytes) <= have {
		return true
	}
	_, ok := m.bytes().Grow(uint32((uint64(bytes) - have + page - 1) / page))
	return ok
}

// Write copies data to an address. It panics outside reserved memory, as Read does: a
// host of bedside.wasm checks with Bytes first.
func (m *Memory) Write(to uint32, data []byte) {
	if !m.bytes().Write(to, data) {
		panic(fmt.Sprintf("headless: write of %d bytes at %d, outside %d", len(data), to, m.bytes().Size()))
	}
}

func (m *Memory) Read(data []byte, from uint32) {
	view, ok := m.Bytes(from, uint32(len(data)))
	if !ok {
		panic(fmt.Sprintf("headless: read of %d bytes at %d, outside %d", len(data), from, m.bytes().Size()))
	}
	copy(data, view)
}

// Bytes is a view of the memory, valid until Reserve, and whether there is that much.
func (m *Memory) Bytes(at, length uint32) ([]byte, bool) { return m.bytes().Read(at, length) }

func (m *Memory) bytes() api.Memory { return m.memory.Memory() }

// Run answers as the kernels' run does; 1, lost, where they trapped, and Err says how. It
// runs one operation at a time: Go's garbage collector waits for compiled code.
func (m *Memory) Run(program uint32) int32 {
	records, ok := m.bytes().ReadUint32Le(program)
	if !ok {
		return 2
	}
	step := m.kernels.ExportedFunction("step")
	for n := range records {
		if m.failed != nil {
			return 1
		}
		results, err := step.Call(m.ctx, uint64(program), uint64(n))
		if err != nil {
			m.failed = fmt.Errorf("headless: the kernels ended early: %w", err)
			return 1
		}
		if answer := api.DecodeI32(results[0]); answer != 0 {
			return answer
		}
	}
	return 0
}

func (m *Memory) Threads() int { return 1 }

// Err is why the device was lost.
func (m *Memory) Err() error { return m.failed }

// Close frees the memory.
func (m *Memory) Close(ctx context.Context) error {
	return errors.Join(m.kernels.Close(ctx), m.memory.Close(ctx))
}

// maxPages bounds a device's memory in NewDevice: 3 GiB.
const maxPages = 3 << 14

// device is a simd.Device that owns its runtime.
type device struct {
	*simd.Device
	ctx     context.Context
	runtime wazero.Runtime
}

// NewDevice is a device with kernels and runtime of its own.
func NewDevice(ctx context.Context) (kernels.Device, error) {
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(maxPages))
	compiled, err := Compile(ctx, runtime)
	if err != nil {
		return nil, errors.Join(err, runtime.Close(ctx))
	}
	memory, err := compiled.New(ctx)
	if err != nil {
		return nil, errors.Join(err, runtime.Close(ctx))
	}
	return &device{simd.New(memory), context.WithoutCancel(ctx), runtime}, nil
}

func (d *device) Close() error {
	return errors.Join(d.Device.Close(), d.runtime.Close(d.ctx))
}
