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
