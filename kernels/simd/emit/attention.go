package emit

import (
	"math"

	"bedside/kernels"
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// Attention: a piece is a block of the queries of one head of one sequence. It packs the
// head's keys and values into scratch memory and takes its queries a tile at a time:
// scores, their softmax, and the sums of values. Scores are taken times log2(e), so that
// powers of two make the softmax.

// enoughPieces keep the threads busy: a sequence's queries divide into blocks of no fewer
// than simd.QueryBlock rows until there are so many, since each packs keys and values again.
const enoughPieces = 24

func (e *emitter) attention() kernel {
	packKeys, packValues := e.pack(true), e.pack(false)
	queries, softmax := e.queries(), e.softmax()
	scores, values := e.tiled(e.scoreTile), e.tiled(e.valueTile)

	f, record, piece, scratch := e.piece()
	at := e.find(f, record, piece)
	f.If(at.rows.Get(), func() {
		columns := Let(f, word(record, simd.Columns).Shl(2))
		stride := Let(f, columns.Get().Mul(Const(3)))
		size := Let(f, word(record, simd.Columns).DivU(word(record, simd.AttentionHeads)))
		offset := Let(f, at.head.Get().Mul(size.Get()).Shl(2))
		query := Let(f, word(record, simd.AttentionQKV).Add(offset.Get()).Add(at.first.Get().Mul(stride.Get())))
		depth := Let(f, eights(size.Get()))
		keys := Let(f, eights(at.keys.Get()))
		packed := layOut(f, scratch, depth, keys)
		f.Call(packKeys, query.Get().Add(columns.Get()), stride.Get(), at.keys.Get(), size.Get(),
			packed.keys.Get(), depth.Get().Shl(5), Const(256))
		f.Call(packValues, query.Get().Add(columns.Get().Shl(1)), stride.Get(), at.keys.Get(), size.Get(),
			packed.values.Get(), Const(256), keys.Get().Shl(5))

		query.Set(query.Get().Add(at.row.Get().Mul(stride.Get())))
		out := Let(f, word(record, simd.AttentionOut).Add(offset.Get()).
			Add(at.first.Get().Add(at.row.Get()).Mul(columns.Get())))
		scale := Let(f, float(record, simd.AttentionScale).Mul(ConstF32(math.Log2E)))
		e.eachTile(f, at.rows, func(rows Var[I32]) {
			f.Call(queries, query.Get(), stride.Get(), size.Get(), rows.Get(), scale.Get(), packed.queries.Get())
			call(f, scores, rows, packed.queries.Get(), packed.keys.Get(), depth.Get(), keys.Get(), packed.scores.Get(), packed.maxima.Get())
			f.Call(softmax, packed.scores.Get(), rows.Get(), at.keys.Get(), packed.maxima.Get(), packed.inverses.Get())
			call(f, values, rows, packed.scores.Get(), packed.values.Get(), keys.Get(), packed.inverses.Get(), size.Get(), columns.Get(), out.Get())
			query.Set(query.Get().Add(rows.Get().Mul(stride.Get())))
			out.Set(out.Get().Add(rows.Get().Mul(columns.Get())))
		})
	})
	return kernel{run: f, pieces: e.attentionPieces}
}

// packed is what lies in scratch memory. With n keys and d the head's size, both rounded up
// to multiples of 8, and R rows in a tile:
type packed struct {
	keys     Var[I32] // [n/8][d][8]
	values   Var[I32] // [d/8][n][8]
	queries  Var[I32] // [d/4][R][4], times the scale
	maxima   Var[I32] // [R][4], of a row's scores
	inverses Var[I32] // [R][4], of the sum of a row's weights
	scores   Var[I32] // [n/4][R][4], then weights, not yet divided
}

func layOut(f *Func, scratch, depth, keys Var[I32]) packed {
	end := Let(f, scratch.Get())
	next := func(bytes I32) Var[I32] {
		at := Let(f, end.Get())
		end.Set(end.Get().Add(bytes))
		return at
	}
	head := depth.Get().Mul(keys.Get()).Shl(2)
	return packed{
		keys: next(head), values: next(head),
		queries: next(depth.Get().Mul(Const(4 * simd.MaxTile))),
		maxima:  next(Const(16 * simd.MaxTile)), inverses: next(Const(16 * simd.MaxTile)),
		scores: end,
	}
}

// eachTile divides rows into tiles that differ by one row at most, and runs body for each.
func (e *emitter) eachTile(f *Func, rows Var[I32], body func(rows Var[I32])) {
	tiles := Let(f, ceil(rows.Get(), e.floatRows()))
	least := Let(f, rows.Get().DivU(tiles.Get()))
	larger := Let(f, rows.Get().RemU(tiles.Get()))
	tile, count := Local[I32](f), Local[I32](f)
	f.For(tile, tiles.Get(), 1, func() {
		count.Set(least.Get().Add(tile.Get().LtS(larger.Get())))
		body(count)
	})
}

// eights is n rounded up to a multiple of 8.
func eights(n I32) I32 { return n.Add(Const(7)).And(Const(-8)) }

// queryBlocks is the blocks that a sequence's rows divide into.
func (e *emitter) queryBlocks(record Var[I32], rows I32) I32 {
	if !e.Shared {
		return Const(1)
	}
	heads := word(record, simd.AttentionHeads).Mul(word(record, simd.AttentionCount))
	return ceil(rows, simd.QueryBlock).Min(Const(enoughPieces - 1).Add(heads).DivU(heads))
}

// sequences runs body for every sequence of a record, with the address of its table entry.
func sequences(f *Func, record Var[I32], body func(sequence Var[I32])) {
	sequence := Let(f, word(record, simd.AttentionSequences))
	i := Local[I32](f)
	f.For(i, word(record, simd.AttentionCount), 1, func() {
		body(sequence)
		sequence.Set(sequence.Get().Add(Const(4 * simd.SequenceWords)))
	})
}

// attentionPieces is never 0: without sequences, one piece does nothing.
func (e *emitter) attentionPieces(f *Func, record Var[I32]) I32 {
	blocks := Local[I32](f)
	sequences(f, record, func(s Var[I32]) {
		blocks.Set(blocks.Get().Add(e.queryBlocks(record, word(s, 1))))
	})
	return blocks.Get().Mul(word(record, simd.AttentionHeads)).Max(Const(1))
}

// found is what a piece is about: a sequence's first row and keys, a head, and a block of
// the sequence's rows.
type found struct{ first, keys, head, row, rows Var[I32] }

// find answers 0 rows where there is no such piece.
func (e *emitter) find(f *Func, record, piece Var[I32]) found {
	at := found{Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f)}
	blocks, pieces, left := Local[I32](f), Local[I32](f), Let(f, piece.Get())
	f.Block(func(end Label) {
		sequences(f, record, func(s Var[I32]) {
			blocks.Set(e.queryBlocks(record, word(s, 1)))
			pieces.Set(blocks.Get().Mul(word(record, simd.AttentionHeads)))
			f.If(left.Get().LtU(pieces.Get()), func() {
				at.first.Set(word(s, 0))
				at.rows.Set(word(s, 1))
				at.keys.Set(word(s, 2))
				at.head.Set(left.Get().DivU(blocks.Get()))
				size := Let(f, at.rows.Get().Add(blocks.Get()).Sub(Const(1)).DivU(blocks.Get()))
				at.row.Set(left.Get().RemU(blocks.Get()).Mul(size.Get()))
				at.rows.Set(at.rows.Get().Sub(at.row.Get()).Min(size.Get()))
				end.Branch()
			})
			left.Set(left.Get().Sub(pieces.Get()))
		})
	})
	return at
}

// pack copies rows × columns floats into blocks of 8 × 8, rows below each other or,
// transposed, beside each other. Parameters: address, bytes from row to row, rows, columns,
// where to, bytes from a block to the next in rows and in columns.
func (e *emitter) pack(transposed bool) *Func {
	f := e.Func()
	from, stride, rows, columns := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	to, rowStep, columnStep := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	source, target, left, column := Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f)
	f.Loop(func(again Label) {
		source.Set(from.Get())
		target.Set(to.Get())
		column.Set(Const(0))
		f.For(column, columns.Get(), 8, func() {
			left.Set(columns.Get().Sub(column.Get()))
			f.IfElse(left.Get().GeS(Const(8)).And(rows.Get().GeS(Const(8))), func() {
				if transposed {
					transpose(f, source, stride, target)
				} else {
					straight(f, source, stride, target)
				}
			}, func() {
				corner(f, source, stride, rows, left, target, transposed)
			})
			source.Set(source.Get().Add(Const(32)))
			target.Set(target.Get().Add(columnStep.Get()))
		})
		from.Set(from.Get().Add(stride.Get().Shl(3)))
		to.Set(to.Get().Add(rowStep.Get()))
		rows.Set(rows.Get().Sub(Const(8)))
		again.BranchIf(rows.Get().GtS(Const(0)))
	})
	return f
}

// straight copies 8 rows of 8 floats.
func straight(f *Func, from, stride, to Var[I32]) {
	row := Let(f, from.Get())
	for r := range uint32(8) {
		Store(f, to.Get(), 32*r, Load[F32x4](row.Get(), 0))
		Store(f, to.Get(), 32*r+16, Load[F32x4](row.Get(), 16))
		row.Set(row.Get().Add(stride.Get()))
	}
}

// transpose copies 8 rows of 8 floats as columns, 4 × 4 at a time.
func transpose(f *Func, from, stride, to Var[I32]) {
	row := Local[I32](f)
	v, pairs := Locals[F32x4](f, 4), Locals[F32x4](f, 4)
	for half := range uint32(2) {
		row.Set(from.Get())
		for below := range uint32(2) {
			for i := range v {
				v[i].Set(Load[F32x4](row.Get(), 16*half))
				row.Set(row.Get().Add(stride.Get()))
			}
			for i := range 2 {
				pairs[2*i].Set(v[2*i].Get().Shuffle(v[2*i+1].Get(), [4]byte{0, 4, 1, 5}))
				pairs[2*i+1].Set(v[2*i].Get().Shuffle(v[2*i+1].Get(), [4]byte{2, 6, 3, 7}))
			}
			for i := range uint32(2) {
				at := 128*half + 64*i + 16*below
				Store(f, to.Get(), at, pairs[i].Get().Shuffle(pairs[i+2].Get(), [4]byte{0, 1, 4, 5}))
				Store(f, to.Get(), at+32, pairs[i].Get().Shuffle(pairs[i+2].Get(), [4]byte{2, 3, 6, 7}))
			}
		}
	}
}

// corner copies what there is of 8 × 8 floats, one by one. Rows that are not there repeat
// the last one, so that no score exceeds the greatest; columns that are not there are 0.
func corner(f *Func, from, stride, rows, columns, to Var[I32], transposed bool) {
	below, beside := int32(32), int32(4)
	if transposed {
		below, beside = beside, below
	}
	row, r, c := Let(f, from.Get()), Local[I32](f), Local[I32](f)
	x, at := Local[F32](f), Local[I32](f)
	r.Set(Const(0))
	f.For(r, Const(8), 1, func() {
		c.Set(Const(0))
		f.For(c, Const(8), 1, func() {
			x.Set(ConstF32(0))
			f.If(c.Get().LtS(columns.Get()), func() { x.Set(LoadF32(row.Get().Add(c.Get().Shl(2)), 0)) })
			at.Set(to.Get().Add(r.Get().Mul(Const(below))).Add(c.Get().Mul(Const(beside))))
			f.StoreF32(at.Get(), 0, x.Get())
		})
		f.If(r.Get().Add(Const(1)).LtS(rows.Get()), func() { row.Set(row.Get().Add(stride.Get())) })
	})
}

// queries packs a tile of queries. Parameters: address, bytes from row to row, size, rows, the
// scale (f32), where to.
func (e *emitter) queries() *Func {
	f := e.Func()
	from, stride, size, rows := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	scale, to := Parameter[F32](f), Parameter[I32](f)
	scales := Let(f, SplatF32(scale.Get()))
	step := Let(f, rows.Get().Shl(4))
	r, c, source, target := Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f)
	x := Local[F32](f)
	f.For(r, rows.Get(), 1, func() {
		source.Set(from.Get())
		target.Set(to.Get().Add(r.Get().Shl(4)))
		c.Set(Const(0))
		f.For(c, size.Get().And(Const(-4)), 4, func() {
			Store(f, target.Get(), 0, Load[F32x4](source.Get(), 0).Mul(scales.Get()))
			source.Set(source.Get().Add(Const(16)))
			target.Set(target.Get().Add(step.Get()))
		})
		// what is left of four, and zeros up to a multiple of 8
		f.For(c, eights(size.Get()), 1, func() {
			x.Set(ConstF32(0))
			f.If(c.Get().LtS(size.Get()), func() {
				x.Set(LoadF32(source.Get(), 0).Mul(scale.Get()))
				source.Set(source.Get().Add(Const(4)))
			})
			f.StoreF32(target.Get().Add(c.Get().And(Const(3)).Shl(2)), 0, x.Get())
			f.If(c.Get().And(Const(3)).Eq(Const(3)), func() { target.Set(target.Get().Add(step.Get())) })
		})
		from.Set(from.Get().Add(stride.Get()))
	})
	return f
}

// scoreTile multiplies a tile of queries with all keys. Parameters: queries, keys, size and
// number of keys rounded up, where the scores go, and where the greatest of each row,
// [R][4]: of its keys 0, 4, 8 and so on, of its keys 1, 5, 9 and so on, ...
func (e *emitter) scoreTile(rows int) *Func {
	f := e.Func()
	queries, b, size, keys := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	scores, maxima := Parameter[I32](f), Parameter[I32](f)
	t := e.floatTile(f, rows)
	a, end := Local[I32](f), Local[I32](f)
	for r := range rows {
		Store(f, maxima.Get(), uint32(16*r), SplatI32(Const(minusInfinity)))
	}
	f.Loop(func(again Label) {
		t.each(func(int, int) F32x4 { return ConstF32x4(0) })
		a.Set(queries.Get())
		end.Set(b.Get().Add(size.Get().Shl(5)))
		t.panel(a, b, end)
		for r, s := range t.sums {
			greatest := Load[F32x4](maxima.Get(), uint32(16*r))
			for half := range 2 {
				Store(f, scores.Get(), uint32(16*(half*rows+r)), s[half].Get())
				greatest = greatest.PMax(s[half].Get())
			}
			Store(f, maxima.Get(), uint32(16*r), greatest)
		}
		scores.Set(scores.Get().Add(Const(int32(32 * rows))))
		keys.Set(keys.Get().Sub(Const(8)))
		again.BranchIf(keys.Get())
	})
	return f
}

// valueTile sums values by the weights of a tile of rows and divides. Parameters: weights,
// values, number of keys rounded up, inverses, columns, bytes from row to row of what
// comes out, and where it goes.
func (e *emitter) valueTile(rows int) *Func {
	f := e.Func()
	weights, b, keys, inverses := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	columns, stride, out := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	t := e.floatTile(f, rows)
	a, end, to := Local[I32](f), Local[I32](f), Local[I32](f)
	f.Loop(func(again Label) {
		t.each(func(int, int) F32x4 { return ConstF32x4(0) })
		a.Set(weights.Get())
		end.Set(b.Get().Add(keys.Get().Shl(5)))
		t.panel(a, b, end)
		t.each(func(r, half int) F32x4 {
			return t.sums[r][half].Get().Mul(Load[F32x4](inverses.Get(), uint32(16*r)))
		})
		to.Set(out.Get())
		t.store(to, stride, columns)
		out.Set(out.Get().Add(Const(4 * kernels.PanelWidth)))
		columns.Set(columns.Get().Sub(Const(kernels.PanelWidth)))
		again.BranchIf(columns.Get().GtS(Const(0)))
	})
	return f
}

const minusInfinity = -1 << 23 // the bits of a float

// softmax replaces scores by their powers of two, divided by that of the row's greatest and
// 0 where there is no key, and writes the inverse of each row's sum, four times. Parameters:
// scores, rows, keys, the greatest scores of each row, inverses.
func (e *emitter) softmax() *Func {
	f := e.Func()
	scores, rows, keys, maxima, inverses := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	x := e.power(f)
	step := Let(f, rows.Get().Shl(4)) // from four keys of a row to the next four
	end := Let(f, scores.Get().Add(eights(keys.Get()).ShrU(2).Mul(step.Get())))
	at, r, k := Local[I32](f), Local[I32](f), Local[I32](f)
	greatest, weight := Local[F32x4](f), Local[F32x4](f)
	sums := Locals[F32x4](f, 2)
	f.For(r, rows.Get(), 1, func() {
		k.Set(keys.Get())
		f.For(k, eights(keys.Get()), 1, func() {
			at.Set(scores.Get().Add(k.Get().ShrU(2).Mul(step.Get())).Add(k.Get().And(Const(3)).Shl(2)))
			f.StoreI32(at.Get(), 0, Const(minusInfinity))
		})
		greatest.Set(Load[F32x4](maxima.Get(), 0))
		across(greatest, F32x4.PMax)
		for _, s := range sums {
			s.Set(ConstF32x4(0))
		}
		at.Set(scores.Get())
		f.Loop(func(again Label) {
			for _, s := range sums {
				weight.Set(x.of(Load[F32x4](at.Get(), 0).Sub(greatest.Get())))
				Store(f, at.Get(), 0, weight.Get())
				s.Set(s.Get().Add(weight.Get()))
				at.Set(at.Get().Add(step.Get()))
			}
			again.BranchIf(at.Get().Ne(end.Get()))
		})
		sums[0].Set(sums[0].Get().Add(sums[1].Get()))
		across(sums[0], F32x4.Add)
		Store(f, inverses.Get(), 0, ConstF32x4(1).Div(sums[0].Get()))
		inverses.Set(inverses.Get().Add(Const(16)))
		maxima.Set(maxima.Get().Add(Const(16)))
		scores.Set(scores.Get().Add(Const(16)))
		end.Set(end.Get().Add(Const(16)))
	})
	return f
}

// across joins the lanes; the result is in all of them.
func across(v Var[F32x4], join func(a, b F32x4) F32x4) {
	for _, swapped := range [][4]byte{{2, 3, 0, 1}, {1, 0, 3, 2}} {
		v.Set(join(v.Get(), v.Get().Shuffle(v.Get(), swapped)))
	}
}
