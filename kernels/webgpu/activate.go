package webgpu

import "bedside/kernels"

// activatePipelines is what poolers need; models apply other activations as they quantize.
func activatePipelines(Limits) []Pipeline { return []Pipeline{activatePipeline(kernels.Tanh)} }

func activatePipeline(a kernels.Activation) Pipeline {
	return Pipeline{"activate+activation", []Constant{{"activation", uint32(a)}}}
}

func (r *recording) activate(o kernels.Activate) error {
	if o.Activation == kernels.Identity {
		return nil
	}
	m := o.InOut
	r.dispatch(activatePipeline(o.Activation), [3]int{cover(m.Columns, 64), groups(m.Rows, 4), 1},
		[]uint32{uint32(m.Rows), uint32(m.Columns)}, m.Buffer)
	return nil
}
