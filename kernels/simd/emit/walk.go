package emit

import . "bedside/kernels/simd/asm"

// array is a pointer into an array of elements of so many bytes.
type array struct {
	at    Var[I32]
	bytes int32
}

func floats(at Var[I32]) array { return array{at, 4} }

// step is what one turn of a walk handles: 16 elements, or a single one in lane 0.
type step struct {
	f      *Func
	single bool
}

// vectors is the vectors of four elements in a turn.
func (s step) vectors() int {
	if s.single {
		return 1
	}
	return 4
}

// load is vector n of a turn's floats; around a single one are zeros.
func (s step) load(a array, n int) F32x4 {
	if s.single {
		return LoadLow32[F32x4](a.at.Get(), 0)
	}
	return Load[F32x4](a.at.Get(), uint32(16*n))
}

func (s step) store(a array, n int, x F32x4) {
	if s.single {
		s.f.StoreLane32(a.at.Get(), 0, x.I32x4(), 0)
		return
	}
	Store(s.f, a.at.Get(), uint32(16*n), x)
}

// present clears what does not belong to the turn.
func (s step) present(x F32x4) F32x4 {
	if s.single {
		return ConstI32x4(0).F32x4().Shuffle(x, [4]byte{4, 1, 2, 3})
	}
	return x
}

// walk moves arrays on over n elements, 16 at a time and then one at a time.
func walk(f *Func, n I32, arrays []array, body func(s step)) {
	left := Let(f, n)
	turns := func(s step, elements int32) {
		f.If(left.Get().GeS(Const(elements)), func() {
			f.Loop(func(again Label) {
				body(s)
				for _, a := range arrays {
					a.at.Set(a.at.Get().Add(Const(a.bytes * elements)))
				}
				left.Set(left.Get().Sub(Const(elements)))
				again.BranchIf(left.Get().GeS(Const(elements)))
			})
		})
	}
	turns(step{f, false}, 16)
	turns(step{f, true}, 1)
}
