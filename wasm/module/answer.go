//go:build wasip1

package main

import (
	"errors"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/wasm/classify"
	"bedside/wasm/encoder"
	"bedside/weights"
	"bedside/weights/jsontext"
)

// failure is an error with a code of ABI.md.
type failure struct {
	code string
	error
}

func (f *failure) Unwrap() error { return f.error }

func coded(err error) error {
	switch {
	case errors.Is(err, classify.ErrEmptyNote):
		return &failure{"empty-note", err}
	case errors.Is(err, classify.ErrNoteTooLarge):
		return &failure{"note-too-large", err}
	case errors.Is(err, classify.ErrOptions):
		return &failure{"bad-options", err}
	case errors.Is(err, encoder.ErrNotFinite):
		return &failure{"bad-tensors", err}
	case errors.Is(err, kernels.ErrMemory):
		return &failure{"out-of-memory", err}
	case errors.Is(err, kernels.ErrLost):
		return &failure{"device-lost", err}
	}
	return err
}

// maxKept bounds the output's memory that the next call uses again.
const maxKept = 1 << 20

// answer runs an exported function's body and turns an error, or a panic, into the
// negative answer and output that ABI.md promises. A panic's text is withheld: it
// could quote what was being read.
func answer(body func() (int32, error)) (status int32) {
	instance.output = instance.output[:0]
	if cap(instance.output) > maxKept {
		instance.output = nil
	}
	defer func() {
		if recover() != nil {
			status = fail(&failure{"internal", errors.New("a defect in the module; discard this instance")})
		}
	}()
	status, err := body()
	if err != nil {
		return fail(err)
	}
	return status
}

func fail(err error) int32 {
	code := "internal"
	if f := (*failure)(nil); errors.As(err, &f) {
		code = f.code
	}
	out := jsontext.AppendString(append(instance.output[:0], `{"error":{"code":`...), code)
	out = jsontext.AppendString(append(out, `,"message":`...), err.Error())
	instance.output = append(out, "}}"...)
	return -1
}

// appendPlan appends the load plan.
func appendPlan(dst []byte, handle int32, manifest *weights.Manifest, m *model) []byte {
	dst = jsontext.AppendInt(append(dst, `{"model":`...), handle)
	dst = jsontext.AppendInt(append(dst, `,"bytes":`...), manifest.StreamBytes())
	dst = append(dst, `,"shards":[`...)
	plan := manifest.Plan()
	for i, s := range manifest.Shards {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `{"file":`...), s.File)
		dst = jsontext.AppendInt(append(dst, `,"size":`...), s.Size)
		dst = jsontext.AppendString(append(dst, `,"sha256":`...), s.SHA256)
		segments := 0
		for segments < len(plan) && plan[segments].Shard == i {
			segments++
		}
		dst = jsontext.AppendList(append(dst, `,"segments":`...), plan[:segments], func(dst []byte, s weights.Segment) []byte {
			dst = jsontext.AppendInt(append(dst, `{"offset":`...), s.ShardOffset)
			dst = jsontext.AppendInt(append(dst, `,"length":`...), s.Length)
			to, at := m.destination(s)
			dst = jsontext.AppendString(append(dst, `,"to":`...), to)
			dst = jsontext.AppendInt(append(dst, `,"address":`...), at)
			return append(dst, '}')
		})
		dst = append(dst, '}')
		plan = plan[segments:]
	}
	return append(dst, "]}"...)
}

// destination is where a segment's bytes go: which memory, and where in it. It holds until
// the device allocates again, which is not before bedside_ready.
func (m *model) destination(s weights.Segment) (to string, at uint32) {
	if memory := m.loading.Memory(s); memory != nil {
		return "memory", uint32(address(memory))
	}
	buffer := m.loading.Buffer(s)
	if own, ok := m.device.(*reference.Device); ok {
		return "memory", uint32(address(own.View(buffer)))
	}
	return "device", buffer.Address
}

// appendProgress appends how far a job is, and how many tokens an encoder's note has.
func appendProgress(dst []byte, j *classify.Job) []byte {
	done, total := j.Progress()
	dst = jsontext.AppendInt(append(dst, `{"done":`...), done)
	dst = jsontext.AppendInt(append(dst, `,"of":`...), total)
	dst = jsontext.AppendInt(append(dst, `,"tokens":`...), j.Tokens())
	if j.Pending() {
		dst = append(dst, `,"pending":true`...)
	}
	return append(dst, '}')
}
