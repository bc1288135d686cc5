//go:build wasip1

// Command module is bedside.wasm: the functions ABI.md describes, and nothing else.
package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"unsafe"

	"bedside/wasm/classify"
	"bedside/weights"
)

const abi = 1

// maxInput bounds one allocation by the host.
const maxInput = max(classify.MaxNoteBytes+1, weights.MaxManifestBytes)

// maxModel bounds the tensors of one model, which all lie in the module's 4 GiB of
// memory; a manifest could ask for more than any machine has.
const maxModel = 512 << 20

// instance is everything an instance remembers between calls; wasip1 gives exported
// functions no receiver.
var instance = struct {
	inputs map[int32][]byte
	models map[int32]*model
	jobs   map[int32]*classify.Result
	next   int32
	output []byte
}{
	inputs: map[int32][]byte{},
	models: map[int32]*model{},
	jobs:   map[int32]*classify.Result{},
}

type model struct {
	manifest *weights.Manifest
	tensors  weights.Tensors
	ready    *classify.Model // nil until bedside_ready
}

func main() {}

func init() { pace() }

// pace lets the heap grow by some 32 MiB between collections. A collection takes
// longer than a note; left alone, Go would run one every hundred notes or so.
func pace() {
	const base, room = 4 << 20, 32 << 20
	held := int64(base)
	for _, m := range instance.models {
		held += m.manifest.StreamBytes()
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
func open(at, length int32) int32 {
	return answer(func() (int32, error) {
		data, err := input(at, length)
		if err != nil {
			return 0, err
		}
		m, err := weights.ParseManifest(data)
		if err != nil {
			return 0, &failure{"bad-manifest", err}
		}
		if n := m.StreamBytes(); n > maxModel {
			return 0, &failure{"bad-manifest", fmt.Errorf("manifest: %d bytes of tensors, at most %d fit the module", n, maxModel)}
		}
		tensors := m.Allocate()
		handle := newHandle()
		instance.models[handle] = &model{manifest: m, tensors: tensors}
		pace()
		instance.output = appendPlan(instance.output, handle, m, tensors)
		return handle, nil
	})
}

//go:wasmexport bedside_ready
func ready(handle int32) int32 {
	return answer(func() (int32, error) {
		m, err := find(handle)
		if err != nil {
			return 0, err
		}
		if m.ready, err = classify.New(m.manifest, m.tensors); err != nil {
			return 0, &failure{"bad-tensors", err}
		}
		return 0, nil
	})
}

//go:wasmexport bedside_close
func closeModel(handle int32) int32 {
	return answer(func() (int32, error) {
		_, err := find(handle)
		delete(instance.models, handle)
		pace()
		return 0, err
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
		result, err := m.ready.Classify(unsafe.String(unsafe.SliceData(note), len(note)), options)
		if err != nil {
			return 0, coded(err)
		}
		job := newHandle()
		instance.jobs[job] = result
		return job, nil
	})
}

//go:wasmexport bedside_finish
func finish(job int32) int32 {
	return answer(func() (int32, error) {
		result, ok := instance.jobs[job]
		if !ok {
			return 0, &failure{"bad-handle", fmt.Errorf("no job %d", job)}
		}
		delete(instance.jobs, job)
		instance.output = classify.AppendJSON(instance.output, result)
		return 0, nil
	})
}

//go:wasmexport bedside_cancel
func cancel(job int32) int32 {
	return answer(func() (int32, error) {
		if _, ok := instance.jobs[job]; !ok {
			return 0, &failure{"bad-handle", fmt.Errorf("no job %d", job)}
		}
		delete(instance.jobs, job)
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
		if instance.models[instance.next] == nil && instance.jobs[instance.next] == nil {
			return instance.next
		}
	}
}

func address(b []byte) int32 { return int32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
