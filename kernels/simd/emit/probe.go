package emit

import (
	"bedside/kernels/simd"
	. "bedside/kernels/simd/asm"
)

// The probe's layer fits the memory that ABI.md gives it: 60 rows divide into tiles of 5
// and of 6.
const (
	probeRows    = 60
	probeInputs  = 128
	probeOutputs = 96

	probeRecord  = 4096
	probeScales  = probeRecord + 4*simd.RecordWords + 48
	probeSums    = probeScales + 4*probeOutputs
	probeBias    = probeSums + 4*probeOutputs
	probeWeights = probeBias + 4*probeOutputs
	probeIn      = probeWeights + probeInputs*probeOutputs
	probeOut     = probeIn + 8*probeRows + 32 + 2*probeRows*probeInputs // also the floats that are quantized
)

// probe exports the timing of linear layers.
func (e *emitter) probe(quantize, linear kernel) {
	f := e.Func()
	rounds := Parameter[I32](f)
	Result[I32](f)
	zero := Const(0)
	set := func(n int, v int32) { f.StoreI32(zero, probeRecord+uint32(4*n), Const(v)) }
	i := Local[I32](f)
	record, piece := Let(f, Const(probeRecord)), Local[I32](f)
	run := func(k kernel) {
		piece.Set(zero)
		f.For(piece, k.pieces(f, record), 1, func() { f.Call(k.run, record.Get(), piece.Get(), zero) })
	}

	// weights of -127 to 127 and activations of -1 to 1, scattered by multiplying
	f.For(i, Const(probeInputs*probeOutputs), 1, func() {
		f.StoreByte(i.Get(), probeWeights, i.Get().Mul(Const(-1640531527)).ShrU(20).RemU(Const(255)).Sub(Const(127)))
	})
	i.Set(zero)
	f.For(i, Const(probeOutputs), 1, func() {
		f.StoreF32(i.Get().Shl(2), probeScales, ConstF32(1))
		f.StoreI32(i.Get().Shl(2), probeSums, i.Get())
		f.StoreF32(i.Get().Shl(2), probeBias, ConstF32(0))
	})
	i.Set(zero)
	f.For(i, Const(probeRows*probeInputs), 1, func() {
		f.StoreF32(i.Get().Shl(2), probeOut, i.Get().Mul(Const(-1640531527)).ToF32().Mul(ConstF32(1.0/(1<<31))))
	})

	set(simd.Rows, probeRows)
	set(simd.Columns, probeInputs)
	set(simd.QuantizeIn, probeOut)
	set(simd.QuantizeActivation, 0)
	set(simd.QuantizeMultiplier, 0)
	set(simd.QuantizeOut, probeIn)
	run(quantize)

	set(simd.Columns, probeOutputs)
	set(simd.LinearIn, probeIn)
	set(simd.LinearInputs, probeInputs)
	set(simd.LinearWeights, probeWeights)
	set(simd.LinearBias, probeBias)
	set(simd.LinearResidual, 0)
	set(simd.LinearOut, probeOut)
	set(simd.LinearScales, probeScales)
	set(simd.LinearSums, probeSums)
	f.Loop(func(again Label) {
		run(linear)
		rounds.Set(rounds.Get().Sub(Const(1)))
		again.BranchIf(rounds.Get().GtS(zero))
	})

	sum := Local[I32](f)
	i.Set(zero)
	f.For(i, Const(4*probeRows*probeOutputs), 4, func() {
		sum.Set(sum.Get().Mul(Const(31)).Add(LoadI32(i.Get(), probeOut)))
	})
	f.Return(sum.Get())
	e.Export("probe", f)
}
