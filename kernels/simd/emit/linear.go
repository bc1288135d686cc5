package emit

import (
	"bedside/kernels"
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// Linear: a piece is a block of rows that stays in the second-level cache, times a range
// of panels; in it, each panel of weights (8 outputs) passes over the block's tiles
// while it lies in the first-level cache.
const (
	linearBytes = 96 << 10 // of weights in a piece
	linearTiles = 32       // tiles in a block of rows
)

// tiles are the functions that compute R rows × 8 outputs, by R. Parameters: record, activations of the
// tile, its first row, the panel.
func (e *emitter) tiles() []*Func {
	tiles := make([]*Func, e.tileRows()+1)
	for r := int32(1); r <= e.tileRows(); r++ {
		tiles[r] = e.tile(int(r))
	}
	return tiles
}

func (e *emitter) tile(rows int) *Func {
	f := e.Func()
	record, a, row, panel := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	inputs := Let(f, word(record, simd.LinearInputs).Add(Const(15)).And(Const(-16)))
	b := Let(f, word(record, simd.LinearWeights).Add(panel.Get().Mul(inputs.Get()).Mul(Const(8))))
	end := Let(f, b.Get().Add(inputs.Get().Mul(Const(8))))

	var sums [][2]Var[I32x4]
	switch e.Product {
	case DotAdd:
		sums = e.sumsDotAdd(f, rows, a, b, end)
	case RelaxedDot:
		sums = e.sumsRelaxed(f, rows, a, b, end)
	default:
		sums = e.sumsDot16(f, rows, a, b, end)
	}
	e.epilogue(f, rows, record, row, panel, sums)
	return f
}

const groupsUnrolled = kernels.PackedDepth / kernels.GroupDepth

// depth runs body for 16 inputs at a time, with the offsets of a group within them.
func depth(f *Func, a, b, end Var[I32], bytesA int32, group func(n int)) {
	f.Loop(func(again Label) {
		for n := range groupsUnrolled {
			group(n)
		}
		a.Set(a.Get().Add(Const(bytesA)))
		b.Set(b.Get().Add(Const(16 * kernels.PanelWidth)))
		again.BranchIf(b.Get().Ne(end.Get()))
	})
}

func newSums(f *Func, rows int) [][2]Var[I32x4] {
	sums := make([][2]Var[I32x4], rows)
	for r := range sums {
		sums[r] = [2]Var[I32x4]{Local[I32x4](f), Local[I32x4](f)}
	}
	return sums
}

// sumsDotAdd: a vector of weights is 4 outputs × 4 inputs, multiplied with 4 activations
// in every lane.
func (e *emitter) sumsDotAdd(f *Func, rows int, a, b, end Var[I32]) [][2]Var[I32x4] {
	sums := newSums(f, rows)
	b0, b1, x := Local[I8x16](f), Local[I8x16](f), Local[I8x16](f)
	depth(f, a, b, end, int32(16*rows), func(n int) {
		b0.Set(Load[I8x16](b.Get(), uint32(32*n)))
		b1.Set(Load[I8x16](b.Get(), uint32(32*n+16)))
		for r := range rows {
			x.Set(LoadSplat32[I8x16](a.Get(), uint32(4*(rows*n+r))))
			sums[r][0].Set(b0.Get().RelaxedDotAdd(x.Get(), sums[r][0].Get()))
			sums[r][1].Set(b1.Get().RelaxedDotAdd(x.Get(), sums[r][1].Get()))
		}
	})
	return sums
}

// sumsRelaxed: as sumsDotAdd, in two steps that are one instruction each without VNNI.
func (e *emitter) sumsRelaxed(f *Func, rows int, a, b, end Var[I32]) [][2]Var[I32x4] {
	sums := newSums(f, rows)
	b0, b1, x := Local[I8x16](f), Local[I8x16](f), Local[I8x16](f)
	depth(f, a, b, end, int32(16*rows), func(n int) {
		b0.Set(Load[I8x16](b.Get(), uint32(32*n)))
		b1.Set(Load[I8x16](b.Get(), uint32(32*n+16)))
		for r := range rows {
			x.Set(LoadSplat32[I8x16](a.Get(), uint32(4*(rows*n+r))))
			sums[r][0].Set(sums[r][0].Get().Add(b0.Get().RelaxedDot(x.Get()).Pairs()))
			sums[r][1].Set(sums[r][1].Get().Add(b1.Get().RelaxedDot(x.Get()).Pairs()))
		}
	})
	return sums
}

// sumsDot16: weights are widened as they are loaded; a sum's lanes are then two halves
// of two outputs, which are added at the end.
func (e *emitter) sumsDot16(f *Func, rows int, a, b, end Var[I32]) [][2]Var[I32x4] {
	halves := make([][4]Var[I32x4], rows)
	for r := range halves {
		for i := range halves[r] {
			halves[r][i] = Local[I32x4](f)
		}
	}
	// one pass for each half of the panel: four sums a row would not fit the registers
	from := Let(f, a.Get())
	start := Let(f, b.Get())
	low, high, x := Local[I16x8](f), Local[I16x8](f), Local[I16x8](f)
	for half := range 2 {
		if half == 1 {
			a.Set(from.Get())
			b.Set(start.Get())
		}
		depth(f, a, b, end, int32(32*rows), func(n int) {
			low.Set(LoadWide(b.Get(), uint32(32*n+16*half)))
			high.Set(LoadWide(b.Get(), uint32(32*n+16*half+8)))
			for r := range rows {
				x.Set(LoadSplat64[I16x8](a.Get(), uint32(8*(rows*n+r))))
				s := halves[r][2*half : 2*half+2]
				s[0].Set(s[0].Get().Add(low.Get().Dot(x.Get())))
				s[1].Set(s[1].Get().Add(high.Get().Dot(x.Get())))
			}
		})
	}
	sums := make([][2]Var[I32x4], rows)
	for r := range sums {
		for half := range 2 {
			l, h := halves[r][2*half], halves[r][2*half+1]
			even := l.Get().Shuffle(h.Get(), [4]byte{0, 2, 4, 6})
			odd := l.Get().Shuffle(h.Get(), [4]byte{1, 3, 5, 7})
			sums[r][half] = l
			l.Set(even.Add(odd))
		}
	}
	return sums
}

// epilogue turns a tile's sums into floats: zero point, scales, bias, residual.
func (e *emitter) epilogue(f *Func, rows int, record, row, panel Var[I32], sums [][2]Var[I32x4]) {
	in := Let(f, word(record, simd.LinearIn).Add(row.Get().Mul(Const(4))))
	zeros := Let(f, in.Get().Add(word(record, simd.Rows).Mul(Const(4))))
	offset := Let(f, panel.Get().Mul(Const(32)))
	columns := Let(f, word(record, simd.Columns))
	stride := Let(f, columns.Get().Mul(Const(4)))
	bias := Let(f, word(record, simd.LinearBias).Add(offset.Get()))
	scales := Let(f, word(record, simd.LinearScales).Add(offset.Get()))
	columnSums := Let(f, word(record, simd.LinearSums).Add(offset.Get()))
	at := Let(f, row.Get().Mul(stride.Get()).Add(offset.Get()))
	out := Let(f, word(record, simd.LinearOut).Add(at.Get()))
	residual := Let(f, word(record, simd.LinearResidual))
	has := Let(f, residual.Get())
	residual.Set(residual.Get().Add(at.Get()))

	value := func(r, half int) F32x4 {
		o := uint32(16 * half)
		zero := LoadSplat32[I32x4](zeros.Get(), uint32(4*r))
		scale := LoadSplat32[F32x4](in.Get(), uint32(4*r))
		sum := sums[r][half].Get().Sub(Load[I32x4](columnSums.Get(), o).Mul(zero))
		return sum.ToF32x4().Mul(Load[F32x4](scales.Get(), o).Mul(scale)).Add(Load[F32x4](bias.Get(), o))
	}
	rowsOf := func(store func(r int)) {
		for r := range rows {
			store(r)
			if r+1 < rows {
				out.Set(out.Get().Add(stride.Get()))
				residual.Set(residual.Get().Add(stride.Get()))
			}
		}
	}
	left := Let(f, columns.Get().Sub(panel.Get().Mul(Const(kernels.PanelWidth))))
	f.IfElse(left.Get().GeS(Const(kernels.PanelWidth)), func() {
		f.IfElse(has.Get(), func() {
			rowsOf(func(r int) {
				for half := range 2 {
					o := uint32(16 * half)
					Store(f, out.Get(), o, value(r, half).Add(Load[F32x4](residual.Get(), o)))
				}
			})
		}, func() {
			rowsOf(func(r int) {
				for half := range 2 {
					Store(f, out.Get(), uint32(16*half), value(r, half))
				}
			})
		})
	}, func() {
		// the last panel, incomplete: lane by lane
		v := Local[F32x4](f)
		rowsOf(func(r int) {
			for half := range 2 {
				v.Set(value(r, half))
				for l := range 4 {
					n := 4*half + l
					f.If(left.Get().GtS(Const(int32(n))), func() {
						x := v.Get().Lane(l)
						f.IfElse(has.Get(), func() {
							f.StoreF32(out.Get(), uint32(4*n), x.Add(LoadF32(residual.Get(), uint32(4*n))))
						}, func() {
							f.StoreF32(out.Get(), uint32(4*n), x)
						})
					})
				}
			}
		})
	})
}

// panelsOf is the panels in a piece: as many as have linearBytes of weights.
func panelsOf(record Var[I32]) I32 {
	return Const(linearBytes / kernels.PanelWidth).DivU(word(record, simd.LinearInputs)).Max(Const(1))
}

func (e *emitter) linear(tiles []*Func) kernel {
	f, record, piece, _ := e.piece()
	rows := Let(f, word(record, simd.Rows))
	panels := Let(f, ceil(word(record, simd.Columns), kernels.PanelWidth))
	total := Let(f, ceil(rows.Get(), e.tileRows()))
	blocks := Let(f, ceil(total.Get(), linearTiles))
	block := Let(f, piece.Get().RemU(blocks.Get()))
	panel := Let(f, piece.Get().DivU(blocks.Get()).Mul(panelsOf(record)))
	lastPanel := Let(f, panel.Get().Add(panelsOf(record)).Min(panels.Get()))
	firstTile := Let(f, block.Get().Mul(Const(linearTiles)))
	lastTile := Let(f, firstTile.Get().Add(Const(linearTiles)).Min(total.Get()))
	depth := Let(f, word(record, simd.LinearInputs).Add(Const(15)).And(Const(-16)).Mul(Const(e.width())))
	data := Let(f, word(record, simd.LinearIn).Add(quantizedData(rows.Get())))
	size := Let(f, rows.Get().DivU(total.Get()))
	larger := Let(f, rows.Get().RemU(total.Get()))
	tile, row, count, a := Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f)
	f.For(panel, lastPanel.Get(), 1, func() {
		tile.Set(firstTile.Get())
		row.Set(tile.Get().Mul(size.Get()).Add(tile.Get().Min(larger.Get())))
		a.Set(data.Get().Add(row.Get().Mul(depth.Get())))
		f.For(tile, lastTile.Get(), 1, func() {
			count.Set(size.Get().Add(tile.Get().LtS(larger.Get())))
			cases := make([]func(), len(tiles))
			for r := range tiles {
				cases[r] = func() {
					if tiles[r] != nil {
						f.Call(tiles[r], record.Get(), a.Get(), row.Get(), panel.Get())
					}
				}
			}
			f.Switch(count.Get(), cases, func() {})
			row.Set(row.Get().Add(count.Get()))
			a.Set(a.Get().Add(count.Get().Mul(depth.Get())))
		})
	})
	return kernel{run: f, pieces: func(f *Func, record Var[I32]) I32 {
		blocks := ceil(ceil(word(record, simd.Rows), e.tileRows()), linearTiles)
		panels := ceil(word(record, simd.Columns), kernels.PanelWidth)
		return blocks.Mul(panels.Add(panelsOf(record)).Sub(Const(1)).DivU(panelsOf(record)))
	}}
}
