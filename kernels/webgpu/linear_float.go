package webgpu

import "bedside/kernels"

// What a workgroup of linear_float.wgsl makes.
const (
	linearFloatRows    = 16
	linearFloatOutputs = 128
)

// linearFloatPipelines is what heads need, which stay in float32.
func linearFloatPipelines(Limits) []Pipeline { return []Pipeline{linearFloatPipeline(addNothing)} }

func linearFloatPipeline(added uint32) Pipeline {
	return Pipeline{"linear_float", []Constant{{"added", added}}}
}

func (r *recording) linearFloat(o kernels.LinearFloat) error {
	added, residual := r.residual(o.Residual, o.Out)
	r.dispatch(linearFloatPipeline(added), [3]int{cover(o.Out.Columns, linearFloatOutputs), groups(o.Out.Rows, linearFloatRows), 1},
		[]uint32{uint32(o.Out.Rows), uint32(o.Weights.In), uint32(o.Weights.Out)},
		o.In.Buffer, o.Weights.Weights, o.Bias, o.Out.Buffer, residual)
	return nil
}
