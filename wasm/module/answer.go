//go:build wasip1

package main

import (
	"errors"

	"bedside/wasm/classify"
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
func appendPlan(dst []byte, handle int32, m *weights.Manifest, tensors weights.Tensors) []byte {
	dst = jsontext.AppendInt(append(dst, `{"model":`...), handle)
	dst = jsontext.AppendInt(append(dst, `,"bytes":`...), m.StreamBytes())
	dst = append(dst, `,"shards":[`...)
	plan := m.Plan()
	for i, s := range m.Shards {
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
			dst = jsontext.AppendInt(append(dst, `,"to":"memory","address":`...), uint32(address(tensors.At(s))))
			return append(dst, '}')
		})
		dst = append(dst, '}')
		plan = plan[segments:]
	}
	return append(dst, "]}"...)
}
