package emit

import (
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// pool: a piece is a sequence.
func (e *emitter) pool() kernel {
	f, record, piece, _ := e.piece()
	columns := Let(f, word(record, simd.Columns))
	stride := Let(f, columns.Get().Mul(Const(4)))
	sequence := Let(f, word(record, simd.PoolSequences).Add(piece.Get().Mul(Const(4*simd.SequenceWords))))
	in := Let(f, word(record, simd.PoolIn).Add(LoadI32(sequence.Get(), 0).Mul(stride.Get())))
	out := Let(f, word(record, simd.PoolOut).Add(piece.Get().Mul(stride.Get())))
	f.IfElse(word(record, simd.PoolMean), func() {
		e.mean(f, in, out, columns, stride, LoadI32(sequence.Get(), 8))
	}, func() {
		f.Copy(out.Get(), in.Get(), stride.Get())
	})
	return kernel{run: f, pieces: func(f *Func, record Var[I32]) I32 { return word(record, simd.Rows) }}
}

// mean adds the rows 16 columns at a time, in blocks of meanBlock rows, so that no sum has many terms.
const meanBlock = 32

func (e *emitter) mean(f *Func, in, out, columns, stride Var[I32], rows I32) {
	n := Let(f, rows)
	divisor := Let(f, SplatF32(n.Get().ToF32()))
	x, y := floats(in), floats(out)
	at := floats(Local[I32](f))
	left, block := Local[I32](f), Local[I32](f)
	sums, part := Locals[F32x4](f, 4), Locals[F32x4](f, 4)
	clear := func(v []Var[F32x4]) {
		for i := range v {
			v[i].Set(ConstF32x4(0))
		}
	}
	walk(f, columns.Get(), []array{x, y}, func(s step) {
		clear(sums)
		at.at.Set(x.at.Get())
		left.Set(n.Get())
		f.Loop(func(again Label) {
			clear(part)
			block.Set(left.Get().Min(Const(meanBlock)))
			left.Set(left.Get().Sub(block.Get()))
			f.Loop(func(next Label) {
				for i := range s.vectors() {
					part[i].Set(part[i].Get().Add(s.load(at, i)))
				}
				at.at.Set(at.at.Get().Add(stride.Get()))
				block.Set(block.Get().Sub(Const(1)))
				next.BranchIf(block.Get())
			})
			for i := range s.vectors() {
				sums[i].Set(sums[i].Get().Add(part[i].Get()))
			}
			again.BranchIf(left.Get())
		})
		for i := range s.vectors() {
			s.store(y, i, sums[i].Get().Div(divisor.Get()))
		}
	})
}
