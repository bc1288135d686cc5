package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"bedside/kernels/simd/headless"
)

// abiVersion is the only version of wasm/module/ABI.md this package speaks.
const abiVersion = 3

// maxOutput bounds what one call may answer, in bytes.
const maxOutput = 64 << 20

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// exports are the functions of wasm/module/ABI.md with their signatures.
var exports = map[string]struct {
	parameters int // all i32
	result     []api.ValueType
}{
	"_initialize":      {0, nil},
	"bedside_abi":      {0, []api.ValueType{i32}},
	"bedside_allocate": {1, []api.ValueType{i32}},
	"bedside_release":  {1, nil},
	"bedside_open":     {3, []api.ValueType{i32}},
	"bedside_ready":    {1, []api.ValueType{i32}},
	"bedside_close":    {1, []api.ValueType{i32}},
	"bedside_begin":    {5, []api.ValueType{i32}},
	"bedside_finish":   {1, []api.ValueType{i32}},
	"bedside_cancel":   {1, []api.ValueType{i32}},
	"bedside_output":   {0, []api.ValueType{i64}},
}

// checkExports refuses a module that lacks a function of the ABI.
func checkExports(compiled wazero.CompiledModule) error {
	found := compiled.ExportedFunctions()
	for name, want := range exports {
		f, ok := found[name]
		if !ok {
			return fmt.Errorf("host: the module does not export %s: it is not bedside.wasm", name)
		}
		same := len(f.ParamTypes()) == want.parameters && string(f.ResultTypes()) == string(want.result)
		for _, t := range f.ParamTypes() {
			same = same && t == i32
		}
		if !same {
			return fmt.Errorf("host: the module's %s has another signature than ABI %d gives it", name, abiVersion)
		}
	}
	if len(compiled.ExportedMemories()) != 1 {
		return fmt.Errorf("host: the module exports %d memories, not 1", len(compiled.ExportedMemories()))
	}
	return nil
}

// instance is one running module. It serves one call at a time.
type instance struct {
	module  api.Module
	stop    api.MutableGlobal
	handles map[*Model]handle
	devices map[int32]*headless.Memory // by the numbers that the module knows them by
	last    int32                      // number given to a device
	// broken says that its state can no longer be trusted.
	broken bool
}

// handle is a model that an instance has open.
type handle struct {
	model  int32
	device int32 // 0 where it has none
}

// killedBy ends the instance's running call when ctx has been over for as long as
// patience. The function it returns undoes that, and says whether it was in time; an
// instance for which it was not is broken.
func (in *instance) killedBy(ctx context.Context, patience time.Duration) (survived func() bool) {
	kill := func() { in.stop.Set(1) }
	if patience == 0 {
		return context.AfterFunc(ctx, kill)
	}
	late, end := context.WithCancel(context.Background())
	undo := context.AfterFunc(late, kill)
	wait := context.AfterFunc(ctx, func() { time.AfterFunc(patience, end) })
	return func() bool {
		wait()
		return undo()
	}
}

// instantiate starts a module that sees a clock and random numbers, nothing else.
func (h *Host) instantiate(ctx context.Context) (*instance, error) {
	module, err := h.runtime.InstantiateModule(ctx, h.compiled, wazero.NewModuleConfig().
		WithName("").         // several instances of one name would collide
		WithStartFunctions(). // _initialize is called below, when it can be ended
		WithSysWalltime().
		WithSysNanotime().
		WithRandSource(rand.Reader))
	if err != nil {
		return nil, fmt.Errorf("host: starting the module: %w", err)
	}
	in := &instance{module: module, handles: map[*Model]handle{}, devices: map[int32]*headless.Memory{}}
	in.stop = module.ExportedGlobal(stopGlobal).(api.MutableGlobal)
	defer in.killedBy(ctx, 0)()
	if _, err := in.call(ctx, "_initialize"); err != nil {
		in.discard()
		return nil, err
	}
	version, err := in.call(ctx, "bedside_abi")
	if err == nil && version != abiVersion {
		err = fmt.Errorf("host: the module speaks ABI %d, this program ABI %d: build both from one version", version, abiVersion)
	}
	if err != nil {
		in.discard()
		return nil, err
	}
	return in, nil
}

// discard frees the instance. Nothing can be done about an error of modules that hold
// no resources but memory.
func (in *instance) discard() {
	_ = in.module.Close(context.Background())
	for number := range in.devices {
		in.freeDevice(number)
	}
}

func (in *instance) freeDevice(number int32) {
	if d := in.devices[number]; d != nil {
		_ = d.Close(context.Background())
		delete(in.devices, number)
	}
}

// call runs an export that answers i32, or nothing. A trap breaks the instance.
func (in *instance) call(ctx context.Context, name string, parameters ...uint64) (int32, error) {
	results, err := in.module.ExportedFunction(name).Call(ctx, parameters...)
	if err != nil {
		in.broken = true
		return 0, &Error{Code: CodeInternal, Message: "host: " + name + " ended early", cause: err}
	}
	if len(results) == 0 {
		return 0, nil
	}
	return api.DecodeI32(results[0]), nil
}

// check is call for the exports whose negative answers are errors.
func (in *instance) check(ctx context.Context, name string, parameters ...uint64) (int32, error) {
	answer, err := in.call(ctx, name, parameters...)
	if err != nil || answer >= 0 {
		return answer, err
	}
	return 0, in.moduleError(ctx, name)
}

// moduleError reads the error the last call left.
func (in *instance) moduleError(ctx context.Context, name string) error {
	output, err := in.output(ctx)
	if err != nil {
		return err
	}
	var envelope struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(output, &envelope); err != nil || envelope.Error.Code == "" {
		return in.defect("%s failed and left no error in its output", name)
	}
	if envelope.Error.Code == CodeInternal {
		in.broken = true
	}
	return &Error{Code: envelope.Error.Code, Message: envelope.Error.Message}
}

// defect breaks the instance and says why.
func (in *instance) defect(format string, values ...any) error {
	in.broken = true
	return &Error{Code: CodeInternal, Message: "host: defect in the module: " + fmt.Sprintf(format, values...)}
}

// output copies what the last call left.
func (in *instance) output(ctx context.Context) ([]byte, error) {
	results, err := in.module.ExportedFunction("bedside_output").Call(ctx)
	if err != nil {
		in.broken = true
		return nil, &Error{Code: CodeInternal, Message: "host: bedside_output ended early", cause: err}
	}
	address, length := uint32(results[0]>>32), uint32(results[0])
	if length > maxOutput {
		return nil, in.defect("an output of %d bytes, above the limit of %d", length, maxOutput)
	}
	view, ok := in.module.Memory().Read(address, length)
	if !ok {
		return nil, in.defect("an output of %d bytes at %#x, outside its memory of %d", length, address, in.module.Memory().Size())
	}
	return append([]byte(nil), view...), nil
}

// put copies data into fresh memory of the module and gives its address, which the
// caller releases. No data needs no memory: address 0. code says what it means when
// the module refuses the size.
func (in *instance) put(ctx context.Context, data string, code string) (uint64, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if len(data) > math.MaxInt32 {
		return 0, refused(len(data), code)
	}
	answer, err := in.call(ctx, "bedside_allocate", uint64(len(data)))
	if err != nil {
		return 0, err
	}
	address := uint32(answer)
	if address == 0 {
		return 0, refused(len(data), code)
	}
	if !in.module.Memory().WriteString(address, data) {
		return 0, in.defect("an allocation of %d bytes at %#x, outside its memory of %d", len(data), address, in.module.Memory().Size())
	}
	return uint64(address), nil
}

func refused(size int, code string) error {
	return &Error{Code: code, Message: fmt.Sprintf("%d bytes are more than the module takes at once", size)}
}

// free gives an allocation back.
func (in *instance) free(ctx context.Context, address uint64) error {
	if address == 0 {
		return nil
	}
	_, err := in.call(ctx, "bedside_release", address)
	return err
}

// closeAbandoned closes the models that were closed while the instance was busy.
func (in *instance) closeAbandoned(ctx context.Context) {
	for m := range in.handles {
		if m.closed.Load() {
			in.close(ctx, m)
		}
	}
}

// close frees a model and its device, as far as the instance can still be talked to.
func (in *instance) close(ctx context.Context, m *Model) {
	h := in.handles[m]
	delete(in.handles, m)
	if h.model != 0 && !in.broken {
		_, _ = in.check(ctx, "bedside_close", api.EncodeI32(h.model))
	}
	in.freeDevice(h.device)
}
