//go:build wasip1

// Command module is bedside.wasm: the functions ABI.md describes, and nothing else.
package main

import (
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"unsafe"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/wasm/classify"
	"bedside/weights"
)

const abi = 3

// maxInput bounds one allocation by the host.
const maxInput = max(classify.MaxNoteBytes+1, weights.MaxManifestBytes)

// maxModel bounds the tensors of one model in the module's 4 GiB of memory, maxReference
// what the reference device makes of them there, and maxDevice the tensors on a host's
// device; a manifest could ask for more than any machine has.
const (
	maxModel     = 512 << 20
	maxReference = 768 << 20
	maxDevice    = 3 << 30
)

// instance is everything an instance remembers between calls; wasip1 gives exported
// functions no receiver.
var instance = struct {
	inputs map[int32][]byte
	models map[int32]*model
	jobs   map[int32]job
	next   int32
	output []byte
}{
	inputs: map[int32][]byte{},
	models: map[int32]*model{},
	jobs:   map[int32]job{},
}

type model struct {
	device  kernels.Device // nil where there is no encoder
	held    int64          // bytes that it takes of the module's memory, about
	loading *classify.Loading
	ready   *classify.Model // nil until bedside_ready
}

type job struct {
	model int32
	*classify.Job
}

func main() {}

func init() { pace() }

// pace lets the heap grow by some 32 MiB between collections. A collection takes
// longer than a note; left alone, Go would run one every hundred notes or so.
func pace() {
	const base, room = 4 << 20, 32 << 20
	held := int64(base)
	for _, m := range instance.models {
		held += m.held
	}
	debug.SetGCPercent(int(max(50, room*100/held)))
}

//go:wasmexport bedside_abi
func abiVersion() int32 { return abi }

//go:wasmexport bedside_allocate
func allocate(size int32) int32 {
	if size <= 0 || size > maxInput {
		return 0
	}
	buf := make([]byte, size)
	at := address(buf)
	instance.inputs[at] = buf
	return at
}

//go:wasmexport bedside_release
func release(at int32) { delete(instance.inputs, at) }

//go:wasmexport bedside_output
func output() int64 {
	if len(instance.output) == 0 {
		return 0
	}
	return int64(uint32(address(instance.output)))<<32 | int64(len(instance.output))
}

//go:wasmexport bedside_open
func open(at, length, device int32) int32 {
	return answer(func() (int32, error) {
		data, err := input(at, length)
		if err != nil {
			return 0, err
		}
		manifest, err := weights.ParseManifest(data)
		if err != nil {
			return 0, &failure{"bad-manifest", err}
		}
		m, err := newModel(manifest, device)
		if err != nil {
			return 0, err
		}
		handle := newHandle()
		instance.models[handle] = m
		pace()
		instance.output = appendPlan(instance.output, handle, manifest, m)
		return handle, nil
	})
}

// newModel makes room for a model: a linear one in the module's memory, an encoder on the
// device.
func newModel(manifest *weights.Manifest, device int32) (*model, error) {
	m, here, there := &model{}, manifest.StreamBytes(), int64(0)
	m.held = here
	var err error
	switch {
	case device < 0:
		return nil, &failure{"bad-handle", fmt.Errorf("no device %d", device)}
	case manifest.Encoder == nil:
	case device == 0:
		m.device = &reference.Device{Limit: maxReference}
	default:
		if m.device, err = newDevice(device); err != nil {
			return nil, coded(err)
		}
		here, there = shared(manifest)
		m.held = here + indexed(manifest)
	}
	for _, memory := range []struct{ size, limit int64 }{{here, maxModel}, {there, maxDevice}} {
		if memory.size > memory.limit {
			return nil, &failure{"bad-manifest", fmt.Errorf("manifest: %d bytes of tensors, at most %d fit", memory.size, memory.limit)}
		}
	}
	if m.loading, err = classify.Open(manifest, m.device); err != nil {
		return nil, coded(err)
	}
	return m, nil
}

// shared is how many bytes of a model with an encoder stay in the module's memory, and how
// many belong on the host's device.
func shared(manifest *weights.Manifest) (here, there int64) {
	here = manifest.HeaderBytes()
	for i, t := range manifest.Tensors {
		if manifest.OnDevice(i) {
			there += t.Size
		} else {
			here += t.Size
		}
	}
	return here, there
}

// indexed is what an encoder's vocabulary takes once it can be searched.
func indexed(manifest *weights.Manifest) int64 {
	const growth = 20
	for _, t := range manifest.Tensors {
		if t.Name == weights.EncoderVocabulary {
			return growth * t.Size
		}
	}
	return 0
}

//go:wasmexport bedside_ready
func ready(handle int32) int32 {
	return answer(func() (int32, error) {
		m, err := find(handle)
		if err != nil {
			return 0, err
		}
		if m.ready != nil {
			return 0, nil
		}
		if m.ready, err = m.loading.Ready(); err != nil {
			if err = coded(err); !errors.As(err, new(*failure)) {
				err = &failure{"bad-tensors", err}
			}
			return 0, err
		}
		return 0, nil
	})
}

//go:wasmexport bedside_close
func closeModel(handle int32) int32 {
	return answer(func() (int32, error) {
		m, err := find(handle)
		if err != nil {
			return 0, err
		}
		maps.DeleteFunc(instance.jobs, func(_ int32, j job) bool { return j.model == handle })
		delete(instance.models, handle)
		pace()
		if m.device != nil {
			return 0, m.device.Close()
		}
		return 0, nil
	})
}

//go:wasmexport bedside_begin
func begin(handle, at, length, optionsAt, optionsLength int32) int32 {
	return answer(func() (int32, error) {
		m, err := find(handle)
		if err != nil {
			return 0, err
		}
		if m.ready == nil {
			return 0, &failure{"not-ready", errors.New("the model is not loaded: write every segment, then call bedside_ready")}
		}
		options, err := readOptions(optionsAt, optionsLength)
		if err != nil {
			return 0, err
		}
		note, err := input(at, length)
		if err != nil {
			return 0, err
		}
		begun, err := m.ready.Begin(unsafe.String(unsafe.SliceData(note), len(note)), options)
		if err != nil {
			return 0, coded(err)
		}
		number := newHandle()
		instance.jobs[number] = job{handle, begun}
		instance.output = appendProgress(instance.output, begun)
		return number, nil
	})
}

// Answers of bedside_finish.
const (
	finished = 0
	goesOn   = 1
)

//go:wasmexport bedside_finish
func finish(number int32) int32 {
	return answer(func() (int32, error) {
		j, ok := instance.jobs[number]
		if !ok {
			return 0, &failure{"bad-handle", fmt.Errorf("no job %d", number)}
		}
		done, err := j.Step()
		if err != nil {
			delete(instance.jobs, number)
			return 0, coded(err)
		}
		if !done {
			instance.output = appendProgress(instance.output, j.Job)
			return goesOn, nil
		}
		delete(instance.jobs, number)
		instance.output = classify.AppendJSON(instance.output, j.Result())
		return finished, nil
	})
}

//go:wasmexport bedside_cancel
func cancel(number int32) int32 {
	return answer(func() (int32, error) {
		if _, ok := instance.jobs[number]; !ok {
			return 0, &failure{"bad-handle", fmt.Errorf("no job %d", number)}
		}
		delete(instance.jobs, number)
		return 0, nil
	})
}

func readOptions(at, length int32) (o classify.Options, err error) {
	if length == 0 {
		return o, nil
	}
	data, err := input(at, length)
	if err != nil {
		return o, err
	}
	if o, err = classify.ParseOptions(string(data)); err != nil {
		return o, coded(err)
	}
	return o, nil
}

func find(handle int32) (*model, error) {
	m, ok := instance.models[handle]
	if !ok {
		return nil, &failure{"bad-handle", fmt.Errorf("no model %d", handle)}
	}
	return m, nil
}

// input is memory the host filled: it must lie at an allocation's start.
func input(at, length int32) ([]byte, error) {
	buf := instance.inputs[at]
	if length < 0 || int(length) > len(buf) {
		return nil, &failure{"bad-handle", fmt.Errorf("no allocation of %d bytes at address %d", length, at)}
	}
	return buf[:length], nil
}

func newHandle() int32 {
	for {
		instance.next = max(instance.next+1, 1)
		_, taken := instance.jobs[instance.next]
		if instance.models[instance.next] == nil && !taken {
			return instance.next
		}
	}
}

func address(b []byte) int32 { return int32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
