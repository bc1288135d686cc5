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
	words, positions, types := r.tablePieces(o.Tokens, o.Word), r.tablePieces(o.Places, o.Positions), r.tablePieces(o.Kinds, o.Types)
	for i := range max(len(words), len(positions)) {
		r.add(o.Out, one(i > 0), at(words, i), at(positions, i))
	}
	for _, t := range types {
		r.add(o.Out, 1, t, tablePiece{})
	}
	return r.normalize(kernels.Normalize{In: o.Out, Norm: o.Norm, Out: o.Out})
}

// tablePiece is what one binding holds of a table: elements from begin on.
type tablePiece struct {
	ids, values, scales kernels.Buffer
	begin, count        uint32
}

func (r *recording) tablePieces(ids kernels.Buffer, t kernels.Table) (pieces []tablePiece) {
	width := uint32(1)
	if t.Scales.Bytes == 0 {
		width = 4
	}
	for begin, values := range r.device.pieces(t.Values) {
		pieces = append(pieces, tablePiece{ids, values, t.Scales, begin / width, values.Bytes / width})
	}
	return pieces
}

// at is the i-th piece, or none.
func at(pieces []tablePiece, i int) tablePiece {
	if i < len(pieces) {
		return pieces[i]
	}
	return tablePiece{}
}

func (r *recording) add(out kernels.Matrix, onto uint32, first, second tablePiece) {
	if first.count == 0 {
		first, second = second, first
	}
	r.dispatch(embedPipeline(first.kind(), second.kind(), onto), [3]int{cover(out.Columns, 64), groups(out.Rows, 4), 1},
		[]uint32{uint32(out.Rows), uint32(out.Columns), first.begin, first.count, second.begin, second.count},
		out.Buffer, first.ids, first.values, r.or(first.scales, 0), r.or(second.ids, 1), r.or(second.values, 2), r.or(second.scales, 3))
}

func (t tablePiece) kind() uint32 {
	switch {
	case t.count == 0:
		return tableAbsent
	case t.scales.Bytes == 0:
		return tableFloat
	}
	return tableInt8
}
