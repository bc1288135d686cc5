package webgpu

import "bedside/kernels"

// What a workgroup of linear_packed.wgsl, of linear_unpacked.wgsl and of linear_quads.wgsl makes.
const (
	packedRows      = 16
	packedOutputs   = 64
	unpackedRows    = 32
	unpackedOutputs = 128
	quadRows        = 32
	quadOutputs     = 8
)

// mostAtOnce is the inputs that linear_quantize.wgsl has room for.
const mostAtOnce = 768

// How a residual is added.
const (
	addNothing = iota
	addOut
	addOther
)

// How the input is had.
const (
	given = iota
	quantizing
	quantizingMultiplied
)

func linearPipelines(l Limits) []Pipeline {
	pipelines := []Pipeline{linearPipeline(l, given)}
	if l.Packed && !l.quads() { // else attention quantizes what is read once
		pipelines = append(pipelines, linearPipeline(l, quantizingMultiplied))
	}
	return pipelines
}

func linearPipeline(l Limits, input int) Pipeline {
	shader := "linear_unpacked+linear+bytes"
	switch {
	case l.Packed:
		shader = "linear_packed+linear"
	case l.quads():
		return Pipeline{Shader: "linear_quads+linear+bytes"}
	}
	if input == given {
		return Pipeline{Shader: shader + "+linear_given"}
	}
	return Pipeline{shader + "+linear_quantize+quantization", []Constant{{"multiplied", one(input == quantizingMultiplied)}}}
}

// linear multiplies o.In, or where quantize is present what it would make of its input.
func (r *recording) linear(o kernels.Linear, quantize *kernels.Quantize) error {
	input, rows, outputs := given, unpackedRows, unpackedOutputs
	switch {
	case r.device.limits.Packed:
		rows, outputs = packedRows, packedOutputs
	case r.device.limits.quads():
		rows, outputs = quadRows, quadOutputs
	}
	values, scales := r.device.quantized(o.In)
	if quantize != nil {
		input, values, scales = quantizing, quantize.In.Buffer, r.or(quantize.Multiplier, 0)
		if quantize.Multiplier.Bytes != 0 {
			input = quantizingMultiplied
		}
	}
	added, residual := r.residual(o.Residual, o.Out)
	vectors := cover(o.Weights.In, kernels.PackedDepth)
	for first, n := range r.device.outputs(o.Weights.Weights, o.Weights.Out, kernels.PanelWidth*kernels.PackedDepth*vectors) {
		r.dispatch(linearPipeline(r.device.limits, input), [3]int{cover(n, outputs), groups(o.Out.Rows, rows), 1},
			[]uint32{uint32(o.Out.Rows), uint32(o.Weights.In), uint32(n), uint32(vectors), uint32(o.Out.Columns), added},
			values, scales, panels(o.Weights.Weights, kernels.PackedDepth*vectors, first, n), panels(o.Weights.Scales, 4, first, n),
			panels(o.Weights.Sums, 4, first, n), panels(o.Bias, 4, first, n), behind(o.Out.Buffer, first), r.residualBehind(residual, first))
	}
	return nil
}

// residual is how one is added to out, and what is bound as it.
func (r *recording) residual(residual, out kernels.Matrix) (uint32, kernels.Buffer) {
	switch {
	case residual.Bytes == 0:
		return addNothing, r.device.nothing[absent-1]
	case residual.Address == out.Address:
		return addOut, r.device.nothing[absent-1]
	}
	return addOther, residual.Buffer
}

// residualBehind is what is bound as a residual of outputs from first on.
func (r *recording) residualBehind(residual kernels.Buffer, first int) kernels.Buffer {
	if residual == r.device.nothing[absent-1] {
		return residual
	}
	return behind(residual, first)
}

// quantizedAtOnce is the linear layer behind o, where it can do o's work: it alone reads what o would make,
// since a later operation of the program overwrites that first. Without packed dots a workgroup
// computes for so long that the pass saved does not show, and compilers take long over its registers.
func (r *recording) quantizedAtOnce(o kernels.Quantize, rest []kernels.Op) (kernels.Linear, bool) {
	if len(rest) == 0 || !r.device.limits.Packed {
		return kernels.Linear{}, false
	}
	l, ok := rest[0].(kernels.Linear)
	if !ok || l.In != o.Out || o.Activation != kernels.Identity || o.In.Columns > mostAtOnce || overlap(o.In.Buffer, l.Out.Buffer) {
		return kernels.Linear{}, false
	}
	for _, op := range rest[1:] {
		reads, writes := quantizedOperands(op)
		switch {
		case overlap(reads, o.Out.Buffer):
			return kernels.Linear{}, false
		case writes == o.Out.Buffer:
			return l, true
		}
	}
	return kernels.Linear{}, false
}

// quantizedOperands are the quantized activations that an operation reads and writes.
func quantizedOperands(op kernels.Op) (reads, writes kernels.Buffer) {
	switch o := op.(type) {
	case kernels.Linear:
		return o.In.Buffer, kernels.Buffer{}
	case kernels.Quantize:
		return kernels.Buffer{}, o.Out.Buffer
	case kernels.Normalize:
		return kernels.Buffer{}, o.Quantized.Buffer
	}
	return kernels.Buffer{}, kernels.Buffer{}
}

func overlap(a, b kernels.Buffer) bool {
	return a.Address < b.Address+b.Bytes && b.Address < a.Address+a.Bytes
}
