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
	for first, n := range r.device.outputs(o.Weights.Weights, o.Weights.Out, 4*kernels.PanelWidth*o.Weights.In) {
		r.dispatch(linearFloatPipeline(added), [3]int{cover(n, linearFloatOutputs), groups(o.Out.Rows, linearFloatRows), 1},
			[]uint32{uint32(o.Out.Rows), uint32(o.Weights.In), uint32(n), uint32(o.Out.Columns)},
			o.In.Buffer, panels(o.Weights.Weights, 4*o.Weights.In, first, n), panels(o.Bias, 4, first, n), behind(o.Out.Buffer, first), r.residualBehind(residual, first))
	}
	return nil
}
