package emit

import (
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// accumulator is the function that adds a row of a table to a row of floats. Parameters:
// the table's values, its scales (0: the values are float32), the row's number, columns, out.
func (e *emitter) accumulator() *Func {
	f := e.Func()
	values, scales, row, columns, out := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	at, to := Let(f, row.Get().Mul(columns.Get())), floats(out)
	f.IfElse(scales.Get(), func() {
		scale := Let(f, LoadSplat32[F32x4](scales.Get().Add(row.Get().Mul(Const(4))), 0))
		at.Set(values.Get().Add(at.Get()))
		x := array{at, 1}
		v := Locals[F32x4](f, 4)
		walk(f, columns.Get(), []array{x, to}, func(s step) {
			s.int8s(x, v)
			for i := range s.vectors() {
				s.store(to, i, s.load(to, i).Add(v[i].Get().Mul(scale.Get())))
			}
		})
	}, func() {
		at.Set(values.Get().Add(at.Get().Mul(Const(4))))
		x := floats(at)
		walk(f, columns.Get(), []array{x, to}, func(s step) {
			for i := range s.vectors() {
				s.store(to, i, s.load(to, i).Add(s.load(x, i)))
			}
		})
	})
	return f
}

// int8s sets v to a step's signed bytes.
func (s step) int8s(a array, v []Var[F32x4]) {
	if s.single {
		v[0].Set(SplatI32(LoadI8(a.at.Get(), 0)).ToF32x4())
		return
	}
	bytes := Let(s.f, Load[I8x16](a.at.Get(), 0))
	for i, half := range []I16x8{bytes.Get().Low(), bytes.Get().High()} {
		words := Let(s.f, half)
		v[2*i].Set(words.Get().Low().ToF32x4())
		v[2*i+1].Set(words.Get().High().ToF32x4())
	}
}

// embed: a piece is a tile.
func (e *emitter) embed(accumulator, normalizer *Func) kernel {
	f, record, piece, _ := e.piece()
	columns := Let(f, word(record, simd.Columns))
	t := e.tiling(f, word(record, simd.Rows), piece.Get())
	row, out := Let(f, t.first.Get()), Local[I32](f)
	tables := []struct{ ids, values, scales int }{
		{simd.EmbedTokens, simd.EmbedWord, simd.EmbedWordScales},
		{simd.EmbedPlaces, simd.EmbedPositions, simd.EmbedPositionScales},
		{simd.EmbedKinds, simd.EmbedTypes, simd.EmbedTypeScales},
	}
	f.For(row, t.first.Get().Add(t.rows.Get()), 1, func() {
		out.Set(word(record, simd.EmbedOut).Add(row.Get().Mul(columns.Get()).Mul(Const(4))))
		f.Fill(out.Get(), Const(0), columns.Get().Mul(Const(4)))
		for _, table := range tables {
			id := LoadI32(word(record, table.ids).Add(row.Get().Mul(Const(4))), 0)
			f.Call(accumulator, word(record, table.values), word(record, table.scales), id, columns.Get(), out.Get())
		}
		f.Call(normalizer, out.Get(), out.Get(), word(record, simd.EmbedGamma), word(record, simd.EmbedBeta),
			columns.Get(), float(record, simd.EmbedEpsilon))
	})
	return kernel{run: f, pieces: e.tilesOf}
}
