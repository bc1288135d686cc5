package emit

import (
	"math"

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

// tilesOf is the number of tiles, which are the pieces of operations on rows.
func (e *emitter) tilesOf(f *Func, record Var[I32]) I32 {
	return ceil(word(record, simd.Rows), e.tileRows())
}

// magic rounds to nearest, ties to even: added to |x| < 2²², it leaves the integer in the
// low bits of the float.
const (
	magic     = 3 << 22
	magicBits = 0x4b400000
)

// quantizer is the functions that quantize: scan finds a row's scale and zero point, and
// rows[n] then quantizes n rows of a tile side by side, for n of 1, 2 and 4: four rows fill
// vectors that a tile takes as they are.
type quantizer struct {
	scan *Func
	rows [5]*Func
}

func (e *emitter) quantizer() quantizer {
	q := quantizer{scan: e.scan()}
	odd := e.odd()
	for _, n := range []int{1, 2, 4} {
		q.rows[n] = e.sideBySide(n, odd)
	}
	return q
}

// scan stores scale and zero point of a row. Parameters: its address, the multiplier (0: none), columns, where
// scale and zero go. NaN and infinity make the scale so, too.
func (e *emitter) scan() *Func {
	f := e.Func()
	at, m, columns, scaleAt, zeroAt := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	// four of each, so that no chain of dependent instructions is long
	lows, highs, sums, value := zeros(f, 4), zeros(f, 4), zeros(f, 4), Local[F32x4](f)
	pass := func(multiplied bool) {
		x, by := floats(at), floats(m)
		walk(f, columns.Get(), []array{x, by}, func(s step) {
			for i := range s.vectors() {
				v := s.load(x, i)
				if multiplied {
					v = v.Mul(s.load(by, i))
				}
				value.Set(v)
				lows[i].Set(lows[i].Get().PMin(value.Get()))
				highs[i].Set(highs[i].Get().PMax(value.Get()))
				sums[i].Set(sums[i].Get().Add(value.Get()))
			}
		})
	}
	f.IfElse(m.Get(), func() { pass(true) }, func() { pass(false) })

	e.parameters(f, lows, highs, sums, scaleAt, zeroAt)
	return f
}

// parameters stores the scale and zero point of a row's extremes. PMin and PMax pass over
// NaN, the sum of a row does not.
func (e *emitter) parameters(f *Func, lows, highs, sums []Var[F32x4], scaleAt, zeroAt Var[I32]) {
	low, high, nan := lows[0], highs[0], Local[I32x4](f)
	nan.Set(sums[0].Get().Ne(sums[0].Get()))
	for i := 1; i < len(sums); i++ {
		low.Set(low.Get().PMin(lows[i].Get()))
		high.Set(high.Get().PMax(highs[i].Get()))
		nan.Set(nan.Get().Or(sums[i].Get().Ne(sums[i].Get())))
	}
	least := Let(f, low.Get().Lane(0).Min(low.Get().Lane(1)).Min(low.Get().Lane(2).Min(low.Get().Lane(3))))
	most := high.Get().Lane(0).Max(high.Get().Lane(1)).Max(high.Get().Lane(2).Max(high.Get().Lane(3)))
	scale := Let(f, most.Sub(least.Get()).Div(ConstF32(127)))
	scale.Set(Select(ConstF32(1), scale.Get(), scale.Get().Eq(ConstF32(0))))
	scale.Set(Select(ConstF32(float32(math.NaN())), scale.Get(), nan.Get().AnyTrue()))
	zero := Let(f, least.Get().Neg().Mul(ConstF32(1).Div(scale.Get())).Nearest().ToI32())
	f.StoreF32(scaleAt.Get(), 0, scale.Get())
	f.StoreI32(zeroAt.Get(), 0, zero.Get().Min(Const(127)))
}

// sideBySide quantizes n rows. Parameters: the first one's address, the multiplier (0: none), columns,
// where the first row lies in the tile, bytes from a group of four columns to the next, where the rows' scales
// and zero points are.
func (e *emitter) sideBySide(n int, odd *Func) *Func {
	f := e.Func()
	x, m, columns := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	out, group, scales, zeroPoints := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	at := make([]array, n)
	inverse, inverses, biases := Locals[F32](f, n), Locals[F32x4](f, n), Locals[I32x4](f, n)
	// rows whose scale has no finite inverse, or is not finite, go the slow way
	left := Let(f, columns.Get().And(Const(-16)))
	for r := range n {
		at[r] = floats(Let(f, x.Get().Add(columns.Get().Mul(Const(int32(4*r))))))
		inverse[r].Set(ConstF32(1).Div(LoadF32(scales.Get(), uint32(4*r))))
		inverses[r].Set(SplatF32(inverse[r].Get()))
		biases[r].Set(SplatI32(Const(magicBits).Sub(LoadI32(zeroPoints.Get(), uint32(4*r)))))
		i := inverse[r].Get()
		left.Set(Select(left.Get(), Const(0), i.Gt(ConstF32(0)).And(i.Lt(ConstF32(float32(math.Inf(1)))))))
	}
	rest := Let(f, columns.Get().Sub(left.Get()))
	f.If(left.Get(), func() {
		f.IfElse(m.Get(), func() { e.sixteens(f, at, m, left, out, group, inverses, biases, true) },
			func() { e.sixteens(f, at, m, left, out, group, inverses, biases, false) })
	})
	f.If(rest.Get(), func() {
		for r := range n {
			f.Call(odd, at[r].at.Get(), m.Get(), rest.Get(), out.Get().Add(Const(4*e.width()*int32(r))), group.Get(),
				inverse[r].Get(), LoadI32(zeroPoints.Get(), uint32(4*r)))
		}
	})
	return f
}

// sixteens quantizes left columns, 16 at a time, and moves all pointers on. Four vectors
// of four columns, of 4/n groups of as many rows, narrow to bytes that lie together as the tile
// has them.
func (e *emitter) sixteens(f *Func, x []array, m, left, out, group Var[I32], inverses []Var[F32x4], biases []Var[I32x4], multiplied bool) {
	n := len(x)
	quads := Locals[I32x4](f, 4)
	by := Local[F32x4](f)
	f.Loop(func(again Label) {
		for first := 0; first < 4; first += 4 / n {
			for i := range quads {
				r, column := i%n, uint32(16*(first+i/n))
				if multiplied && r == 0 {
					by.Set(Load[F32x4](m.Get(), column))
				}
				v := Load[F32x4](x[r].at.Get(), column)
				if multiplied {
					v = v.Mul(by.Get())
				}
				quads[i].Set(v.Mul(inverses[r].Get()).Add(ConstF32x4(magic)).I32x4().Sub(biases[r].Get()))
			}
			e.storeQuads(f, n, quads, out, group)
		}
		for r := range x {
			x[r].at.Set(x[r].at.Get().Add(Const(64)))
		}
		if multiplied {
			m.Set(m.Get().Add(Const(64)))
		}
		left.Set(left.Get().Sub(Const(16)))
		again.BranchIf(left.Get())
	})
}

// storeQuads narrows 4/n groups of n rows, saturating at 127, stores them and moves out on.
func (e *emitter) storeQuads(f *Func, n int, quads []Var[I32x4], out, group Var[I32]) {
	low, high := quads[0].Get().NarrowS(quads[1].Get()), quads[2].Get().NarrowS(quads[3].Get())
	var vectors []I32x4
	if e.width() == 1 {
		vectors = []I32x4{low.NarrowS(high).I32x4()}
	} else {
		top := ConstI16x8(127)
		vectors = []I32x4{low.MinS(top).I32x4(), high.MinS(top).I32x4()}
	}
	advance := func() { out.Set(out.Get().Add(group.Get())) }
	for i, v := range vectors {
		bytes := Let(f, v)
		switch 4 * n * int(e.width()) { // the bytes of a group
		case 32:
			Store(f, out.Get(), uint32(16*i), bytes.Get())
			if i == 1 {
				advance()
			}
		case 16:
			Store(f, out.Get(), 0, bytes.Get())
			advance()
		case 8:
			for lane := range 2 {
				f.StoreLane64(out.Get(), 0, bytes.Get(), lane)
				advance()
			}
		case 4:
			for lane := range 4 {
				f.StoreLane32(out.Get(), 0, bytes.Get(), lane)
				advance()
			}
		}
	}
}

// odd quantizes one row element by element, as kernels/reference does, and puts zeros behind it.
// Parameters: address, multiplier (0: none), columns, where the first goes, bytes from a group of four columns to
// the next, 1/scale (f32), zero point.
func (e *emitter) odd() *Func {
	f := e.Func()
	x, m, columns, out, group := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	inverse, zero := Parameter[F32](f), Parameter[I32](f)
	w := e.width()
	value, q, k, to := Local[F32](f), Local[I32](f), Local[I32](f), Local[I32](f)
	f.For(k, columns.Get().Add(Const(15)).And(Const(-16)), 1, func() {
		q.Set(Const(0))
		f.If(k.Get().LtS(columns.Get()), func() {
			value.Set(LoadF32(x.Get(), 0))
			f.If(m.Get(), func() {
				value.Set(value.Get().Mul(LoadF32(m.Get(), 0)))
				m.Set(m.Get().Add(Const(4)))
			})
			q.Set(value.Get().Mul(inverse.Get()).Nearest().ToI32())
			q.Set(q.Get().Min(Const(1 << 24)).Add(zero.Get()))
			q.Set(q.Get().Max(Const(0)).Min(Const(127)))
			x.Set(x.Get().Add(Const(4)))
		})
		to.Set(out.Get().Add(k.Get().And(Const(3)).Mul(Const(w))))
		f.StoreByte(to.Get(), 0, q.Get())
		if w == 2 {
			f.StoreByte(to.Get(), 1, Const(0))
		}
		f.If(k.Get().And(Const(3)).Eq(Const(3)), func() { out.Set(out.Get().Add(group.Get())) })
	})
	return f
}

// quantized quantizes a tile of the rows at x, up to four at a time, while they lie in the caches:
// prepare is what to do with a row before.
func (e *emitter) quantized(f *Func, q quantizer, record Var[I32], t tiling, x Var[I32], multiplier, buffer I32, prepare func(row Var[I32])) {
	rows, columns := Let(f, word(record, simd.Rows)), Let(f, word(record, simd.Columns))
	m, scales := Let(f, multiplier), Let(f, buffer)
	zeroPoints := Let(f, scales.Get().Add(rows.Get().Mul(Const(4))))
	w := e.width()
	padded := columns.Get().Add(Const(15)).And(Const(-16))
	out := Let(f, scales.Get().Add(quantizedData(rows.Get())).Add(t.first.Get().Mul(padded).Mul(Const(w))))
	group := Let(f, t.rows.Get().Mul(Const(4*w)))
	row, from, n := Let(f, t.first.Get()), Local[I32](f), Local[I32](f)
	end := Let(f, t.first.Get().Add(t.rows.Get()))
	values := func(row Var[I32]) I32 { return x.Get().Add(row.Get().Mul(columns.Get()).Mul(Const(4))) }
	at := func(parameters, row Var[I32]) I32 { return parameters.Get().Add(row.Get().Mul(Const(4))) }
	f.Loop(func(again Label) {
		n.Set(end.Get().Sub(row.Get()))
		n.Set(Select(Const(4), Select(Const(2), Const(1), n.Get().GeS(Const(2))), n.Get().GeS(Const(4))))
		from.Set(row.Get())
		f.For(row, from.Get().Add(n.Get()), 1, func() {
			prepare(row)
			f.Call(q.scan, values(row), m.Get(), columns.Get(), at(scales, row), at(zeroPoints, row))
		})
		cases := make([]func(), len(q.rows))
		for i, rows := range q.rows {
			cases[i] = func() {
				if rows != nil {
					f.Call(rows, values(from), m.Get(), columns.Get(), out.Get(), group.Get(), at(scales, from), at(zeroPoints, from))
				}
			}
		}
		f.Switch(n.Get(), cases, func() {})
		out.Set(out.Get().Add(n.Get().Mul(Const(4 * w))))
		again.BranchIf(row.Get().LtS(end.Get()))
	})
}

// quantize: a piece is a tile.
func (e *emitter) quantize(q quantizer, activations []*Func) kernel {
	f, record, piece, _ := e.piece()
	columns := Let(f, word(record, simd.Columns))
	t := e.tiling(f, word(record, simd.Rows), piece.Get())
	in := Let(f, word(record, simd.QuantizeIn))
	at := Local[I32](f)
	e.quantized(f, q, record, t, in, word(record, simd.QuantizeMultiplier), word(record, simd.QuantizeOut), func(row Var[I32]) {
		at.Set(in.Get().Add(row.Get().Mul(columns.Get()).Mul(Const(4))))
		applied(f, activations, word(record, simd.QuantizeActivation), at, columns)
	})
	return kernel{run: f, pieces: e.tilesOf}
}
