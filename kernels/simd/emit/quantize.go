package emit

import (
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// Quantized activations lie as the linear kernels read them. For M rows of K columns, K
// padded with zeros to a multiple of 16: scale (float32) a row, zero point (int32) a row, padding to a
// multiple of 64 bytes, then the rows in tiles. With T = ⌈M/tile⌉ tiles, the first M mod T have
// ⌊M/T⌋+1 rows and the others ⌊M/T⌋, so that no tile is much smaller than the rest. In a tile of R
// rows, element k of row r is number (k/4)*4R + 4r + k%4.

// tileRows is the most rows in a tile: as many sums as registers hold.
func (v Variant) tileRows() int32 {
	if v.Product == DotAdd {
		return 6
	}
	return 5
}

// width is the bytes of an element: plain SIMD wants activations as it multiplies them.
func (v Variant) width() int32 {
	if v.Product == Dot16 {
		return 2
	}
	return 1
}

// quantizedData is the offset of the tiles.
func quantizedData(rows I32) I32 {
	return rows.Mul(Const(8)).Add(Const(63)).And(Const(-64))
}

// tiling computes, for a tile's number, its first row and its rows.
type tiling struct{ first, rows Var[I32] }

func (e *emitter) tiling(f *Func, rows, tile I32) tiling {
	tiles := Let(f, ceil(rows, e.tileRows()))
	size := Let(f, rows.DivU(tiles.Get()))
	larger := Let(f, rows.RemU(tiles.Get()))
	t := tiling{Local[I32](f), Local[I32](f)}
	t.first.Set(tile.Mul(size.Get()).Add(tile.Min(larger.Get())))
	t.rows.Set(size.Get().Add(tile.LtS(larger.Get())))
	return t
}

// magic rounds to nearest, ties to even: added to |x| < 2²², it leaves the integer in the
// low bits of the float.
const (
	magic     = 3 << 22
	magicBits = 0x4b400000
)

// quantizer is the function that quantizes one row of values, x*multiplier having been
// searched for its extremes. Parameters: values, multiplier (0: none), columns, low and high (f32), quantized
// buffer, rows of the matrix, the row, and its tile's first row and rows.
func (e *emitter) quantizer() *Func {
	f := e.Func()
	x, multiplier, columns := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	low, high := Parameter[F32](f), Parameter[F32](f)
	buffer, rows, row, first, tile := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)

	scale := Let(f, high.Get().Sub(low.Get()).Div(ConstF32(127)))
	scale.Set(Select(scale.Get(), ConstF32(1), scale.Get().Gt(ConstF32(0))))
	inverse := Let(f, ConstF32(1).Div(scale.Get()))
	zero := Let(f, low.Get().Neg().Mul(inverse.Get()).Nearest().ToI32())
	f.StoreF32(buffer.Get().Add(row.Get().Mul(Const(4))), 0, scale.Get())
	f.StoreI32(buffer.Get().Add(rows.Get().Add(row.Get()).Mul(Const(4))), 0, zero.Get())

	w := e.width()
	padded := Let(f, columns.Get().Add(Const(15)).And(Const(-16)))
	group := Let(f, tile.Get().Mul(Const(4*w)))
	out := Let(f, buffer.Get().Add(quantizedData(rows.Get())).
		Add(first.Get().Mul(padded.Get()).Mul(Const(w))).
		Add(row.Get().Sub(first.Get()).Mul(Const(4*w))))
	inv := Let(f, SplatF32(inverse.Get()))
	bias := Let(f, SplatI32(Const(magicBits).Sub(zero.Get())))
	top := ConstI16x8(127)

	// four groups of four columns at a time, then what is left one group at a time
	quads := Locals[I32x4](f, 4)
	load := func(n int, at uint32, multiplied bool) {
		v := Load[F32x4](x.Get(), at)
		if multiplied {
			v = v.Mul(Load[F32x4](multiplier.Get(), at))
		}
		quads[n].Set(v.Mul(inv.Get()).Add(ConstF32x4(magic)).I32x4().Sub(bias.Get()))
	}
	store := func() {
		for half := range 2 {
			words := quads[2*half].Get().NarrowS(quads[2*half+1].Get()).MinS(top)
			pair := Let(f, words.I32x4())
			for i := range 2 {
				if w == 2 {
					f.StoreLane64(out.Get(), 0, pair.Get(), i)
				} else {
					f.StoreLane32(out.Get(), 0, words8(pair, pair), i)
				}
				out.Set(out.Get().Add(group.Get()))
			}
		}
	}
	k := Local[I32](f)
	main := func(multiplied bool) {
		k.Set(Const(0))
		f.For(k, columns.Get().And(Const(-16)), 16, func() {
			for n := range 4 {
				load(n, uint32(16*n), multiplied)
			}
			store()
			x.Set(x.Get().Add(Const(64)))
			if multiplied {
				multiplier.Set(multiplier.Get().Add(Const(64)))
			}
		})
	}
	f.IfElse(multiplier.Get(), func() { main(true) }, func() { main(false) })

	// the last, incomplete sixteen: element by element, zeros behind them
	e.tail(f, x, multiplier, columns, k, out, group, inverse, zero)
	return f
}

// words8 are two vectors of 16-bit lanes as bytes.
func words8(a, b Var[I32x4]) I32x4 {
	return a.Get().I16x8().NarrowS(b.Get().I16x8()).I32x4()
}

func (e *emitter) tail(f *Func, x, multiplier, columns, k, out, group Var[I32], inverse Var[F32], zero Var[I32]) {
	w := e.width()
	padded := Let(f, columns.Get().Add(Const(15)).And(Const(-16)))
	value, q, to := Local[F32](f), Local[I32](f), Local[I32](f)
	f.For(k, padded.Get(), 1, func() {
		q.Set(Const(0))
		f.If(k.Get().LtS(columns.Get()), func() {
			value.Set(LoadF32(x.Get(), 0))
			f.If(multiplier.Get(), func() {
				value.Set(value.Get().Mul(LoadF32(multiplier.Get(), 0)))
				multiplier.Set(multiplier.Get().Add(Const(4)))
			})
			q.Set(value.Get().Mul(inverse.Get()).Nearest().ToI32().Add(zero.Get()))
			q.Set(q.Get().Min(Const(127)))
			x.Set(x.Get().Add(Const(4)))
		})
		to.Set(out.Get().Add(k.Get().And(Const(3)).Mul(Const(w))))
		f.StoreByte(to.Get(), 0, q.Get())
		if w == 2 {
			f.StoreByte(to.Get(), 1, Const(0))
		}
		f.If(k.Get().And(Const(3)).Eq(Const(3)), func() { out.Set(out.Get().Add(group.Get())) })
	})
}

// quantize: a piece is a tile.
func (e *emitter) quantize(row *Func) kernel {
	f, record, piece, _ := e.piece()
	rows := Let(f, word(record, simd.Rows))
	columns := Let(f, word(record, simd.Columns))
	multiplier := Let(f, word(record, simd.QuantizeMultiplier))
	t := e.tiling(f, rows.Get(), piece.Get())
	r := Let(f, t.first.Get())
	x := Local[I32](f)
	low, high := Local[F32](f), Local[F32](f)
	f.For(r, t.first.Get().Add(t.rows.Get()), 1, func() {
		x.Set(word(record, simd.QuantizeIn).Add(r.Get().Mul(columns.Get()).Mul(Const(4))))
		e.extremes(f, x, multiplier, columns, low, high)
		f.Call(row, x.Get(), multiplier.Get(), columns.Get(), low.Get(), high.Get(),
			word(record, simd.QuantizeOut), rows.Get(), r.Get(), t.first.Get(), t.rows.Get())
	})
	return kernel{run: f, pieces: func(f *Func, record Var[I32]) I32 {
		return ceil(word(record, simd.Rows), e.tileRows())
	}}
}

// extremes sets low to the least and high to the greatest of 0 and x*multiplier.
func (e *emitter) extremes(f *Func, x, multiplier, columns Var[I32], low, high Var[F32]) {
	lows, highs := Local[F32x4](f), Local[F32x4](f)
	at, end, m := Local[I32](f), Local[I32](f), Local[I32](f)
	value := Local[F32x4](f)
	lows.Set(ConstF32x4(0))
	highs.Set(ConstF32x4(0))
	pass := func(multiplied bool) {
		f.For(at, end.Get(), 16, func() {
			v := Load[F32x4](at.Get(), 0)
			if multiplied {
				v = v.Mul(Load[F32x4](m.Get(), 0))
				value.Set(v)
				m.Set(m.Get().Add(Const(16)))
			} else {
				value.Set(v)
			}
			lows.Set(lows.Get().PMin(value.Get()))
			highs.Set(highs.Get().PMax(value.Get()))
		})
	}
	at.Set(x.Get())
	m.Set(multiplier.Get())
	end.Set(x.Get().Add(columns.Get().And(Const(-4)).Mul(Const(4))))
	f.IfElse(multiplier.Get(), func() { pass(true) }, func() { pass(false) })
	low.Set(lows.Get().Lane(0).Min(lows.Get().Lane(1)).Min(lows.Get().Lane(2).Min(lows.Get().Lane(3))))
	high.Set(highs.Get().Lane(0).Max(highs.Get().Lane(1)).Max(highs.Get().Lane(2).Max(highs.Get().Lane(3))))
	// the columns behind the last four
	end.Set(x.Get().Add(columns.Get().Mul(Const(4))))
	v := Local[F32](f)
	f.For(at, end.Get(), 4, func() {
		v.Set(LoadF32(at.Get(), 0))
		f.If(multiplier.Get(), func() {
			v.Set(v.Get().Mul(LoadF32(m.Get(), 0)))
			m.Set(m.Get().Add(Const(4)))
		})
		low.Set(low.Get().Min(v.Get()))
		high.Set(high.Get().Max(v.Get()))
	})
}
