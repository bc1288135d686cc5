package emit

import (
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// The control block, at the start of memory. A thread claims a piece by adding 1 to the
// 64 bits at claim: below, the piece; above, the turn, which is the run's number in its
// high and the operation's in its low 16 bits. The turn moves on when all pieces are done.
const (
	claim   = 64
	turn    = claim + 4
	done    = 72 // pieces of the turn that are done
	program = 76
)

const (
	spins      = 4000          // looks at the turn before a thread sleeps, some microseconds
	courtesy   = 5_000_000     // nanoseconds that a helper waits for a run to begin
	patience   = 5_000_000_000 // nanoseconds without progress after which a run is given up
	maxRecords = 1 << 16
)

// driver exports run and help.
func (e *emitter) driver(kernels []kernel) {
	perform := e.perform(kernels)
	count := e.count(kernels)
	if !e.Shared {
		e.alone(perform, count)
		return
	}
	work := e.work(perform)
	e.lead(work, count)

	e.help(work)
}

// help exports what the other threads do. They are told of a run before it begins, and may
// be here first.
func (e *emitter) help(work *Func) {
	f := e.Func()
	thread := Parameter[I32](f)
	zero := Const(0)
	seen := Local[I32](f)
	f.Block(func(over Label) {
		f.Loop(func(again Label) {
			seen.Set(AtomicLoadI32(zero, turn))
			idle := seen.Get().And(Const(0xffff)).GeU(LoadI32(AtomicLoadI32(zero, program), 0))
			f.If(idle, func() {
				over.BranchIf(AtomicWait(zero, turn, seen.Get(), Const64(courtesy)).Eq(Const(2)))
				again.Branch()
			})
		})
		f.Drop(f.CallI32(work, thread.Get(), Const(0)))
	})
	e.Export("help", f)
}

// perform runs a piece of a record.
func (e *emitter) perform(kernels []kernel) *Func {
	f, record, piece, scratch := e.piece()
	cases := make([]func(), len(kernels))
	for i, k := range kernels {
		cases[i] = func() {
			if k.run != nil {
				f.Call(k.run, record.Get(), piece.Get(), scratch.Get())
			}
		}
	}
	f.Switch(word(record, simd.Opcode), cases, func() {})
	return f
}

// count is the number of pieces of a record, 0 for an opcode there is none of.
func (e *emitter) count(kernels []kernel) *Func {
	f := e.Func()
	record := Parameter[I32](f)
	Result[I32](f)
	cases := make([]func(), len(kernels))
	for i, k := range kernels {
		cases[i] = func() {
			if k.pieces != nil {
				f.Return(k.pieces(f, record))
			}
		}
	}
	f.Switch(word(record, simd.Opcode), cases, func() {})
	f.Return(Const(0))
	return f
}

// each runs body for every record of the program.
func each(f *Func, program I32, body func(record Var[I32])) {
	record := Let(f, program.Add(Const(4*simd.HeaderWords)))
	end := Let(f, record.Get().Add(LoadI32(program, 0).Mul(Const(4*simd.RecordWords))))
	f.For(record, end.Get(), 4*simd.RecordWords, func() { body(record) })
}

// alone exports run and step for one thread.
func (e *emitter) alone(perform, count *Func) {
	whole := e.Func() // one record
	record, scratch := Parameter[I32](whole), Parameter[I32](whole)
	Result[I32](whole)
	pieces := Let(whole, whole.CallI32(count, record.Get()))
	whole.If(pieces.Get().Eqz(), func() { whole.Return(Const(2)) })
	piece := Local[I32](whole)
	whole.For(piece, pieces.Get(), 1, func() {
		whole.Call(perform, record.Get(), piece.Get(), scratch.Get())
	})
	whole.Return(Const(0))

	run := e.Func()
	program := Parameter[I32](run)
	Result[I32](run)
	answer := Local[I32](run)
	each(run, program.Get(), func(record Var[I32]) {
		answer.Set(run.CallI32(whole, record.Get(), LoadI32(program.Get(), 4)))
		run.If(answer.Get(), func() { run.Return(answer.Get()) })
	})
	run.Return(Const(0))
	e.Export("run", run)

	step := e.Func()
	program, n := Parameter[I32](step), Parameter[I32](step)
	Result[I32](step)
	at := program.Get().Add(Const(4 * simd.HeaderWords)).Add(n.Get().Mul(Const(4 * simd.RecordWords)))
	step.Return(step.CallI32(whole, at, LoadI32(program.Get(), 4)))
	e.Export("step", step)
}

// lead exports run for the thread that others help.
func (e *emitter) lead(work, count *Func) {
	f := e.Func()
	at := Parameter[I32](f)
	Result[I32](f)
	pieces := Local[I32](f)
	zero := Const(0)
	f.If(LoadI32(at.Get(), 0).GeU(Const(maxRecords)), func() { f.Return(Const(2)) })
	// A helper of the run before may still be on its way out: it takes a piece only if the
	// run's number has stayed what it was, so that changes before the pieces are known.
	next := Let(f, AtomicLoadI32(zero, turn).ShrU(16).Add(Const(1)).Shl(16))
	f.AtomicStoreI64(zero, claim, Wide(next.Get().Or(Const(maxRecords-1)), Const(0)))
	f.AtomicStoreI32(zero, program, at.Get())
	f.AtomicStoreI32(zero, done, Const(0))
	each(f, at.Get(), func(record Var[I32]) {
		pieces.Set(f.CallI32(count, record.Get()))
		f.If(pieces.Get().Eqz(), func() { f.Return(Const(2)) })
		f.AtomicStoreI32(record.Get(), 4*simd.Pieces, pieces.Get())
	})
	f.AtomicStoreI64(zero, claim, Wide(next.Get(), Const(0)))
	f.Drop(AtomicNotify(zero, turn, Const(-1)))
	f.Return(f.CallI32(work, Const(0), Const(1)))
	e.Export("run", f)
}

// work performs pieces until the run is over: 0, or 1 when nothing has moved for too long.
func (e *emitter) work(perform *Func) *Func {
	f := e.Func()
	thread, leads := Parameter[I32](f), Parameter[I32](f)
	Result[I32](f)
	zero := Const(0)
	claimed := Local[I64](f)
	mine, record, pieces, at, scratch, n, before := Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f), Local[I32](f)
	f.Loop(func(again Label) {
		claimed.Set(AtomicAddI64(zero, claim, Const64(1)))
		mine.Set(claimed.Get().High())
		at.Set(AtomicLoadI32(zero, program))
		f.If(mine.Get().And(Const(0xffff)).GeU(LoadI32(at.Get(), 0)), func() { f.Return(Const(0)) })
		record.Set(at.Get().Add(Const(4 * simd.HeaderWords)).Add(mine.Get().And(Const(0xffff)).Mul(Const(4 * simd.RecordWords))))
		pieces.Set(AtomicLoadI32(record.Get(), 4*simd.Pieces))
		again.BranchIf(AtomicLoadI32(zero, turn).ShrU(16).Ne(mine.Get().ShrU(16)))

		f.If(claimed.Get().Low().LtU(pieces.Get()), func() {
			scratch.Set(LoadI32(at.Get(), 4).Add(LoadI32(at.Get(), 8).Mul(thread.Get())))
			f.Call(perform, record.Get(), claimed.Get().Low(), scratch.Get())
			f.If(AtomicAddI32(zero, done, Const(1)).Add(Const(1)).Eq(pieces.Get()), func() {
				f.AtomicStoreI32(zero, done, Const(0))
				f.AtomicStoreI64(zero, claim, Wide(mine.Get().Add(Const(1)), Const(0)))
				f.Drop(AtomicNotify(zero, turn, Const(-1)))
			})
			again.Branch()
		})

		n.Set(Const(spins))
		f.Loop(func(spin Label) {
			again.BranchIf(AtomicLoadI32(zero, turn).Ne(mine.Get()))
			n.Set(n.Get().Sub(Const(1)))
			spin.BranchIf(n.Get())
		})
		before.Set(AtomicLoadI32(zero, done))
		f.If(AtomicWait(zero, turn, mine.Get(), Const64(patience)).Eq(Const(2)).And(AtomicLoadI32(zero, done).Eq(before.Get())), func() {
			f.If(leads.Get(), func() { f.Return(Const(1)) })
			f.If(AtomicLoadI32(zero, turn).Eq(mine.Get()), func() { f.Return(Const(1)) })
		})
		again.Branch()
	})
	f.Return(Const(0))
	return f
}
