package webgpu

import "slices"

// wanted are the pipelines that models use: hosts begin with them before the first program comes.
func (d *Device) wanted() []Pipeline {
	var all []Pipeline
	for _, of := range []func(Limits) []Pipeline{embedPipelines, normalizePipelines, quantizePipelines, linearPipelines,
		linearFloatPipelines, attentionPipelines, activatePipelines, poolPipelines, widenPipelines} {
		all = slices.Concat(all, of(d.limits))
	}
	return all
}
