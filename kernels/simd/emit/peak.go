package emit

import . "bedside/kernels/simd/asm"

// peakSums is the independent sums that keep a CPU's multipliers busy and fit its registers.
const peakSums = 12

// PeakMACs is the multiply-accumulates in a round of Peak.
func PeakMACs(v Variant, floats bool) int {
	if floats {
		return peakSums * 4
	}
	if v.Product == Dot16 {
		return peakSums * 8
	}
	return peakSums * 16
}

// Peak is a module whose probe multiplies registers, without a load or a store: the
// ceiling of a variant's linear layers, in integers or in floats.
func Peak(v Variant, floats bool) []byte {
	e := &emitter{Module: NewModule("kernels", "memory", 2, 0), Variant: v}
	f := e.Func()
	rounds := Parameter[I32](f)
	Result[I32](f)
	if floats {
		e.peakFloats(f, rounds)
	} else {
		e.peakIntegers(f, rounds)
	}
	e.Export("probe", f)
	return e.Bytes()
}

const peakUnrolled = 4

func peakLoop(f *Func, rounds Var[I32], body func()) {
	f.Loop(func(again Label) {
		for range peakUnrolled {
			body()
		}
		rounds.Set(rounds.Get().Sub(Const(peakUnrolled)))
		again.BranchIf(rounds.Get().GtS(Const(0)))
	})
}

func (e *emitter) peakIntegers(f *Func, rounds Var[I32]) {
	sums := Locals[I32x4](f, peakSums)
	a, b := Local[I8x16](f), Local[I8x16](f)
	a.Set(SplatI32(rounds.Get()).I8x16())
	b.Set(SplatI32(rounds.Get().And(Const(0x7f7f7f7f))).I8x16())
	// each product takes its own sum, so that none is the same in the next turn
	peakLoop(f, rounds, func() {
		for i, s := range sums {
			x := a
			if i%2 == 1 {
				x = b
			}
			switch e.Product {
			case DotAdd:
				s.Set(x.Get().RelaxedDotAdd(b.Get(), s.Get()))
			case RelaxedDot:
				s.Set(s.Get().Add(s.Get().I8x16().RelaxedDot(b.Get()).Pairs()))
			default:
				s.Set(s.Get().Add(s.Get().I16x8().Dot(x.Get().I16x8())))
			}
		}
	})
	total := sums[0].Get()
	for _, s := range sums[1:] {
		total = total.Add(s.Get())
	}
	f.Return(total.Lane(0))
}

func (e *emitter) peakFloats(f *Func, rounds Var[I32]) {
	sums := Locals[F32x4](f, peakSums)
	a, b := Let(f, SplatF32(rounds.Get().ToF32())), Let(f, ConstF32x4(1e-9))
	peakLoop(f, rounds, func() {
		for _, s := range sums {
			s.Set(s.Get().MulAdd(b.Get(), a.Get(), e.Relaxed))
		}
	})
	total := sums[0].Get()
	for _, s := range sums[1:] {
		total = total.Add(s.Get())
	}
	f.Return(total.Lane(0).ToI32())
}
