package emit

import (
	"bedside/kernels"
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// LinearFloat: as Linear, a piece is a block of rows that stays in the second-level
// cache, times a range of panels, and each panel passes over the block's tiles.
const (
	floatPanels = 8       // panels in a piece
	floatBlock  = 1 << 17 // inputs in a block of rows, at most, unless that is one tile
	floatTiles  = 32      // tiles in a block, at most
)

// floatRows is the most rows in a tile of floats: two sums a row, two weights and an
// input fill 15 registers. Without fused multiply-add a product needs one too.
func (v Variant) floatRows() int32 {
	if v.Relaxed {
		return 6
	}
	return 5
}

// floatTile is the sums of R rows × 8 columns.
type floatTile struct {
	f         *Func
	relaxed   bool
	sums      [][2]Var[F32x4]
	b0, b1, x Var[F32x4]
}

func (e *emitter) floatTile(f *Func, rows int) floatTile {
	t := floatTile{f: f, relaxed: e.Relaxed, b0: Local[F32x4](f), b1: Local[F32x4](f), x: Local[F32x4](f)}
	for range rows {
		t.sums = append(t.sums, [2]Var[F32x4]{Local[F32x4](f), Local[F32x4](f)})
	}
	return t
}

// each sets every sum.
func (t floatTile) each(value func(r, half int) F32x4) {
	for r, s := range t.sums {
		s[0].Set(value(r, 0))
		s[1].Set(value(r, 1))
	}
}

// step adds the products of one input: x(r), in every lane, with 8 weights.
func (t floatTile) step(b Var[I32], offset uint32, x func(r int) F32x4) {
	t.b0.Set(Load[F32x4](b.Get(), offset))
	t.b1.Set(Load[F32x4](b.Get(), offset+16))
	for r, s := range t.sums {
		t.x.Set(x(r))
		s[0].Set(t.b0.Get().MulAdd(t.x.Get(), s[0].Get(), t.relaxed))
		s[1].Set(t.b1.Get().MulAdd(t.x.Get(), s[1].Get(), t.relaxed))
	}
}

// panel adds the products of rows that lie interleaved, [k/4][R][4], with a panel of
// weights, [k][8], that ends at end. Both addresses have moved behind them afterwards.
func (t floatTile) panel(a, b, end Var[I32]) {
	t.f.Loop(func(again Label) {
		for k := range 4 {
			t.step(b, uint32(32*k), func(r int) F32x4 { return LoadSplat32[F32x4](a.Get(), uint32(16*r+4*k)) })
		}
		a.Set(a.Get().Add(Const(int32(16 * len(t.sums)))))
		b.Set(b.Get().Add(Const(4 * 32)))
		again.BranchIf(b.Get().Ne(end.Get()))
	})
}

// add adds 8 columns, or the first left ones where that is less, of rows that are stride
// apart, and moves the address to the last row.
func (t floatTile) add(from, stride, left Var[I32]) {
	t.columns(from, stride, left, func(s Var[F32x4], offset uint32) {
		s.Set(s.Get().Add(Load[F32x4](from.Get(), offset)))
	}, func(s Var[F32x4], lane int, offset uint32) {
		place := [4]byte{4, 4, 4, 4}
		place[lane] = 0
		s.Set(s.Get().Add(LoadLow32[F32x4](from.Get(), offset).Shuffle(ConstF32x4(0), place)))
	})
}

// store writes the sums as add reads.
func (t floatTile) store(to, stride, left Var[I32]) {
	t.columns(to, stride, left, func(s Var[F32x4], offset uint32) {
		Store(t.f, to.Get(), offset, s.Get())
	}, func(s Var[F32x4], lane int, offset uint32) {
		t.f.StoreF32(to.Get(), offset, s.Get().Lane(lane))
	})
}

// columns runs vector for each sum where 8 columns are left, else element for each of its
// lanes whose column is there, with the offset from the address in the sum's row.
func (t floatTile) columns(address, stride, left Var[I32], vector func(Var[F32x4], uint32), element func(Var[F32x4], int, uint32)) {
	rows := func(body func(s Var[F32x4], half int)) {
		for r, s := range t.sums {
			if r > 0 {
				address.Set(address.Get().Add(stride.Get()))
			}
			body(s[0], 0)
			body(s[1], 1)
		}
	}
	t.f.IfElse(left.Get().GeS(Const(kernels.PanelWidth)), func() {
		rows(func(s Var[F32x4], half int) { vector(s, uint32(16*half)) })
	}, func() {
		rows(func(s Var[F32x4], half int) {
			for lane := range 4 {
				n := 4*half + lane
				t.f.If(left.Get().GtS(Const(int32(n))), func() { element(s, lane, uint32(4*n)) })
			}
		})
	})
}

// linearFloatTile computes R rows × 8 outputs. Parameters: record, first row, panel.
func (e *emitter) linearFloatTile(rows int) *Func {
	f := e.Func()
	record, row, panel := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	inputs := Let(f, word(record, simd.LinearInputs))
	a := Locals[I32](f, rows)
	a[0].Set(word(record, simd.LinearIn).Add(row.Get().Mul(inputs.Get()).Shl(2)))
	for r := 1; r < rows; r++ {
		a[r].Set(a[r-1].Get().Add(inputs.Get().Shl(2)))
	}
	b := Let(f, word(record, simd.LinearWeights).Add(panel.Get().Mul(inputs.Get()).Shl(5)))
	bias := Let(f, word(record, simd.LinearBias).Add(panel.Get().Shl(5)))
	t := e.floatTile(f, rows)
	t.each(func(_, half int) F32x4 { return Load[F32x4](bias.Get(), uint32(16*half)) })

	// four inputs at a time, then one
	end := Local[I32](f)
	inputsOf := func(count I32, n int) {
		end.Set(b.Get().Add(count.Shl(5)))
		f.If(b.Get().Ne(end.Get()), func() {
			f.Loop(func(again Label) {
				for k := range n {
					t.step(b, uint32(32*k), func(r int) F32x4 { return LoadSplat32[F32x4](a[r].Get(), uint32(4*k)) })
				}
				for r := range a {
					a[r].Set(a[r].Get().Add(Const(int32(4 * n))))
				}
				b.Set(b.Get().Add(Const(int32(32 * n))))
				again.BranchIf(b.Get().Ne(end.Get()))
			})
		})
	}
	inputsOf(inputs.Get().And(Const(-4)), 4)
	inputsOf(inputs.Get().And(Const(3)), 1)

	columns := Let(f, word(record, simd.Columns))
	stride := Let(f, columns.Get().Shl(2))
	left := Let(f, columns.Get().Sub(panel.Get().Mul(Const(kernels.PanelWidth))))
	at := Let(f, row.Get().Mul(stride.Get()).Add(panel.Get().Shl(5)))
	address := Let(f, word(record, simd.LinearResidual))
	f.If(address.Get(), func() {
		address.Set(address.Get().Add(at.Get()))
		t.add(address, stride, left)
	})
	address.Set(word(record, simd.LinearOut).Add(at.Get()))
	t.store(address, stride, left)
	return f
}

// tiled are functions by the rows of a tile, 1 to the most there are.
func (e *emitter) tiled(emit func(rows int) *Func) []*Func {
	tiles := make([]*Func, e.floatRows()+1)
	for r := 1; r < len(tiles); r++ {
		tiles[r] = emit(r)
	}
	return tiles
}

// call calls the function for so many rows.
func call(f *Func, tiles []*Func, rows Var[I32], arguments ...Operand) {
	cases := make([]func(), len(tiles))
	for r, tile := range tiles {
		cases[r] = func() {
			if tile != nil {
				f.Call(tile, arguments...)
			}
		}
	}
	f.Switch(rows.Get(), cases, func() {})
}

// floatSplit divides rows into tiles and tiles into blocks.
type floatSplit struct{ tiles, tilesInBlock Var[I32] }

func (e *emitter) floatSplit(f *Func, record Var[I32]) floatSplit {
	most := Let(f, Const(floatBlock).DivU(word(record, simd.LinearInputs).Mul(Const(e.floatRows()))))
	return floatSplit{
		tiles:        Let(f, ceil(word(record, simd.Rows), e.floatRows())),
		tilesInBlock: Let(f, most.Get().Max(Const(1)).Min(Const(floatTiles))),
	}
}

func (e *emitter) linearFloat() kernel {
	tiles := e.tiled(e.linearFloatTile)
	f, record, piece, _ := e.piece()
	rows := Let(f, word(record, simd.Rows))
	panels := Let(f, ceil(word(record, simd.Columns), kernels.PanelWidth))
	ranges := Let(f, ceil(panels.Get(), floatPanels))
	panel := Let(f, piece.Get().RemU(ranges.Get()).Mul(Const(floatPanels)))
	lastPanel := Let(f, panel.Get().Add(Const(floatPanels)).Min(panels.Get()))
	s := e.floatSplit(f, record)
	firstTile := Let(f, piece.Get().DivU(ranges.Get()).Mul(s.tilesInBlock.Get()))
	lastTile := Let(f, firstTile.Get().Add(s.tilesInBlock.Get()).Min(s.tiles.Get()))
	size := Let(f, rows.Get().DivU(s.tiles.Get()))
	larger := Let(f, rows.Get().RemU(s.tiles.Get()))
	tile, row, count := Local[I32](f), Local[I32](f), Local[I32](f)
	f.For(panel, lastPanel.Get(), 1, func() {
		tile.Set(firstTile.Get())
		row.Set(tile.Get().Mul(size.Get()).Add(tile.Get().Min(larger.Get())))
		f.For(tile, lastTile.Get(), 1, func() {
			count.Set(size.Get().Add(tile.Get().LtS(larger.Get())))
			call(f, tiles, count, record.Get(), row.Get(), panel.Get())
			row.Set(row.Get().Add(count.Get()))
		})
	})
	return kernel{run: f, pieces: func(f *Func, record Var[I32]) I32 {
		s := e.floatSplit(f, record)
		blocks := Let(f, s.tiles.Get().Add(s.tilesInBlock.Get()).Sub(Const(1)).DivU(s.tilesInBlock.Get()))
		return blocks.Get().Mul(ceil(ceil(word(record, simd.Columns), kernels.PanelWidth), floatPanels))
	}}
}
