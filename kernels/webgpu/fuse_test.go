package webgpu

import (
	"testing"

	"bedside/kernels"
)

// TestQuantizedAtOnce: only what nobody else reads is left unmade.
func TestQuantizedAtOnce(t *testing.T) {
	at := func(address uint32) kernels.Buffer { return kernels.Buffer{Address: address, Bytes: 4096} }
	in := kernels.Matrix{Buffer: at(4096), Rows: 2, Columns: 16}
	q := kernels.Quantized{Buffer: at(8192), Rows: 2, Columns: 16}
	out := kernels.Matrix{Buffer: at(12288), Rows: 2, Columns: 8}
	quantize, linear := kernels.Quantize{In: in, Out: q}, kernels.Linear{In: q, Out: out}
	activated := kernels.Quantize{In: in, Activation: kernels.GELU, Out: q}
	wide := kernels.Quantize{In: kernels.Matrix{Buffer: in.Buffer, Rows: 1, Columns: mostAtOnce + 1}, Out: q}
	onto := kernels.Linear{In: q, Out: kernels.Matrix{Buffer: in.Buffer, Rows: 2, Columns: 8}}
	over := kernels.Normalize{In: in, Out: in, Quantized: kernels.Quantized{Buffer: q.Buffer, Rows: 2, Columns: 8}}
	for _, c := range []struct {
		name   string
		op     kernels.Quantize
		rest   []kernels.Op
		packed bool
		atOnce bool
	}{
		{"overwritten", quantize, []kernels.Op{linear, kernels.Activate{InOut: in}, over}, true, true},
		{"overwritten by its like", quantize, []kernels.Op{linear, activated}, true, true},
		{"never overwritten", quantize, []kernels.Op{linear, kernels.Activate{InOut: in}}, true, false},
		{"read again", quantize, []kernels.Op{linear, linear, over}, true, false},
		{"not followed", quantize, []kernels.Op{over, linear, over}, true, false},
		{"last", quantize, nil, true, false},
		{"activated", activated, []kernels.Op{linear, over}, true, false},
		{"too wide", wide, []kernels.Op{linear, over}, true, false},
		{"in place", quantize, []kernels.Op{onto, over}, true, false},
		{"unpacked", quantize, []kernels.Op{linear, over}, false, false},
	} {
		r := &recording{device: &Device{limits: Limits{Packed: c.packed}}}
		if _, ok := r.quantizedAtOnce(c.op, c.rest); ok != c.atOnce {
			t.Errorf("%s: %v", c.name, ok)
		}
	}
}

// TestQuantizedByAttention: all rows are quantized, and no others.
func TestQuantizedByAttention(t *testing.T) {
	at := func(address uint32) kernels.Buffer { return kernels.Buffer{Address: address, Bytes: 4096} }
	out := kernels.Matrix{Buffer: at(4096), Rows: 5, Columns: 16}
	attention := kernels.Attention{QKV: kernels.Matrix{Buffer: at(8192), Rows: 5, Columns: 48}, Heads: 1, Out: out}
	quantize := kernels.Quantize{In: out, Out: kernels.Quantized{Buffer: at(12288), Rows: 5, Columns: 16}}
	activated, over, other := quantize, quantize, quantize
	activated.Activation, over.Out.Buffer, other.In.Buffer = kernels.GELU, at(8192), at(16384)
	whole := []kernels.Sequence{{Rows: 2, Keys: 2}, {First: 2, Rows: 3, Keys: 1}}
	for _, c := range []struct {
		name      string
		sequences []kernels.Sequence
		rest      []kernels.Op
		quads     bool
		at        bool
	}{
		{"all rows", whole, []kernels.Op{quantize}, true, true},
		{"first rows", []kernels.Sequence{{Rows: 1, Keys: 2}, {First: 2, Rows: 1, Keys: 3}}, []kernels.Op{quantize}, true, false},
		{"a row lacking", whole[:1], []kernels.Op{quantize}, true, false},
		{"none", nil, []kernels.Op{quantize}, true, false},
		{"activated", whole, []kernels.Op{activated}, true, false},
		{"onto what it reads", whole, []kernels.Op{over}, true, false},
		{"of something else", whole, []kernels.Op{other}, true, false},
		{"not followed", whole, []kernels.Op{kernels.Activate{InOut: out}, quantize}, true, false},
		{"last", whole, nil, true, false},
		{"another shader", whole, []kernels.Op{quantize}, false, false},
	} {
		attention.Sequences = c.sequences
		r := &recording{device: &Device{limits: Limits{Quads: c.quads}}}
		if _, ok := r.quantizedByAttention(attention, c.rest); ok != c.at {
			t.Errorf("%s: %v", c.name, ok)
		}
	}
}
