package webgpu

import "slices"

// wanted are the pipelines that encoders in int8 use: hosts begin with them before the first program comes. Others
// are compiled when they are.
func (d *Device) wanted() []Pipeline {
	var all []Pipeline
	for _, of := range []func(Limits) []Pipeline{embedPipelines, normalizePipelines, quantizePipelines, linearPipelines,
		linearFloatPipelines, attentionPipelines, activatePipelines, poolPipelines} {
		all = slices.Concat(all, of(d.limits))
	}
	return all
}
