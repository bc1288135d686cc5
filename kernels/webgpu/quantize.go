package webgpu

import "bedside/kernels"

// Rows of a workgroup of quantize.wgsl, and what it shares.
const (
	quantizeRows   = 4
	quantizeMemory = 8 * 16 * quantizeRows
)

func quantizePipelines(l Limits) []Pipeline {
	return []Pipeline{quantizePipeline(l, kernels.Identity, true), quantizePipeline(l, kernels.GELU, true)}
}

func quantizePipeline(l Limits, activation kernels.Activation, multiplied bool) Pipeline {
	shader := "quantize+quantize_shared+activation+quantization"
	if l.Workgroup < quantizeMemory {
		shader = "quantize+quantize_alone+activation+quantization"
	}
	return Pipeline{shader, []Constant{{"activation", uint32(activation)}, {"multiplied", one(multiplied)}}}
}

func (r *recording) quantize(o kernels.Quantize) error {
	values, scales := r.device.quantized(o.Out)
	r.dispatch(quantizePipeline(r.device.limits, o.Activation, o.Multiplier.Bytes != 0), [3]int{groups(o.In.Rows, quantizeRows), 1, 1},
		[]uint32{uint32(o.In.Rows), uint32(o.In.Columns)}, o.In.Buffer, r.or(o.Multiplier, 0), values, scales)
	return nil
}

func one(yes bool) uint32 {
	if yes {
		return 1
	}
	return 0
}
