package webgpu

import "bedside/kernels"

// Rows of a workgroup, and what it shares, of the two ways of normalize.wgsl.
const (
	sharedRows   = 2
	aloneRows    = 4
	sharedMemory = 8 * 16 * sharedRows
)

// What normalize.wgsl quantizes.
const (
	normalizeFloats = iota
	normalizeQuantized
	normalizeMultiplied
)

func normalizePipelines(l Limits) []Pipeline {
	p, _ := normalizePipeline(l, 1)
	return []Pipeline{p}
}

// normalizePipeline is the shader, and the rows of a workgroup.
func normalizePipeline(l Limits, inPlace uint32) (p Pipeline, rows int) {
	shader, rows := "normalize+normalize_shared+quantization", sharedRows
	if l.Workgroup < sharedMemory {
		shader, rows = "normalize+normalize_alone+quantization", aloneRows
	}
	return Pipeline{shader, []Constant{{"in_place", inPlace}}}, rows
}

func (r *recording) normalize(o kernels.Normalize) error {
	inPlace, quantizes := uint32(0), uint32(normalizeFloats)
	out := o.Out.Buffer
	if out.Address == o.In.Address {
		inPlace, out = 1, r.device.nothing[0]
	}
	values, scales := r.device.nothing[1], r.device.nothing[2]
	if o.Quantized.Bytes != 0 {
		values, scales = r.device.quantized(o.Quantized)
		quantizes = normalizeQuantized
		if o.Multiplier.Bytes != 0 {
			quantizes = normalizeMultiplied
		}
	}
	p, rows := normalizePipeline(r.device.limits, inPlace)
	r.dispatch(p, [3]int{groups(o.In.Rows, rows), 1, 1},
		[]uint32{uint32(o.In.Rows), uint32(o.In.Columns), bits(o.Norm.Epsilon), quantizes},
		o.In.Buffer, o.Norm.Gamma, o.Norm.Beta, out, r.or(o.Multiplier, 3), values, scales)
	return nil
}
