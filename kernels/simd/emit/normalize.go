package emit

import (
	"math"

	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// normalizer is the function that normalizes one row. Parameters: in, out (may be in),
// gamma, beta, columns, epsilon (f32).
//
// The mean is taken twice, the second time of the differences from the first, so that what
// rounding took from it neither shows in the differences nor in the variance. A row whose
// squares exceed float32 is scaled down; there epsilon counts for nothing. The error against float64 is
// below 5e-7 * (|gamma| + |gamma*unit| + |beta|), unit being the normalized value.
func (e *emitter) normalizer() *Func {
	f := e.Func()
	in, out, gamma, beta, columns := Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f), Parameter[I32](f)
	epsilon := Parameter[F32](f)
	n := Let(f, columns.Get().ToF32())
	mean, shift, square, factor := Local[F32](f), Local[F32](f), Local[F32](f), Local[F32](f)
	shrunk := Local[I32](f)
	f.Loop(func(again Label) {
		mean.Set(e.sum(f, in, columns).Div(n.Get()))
		e.moments(f, in, columns, mean, shift, square)
		f.If(square.Get().Lt(ConstF32(math.MaxFloat32)).Or(shrunk.Get()).Eqz(), func() {
			e.shrink(f, in, out, columns)
			in.Set(out.Get())
			epsilon.Set(ConstF32(0))
			shrunk.Set(Const(1))
			again.Branch()
		})
	})
	shift.Set(shift.Get().Div(n.Get()))
	variance := square.Get().Div(n.Get()).Sub(shift.Get().Mul(shift.Get())).Max(ConstF32(0))
	factor.Set(ConstF32(1).Div(variance.Add(epsilon.Get()).Sqrt()))
	e.scaled(f, in, out, gamma, beta, columns, mean, shift, factor)
	return f
}

// sum is that of a row.
func (e *emitter) sum(f *Func, in, columns Var[I32]) F32 {
	x := floats(Let(f, in.Get()))
	sums := zeros(f, 4)
	walk(f, columns.Get(), []array{x}, func(s step) {
		for i := range s.vectors() {
			sums[i].Set(sums[i].Get().Add(s.load(x, i)))
		}
	})
	return total(sums)
}

// moments sets the sum of the differences from the mean, and of their squares.
func (e *emitter) moments(f *Func, in, columns Var[I32], mean, sum, square Var[F32]) {
	x := floats(Let(f, in.Get()))
	means, d := Let(f, SplatF32(mean.Get())), Local[F32x4](f)
	sums, squares := zeros(f, 4), zeros(f, 4)
	walk(f, columns.Get(), []array{x}, func(s step) {
		for i := range s.vectors() {
			d.Set(s.present(s.load(x, i).Sub(means.Get())))
			sums[i].Set(sums[i].Get().Add(d.Get()))
			squares[i].Set(d.Get().MulAdd(d.Get(), squares[i].Get(), e.Relaxed))
		}
	})
	sum.Set(total(sums))
	square.Set(total(squares))
}

// shrink sets out to in, so much smaller that no sum of squares overflows.
func (e *emitter) shrink(f *Func, in, out, columns Var[I32]) {
	x, y := floats(Let(f, in.Get())), floats(Let(f, out.Get()))
	walk(f, columns.Get(), []array{x, y}, func(s step) {
		for i := range s.vectors() {
			s.store(y, i, s.load(x, i).Mul(ConstF32x4(0x1p-100)))
		}
	})
}

// scaled sets out to (in - mean - shift) * factor * gamma + beta.
func (e *emitter) scaled(f *Func, in, out, gamma, beta, columns Var[I32], mean, shift, factor Var[F32]) {
	means, shifts, factors := Let(f, SplatF32(mean.Get())), Let(f, SplatF32(shift.Get())), Let(f, SplatF32(factor.Get()))
	x, y, g, b := floats(in), floats(out), floats(gamma), floats(beta)
	walk(f, columns.Get(), []array{x, y, g, b}, func(s step) {
		for i := range s.vectors() {
			unit := s.load(x, i).Sub(means.Get()).Sub(shifts.Get()).Mul(factors.Get())
			s.store(y, i, unit.MulAdd(s.load(g, i), s.load(b, i), e.Relaxed))
		}
	})
}

// zeros are variables that are 0 at this point, also in the second turn of a loop.
func zeros(f *Func, n int) []Var[F32x4] {
	v := Locals[F32x4](f, n)
	for i := range v {
		v[i].Set(ConstF32x4(0))
	}
	return v
}

// total adds all lanes of four vectors, in pairs.
func total(v []Var[F32x4]) F32 {
	v[0].Set(v[0].Get().Add(v[1].Get()).Add(v[2].Get().Add(v[3].Get())))
	s := v[0].Get()
	return s.Lane(0).Add(s.Lane(1)).Add(s.Lane(2).Add(s.Lane(3)))
}

// normalize: a piece is a tile.
func (e *emitter) normalize(normalizer *Func, q quantizer) kernel {
	f, record, piece, _ := e.piece()
	columns := Let(f, word(record, simd.Columns))
	t := e.tiling(f, word(record, simd.Rows), piece.Get())
	out := Let(f, word(record, simd.NormalizeOut))
	at := Local[I32](f)
	normalized := func(row Var[I32]) {
		at.Set(row.Get().Mul(columns.Get()).Mul(Const(4)))
		f.Call(normalizer, word(record, simd.NormalizeIn).Add(at.Get()), out.Get().Add(at.Get()),
			word(record, simd.NormalizeGamma), word(record, simd.NormalizeBeta), columns.Get(), float(record, simd.NormalizeEpsilon))
	}
	f.IfElse(word(record, simd.NormalizeQuantized), func() {
		e.quantized(f, q, record, t, out, word(record, simd.NormalizeMultiplier), word(record, simd.NormalizeQuantized), normalized)
	}, func() {
		row := Let(f, t.first.Get())
		f.For(row, t.first.Get().Add(t.rows.Get()), 1, func() { normalized(row) })
	})
	return kernel{run: f, pieces: e.tilesOf}
}
