package webgpu

import "bedside/kernels"

// quantizeRows are those of a workgroup of quantize.wgsl.
const quantizeRows = 4

func quantizePipelines(Limits) []Pipeline {
	return []Pipeline{quantizePipeline(kernels.Identity, true), quantizePipeline(kernels.GELU, true)}
}

func quantizePipeline(activation kernels.Activation, multiplied bool) Pipeline {
	return Pipeline{"quantize+activation+quantization", []Constant{{"activation", uint32(activation)}, {"multiplied", one(multiplied)}}}
}

func (r *recording) quantize(o kernels.Quantize) error {
	values, scales := r.device.quantized(o.Out)
	r.dispatch(quantizePipeline(o.Activation, o.Multiplier.Bytes != 0), [3]int{groups(o.In.Rows, quantizeRows), 1, 1},
		[]uint32{uint32(o.In.Rows), uint32(o.In.Columns)}, o.In.Buffer, r.or(o.Multiplier, 0), values, scales)
	return nil
}

func one(yes bool) uint32 {
	if yes {
		return 1
	}
	return 0
}
