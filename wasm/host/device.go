package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"bedside/kernels/simd/headless"
)

// What computes an encoder.
const (
	SIMD      = "simd"      // SIMD kernels in a WebAssembly module of their own
	Reference = "reference" // plain Go inside bedside.wasm: slow, for comparison
)

// maxDevicePages bounds the memory of one device: 3 GiB in pages of 64 KiB.
const maxDevicePages = 3 << 14

// exportDevices gives modules the functions of kernels/simd/ABI.md, and those of
// kernels/webgpu/ABI.md as of a machine without GPUs.
func (h *Host) exportDevices(ctx context.Context) error {
	for module, functions := range map[string][]export{
		"bedside_device": {
			{"reserve", 2, []api.ValueType{i32}, deviceReserve},
			{"write", 4, nil, deviceWrite},
			{"read", 4, []api.ValueType{i32}, deviceRead},
			{"run", 2, []api.ValueType{i32}, deviceRun},
			{"threads", 1, []api.ValueType{i32}, deviceThreads},
		},
		"bedside_gpu": {
			{"limit", 2, []api.ValueType{i32}, noLimit},
			{"pipeline", 3, []api.ValueType{i32}, noGPU},
			{"record", 3, []api.ValueType{i32}, noGPU},
			{"submit", 4, []api.ValueType{i32}, noGPU},
		},
	} {
		builder := h.runtime.NewHostModuleBuilder(module)
		for _, f := range functions {
			parameters := []api.ValueType{i32, i32, i32, i32}[:f.parameters]
			builder = builder.NewFunctionBuilder().WithGoModuleFunction(f.do, parameters, f.result).Export(f.name)
		}
		if _, err := builder.Instantiate(ctx); err != nil {
			return fmt.Errorf("host: preparing devices: %w", err)
		}
	}
	return nil
}

// export is a function that modules may import.
type export struct {
	name       string
	parameters int // all i32
	result     []api.ValueType
	do         api.GoModuleFunc
}

// noLimit says of every device that it is no GPU.
func noLimit(_ context.Context, _ api.Module, stack []uint64) { stack[0] = 0 }

// noGPU ends a module that takes a device for one nevertheless.
func noGPU(context.Context, api.Module, []uint64) { panic(errTrap) }

// errTrap ends a module that names a device or memory that is not there.
var errTrap = errors.New("host: the module reaches beyond its device or its memory")

// instanceKey is the context's key for the instance at work.
type instanceKey struct{}

// deviceOf is a device of the instance that calls, by its number. Functions that take one
// panic where they cannot go on, which ends the module's call.
func deviceOf(ctx context.Context, number uint64) *headless.Memory {
	in, _ := ctx.Value(instanceKey{}).(*instance)
	if in == nil || in.devices[api.DecodeI32(number)] == nil {
		panic(errTrap)
	}
	return in.devices[api.DecodeI32(number)]
}

func deviceReserve(ctx context.Context, _ api.Module, stack []uint64) {
	refused := int32(1)
	if deviceOf(ctx, stack[0]).Reserve(uint32(stack[1])) {
		refused = 0
	}
	stack[0] = api.EncodeI32(refused)
}

func deviceWrite(ctx context.Context, module api.Module, stack []uint64) {
	to, from := ranges(ctx, module, stack[0], stack[1], stack[2], stack[3])
	copy(to, from)
}

func deviceRead(ctx context.Context, module api.Module, stack []uint64) {
	from, to := ranges(ctx, module, stack[0], stack[2], stack[1], stack[3])
	copy(to, from)
	stack[0] = api.EncodeI32(readDone)
}

// readDone is the answer to a read that kernels/simd/ABI.md promises.
const readDone = 0

// ranges are as many bytes of the device's memory and of the module's.
func ranges(ctx context.Context, module api.Module, device, atDevice, atModule, length uint64) (ofDevice, ofModule []byte) {
	ofDevice, ok := deviceOf(ctx, device).Bytes(uint32(atDevice), uint32(length))
	if !ok {
		panic(errTrap)
	}
	if ofModule, ok = module.Memory().Read(uint32(atModule), uint32(length)); !ok {
		panic(errTrap)
	}
	return ofDevice, ofModule
}

func deviceRun(ctx context.Context, _ api.Module, stack []uint64) {
	stack[0] = api.EncodeI32(deviceOf(ctx, stack[0]).Run(uint32(stack[1])))
}

func deviceThreads(ctx context.Context, _ api.Module, stack []uint64) {
	stack[0] = api.EncodeI32(int32(deviceOf(ctx, stack[0]).Threads()))
}

// newDevice starts kernels, which are compiled when the first model needs them.
func (h *Host) newDevice(ctx context.Context) (*headless.Memory, error) {
	h.kernels.Lock()
	defer h.kernels.Unlock()
	if h.kernels.compiled == nil {
		if h.kernels.runtime == nil {
			config := h.config.WithMemoryLimitPages(maxDevicePages)
			h.kernels.runtime = wazero.NewRuntimeWithConfig(ctx, config)
		}
		compiled, err := headless.Compile(ctx, h.kernels.runtime)
		if err != nil {
			return nil, fmt.Errorf("host: %w", err)
		}
		h.kernels.compiled = compiled
	}
	d, err := h.kernels.compiled.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return d, nil
}
