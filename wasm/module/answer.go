//go:build wasip1

package main

import (
	"encoding/json"
	"errors"

	"bedside/wasm/classify"
	"bedside/weights"
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

// answer runs an exported function's body and turns an error, or a panic, into the
// negative answer and output that ABI.md promises. A panic's text is withheld: it
// could quote what was being read.
func answer(body func() (int32, error)) (status int32) {
	instance.output = nil
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
	type body struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	instance.output, _ = json.Marshal(map[string]body{"error": {code, err.Error()}})
	return -1
}

func put(v any) (err error) {
	instance.output, err = json.Marshal(v)
	return err
}

type plan struct {
	Model  int32       `json:"model"`
	Bytes  int64       `json:"bytes"`
	Shards []planShard `json:"shards"`
}

type planShard struct {
	weights.Shard
	Segments []planSegment `json:"segments"`
}

type planSegment struct {
	Offset  int64  `json:"offset"`
	Length  int64  `json:"length"`
	To      string `json:"to"`
	Address uint32 `json:"address"`
}

func loadPlan(handle int32, m *weights.Manifest, tensors weights.Tensors) plan {
	p := plan{Model: handle, Bytes: m.StreamBytes()}
	for _, s := range m.Shards {
		p.Shards = append(p.Shards, planShard{Shard: s})
	}
	for _, s := range m.Plan() {
		shard := &p.Shards[s.Shard]
		shard.Segments = append(shard.Segments,
			planSegment{s.ShardOffset, s.Length, "memory", uint32(address(tensors.At(s)))})
	}
	return p
}
