package webgpu

import "bedside/kernels"

// Kinds of a table in embed.wgsl.
const (
	tableInt8 = iota
	tableFloat
	tableAbsent
)

func embedPipelines(Limits) []Pipeline {
	return []Pipeline{embedPipeline(tableInt8, tableInt8, 0), embedPipeline(tableInt8, tableAbsent, 1)}
}

func embedPipeline(first, second, onto uint32) Pipeline {
	return Pipeline{"embed", []Constant{{"first", first}, {"second", second}, {"onto", onto}}}
}

// embed adds words and positions, then types, and normalizes the sum in place: a shader may not have the
// bindings of all three tables.
func (r *recording) embed(o kernels.Embed) error {
	r.add(o.Out, 0, o.Tokens, o.Word, o.Places, o.Positions)
	r.add(o.Out, 1, o.Kinds, o.Types, kernels.Buffer{}, kernels.Table{})
	return r.normalize(kernels.Normalize{In: o.Out, Norm: o.Norm, Out: o.Out})
}

func (r *recording) add(out kernels.Matrix, onto uint32, ids kernels.Buffer, table kernels.Table, others kernels.Buffer, other kernels.Table) {
	p := embedPipeline(kindOf(table), kindOf(other), onto)
	r.dispatch(p, [3]int{cover(out.Columns, 64), groups(out.Rows, 4), 1}, []uint32{uint32(out.Rows), uint32(out.Columns)},
		out.Buffer, ids, table.Values, r.or(table.Scales, 0), r.or(others, 1), r.or(other.Values, 2), r.or(other.Scales, 3))
}

func kindOf(t kernels.Table) uint32 {
	switch {
	case t.Values.Bytes == 0:
		return tableAbsent
	case t.Scales.Bytes == 0:
		return tableFloat
	}
	return tableInt8
}
