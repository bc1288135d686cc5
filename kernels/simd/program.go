// Package simd runs programs on WebAssembly SIMD kernels that live in a module of their
// own; see ABI.md. It encodes programs and plans memory; kernels/simd/emit makes the kernels.
package simd

import (
	"encoding/binary"
	"math"

	"bedside/kernels"
)

// A program in the device's memory is a header of HeaderWords 32-bit words, then
// records of RecordWords words each, then the tables that records point to.
const (
	HeaderWords = 4 // records, address of the scratch memory, its bytes a thread, 0
	RecordWords = 20
)

// The first words of every record. Pieces is 0 in memory; kernels fill it in.
const (
	Opcode = iota
	Pieces
	Rows
	Columns
	operands // the first word that differs between operations
)

// Opcodes.
const (
	OpEmbed = iota
	OpNormalize
	OpQuantize
	OpLinear
	OpLinearFloat
	OpAttention
	OpActivate
	OpPool
	OpWiden
	Opcodes
)

// Words of Embed. Absent buffers are 0, here and below.
const (
	EmbedTokens = operands + iota
	EmbedPlaces
	EmbedKinds
	EmbedWord
	EmbedWordScales
	EmbedPositions
	EmbedPositionScales
	EmbedTypes
	EmbedTypeScales
	EmbedGamma
	EmbedBeta
	EmbedEpsilon
	EmbedOut
)

// Words of Normalize.
const (
	NormalizeIn = operands + iota
	NormalizeGamma
	NormalizeBeta
	NormalizeEpsilon
	NormalizeOut
	NormalizeMultiplier
	NormalizeQuantized
)

// Words of Quantize.
const (
	QuantizeIn = operands + iota
	QuantizeActivation
	QuantizeMultiplier
	QuantizeOut
)

// Words of Linear and LinearFloat; Columns is the outputs.
const (
	LinearIn = operands + iota
	LinearInputs
	LinearWeights
	LinearBias
	LinearResidual
	LinearOut
	LinearScales
	LinearSums
)

// Words of Attention; Columns is those of Out. Sequences is the address of a table of First,
// Rows, Keys.
const (
	AttentionQKV = operands + iota
	AttentionHeads
	AttentionSequences
	AttentionCount
	AttentionOut
	AttentionScale // 1/√d, float32
)

// Words of Activate.
const (
	ActivateInOut = operands + iota
	ActivateActivation
)

// Words of Pool; Rows is the sequences.
const (
	PoolIn = operands + iota
	PoolMean
	PoolSequences
	PoolOut
)

// Words of Widen; Columns is the elements, Rows 1.
const (
	WidenIn = operands + iota
	WidenOut
)

// SequenceWords is the words of a table entry.
const SequenceWords = 3

// QueryBlock is the rows of a sequence in a piece of Attention, at the least where there are
// so many.
const QueryBlock = 96

// encoder appends records and, behind them, tables.
type encoder struct {
	base    uint32 // address of the program
	records int
	out     []byte
	tables  []byte
}

// encode is the program as bytes for address base.
func encode(program []kernels.Op, base, scratch, scratchBytes uint32) []byte {
	e := &encoder{base: base, records: len(program)}
	e.out = make([]byte, 0, encodedBytes(program))
	for _, w := range []uint32{uint32(len(program)), scratch, scratchBytes, 0} {
		e.out = binary.LittleEndian.AppendUint32(e.out, w)
	}
	for _, op := range program {
		e.record(op)
	}
	return append(e.out, e.tables...)
}

// encodedBytes is the length of what encode makes.
func encodedBytes(program []kernels.Op) int {
	words := HeaderWords + RecordWords*len(program)
	for _, op := range program {
		switch o := op.(type) {
		case kernels.Attention:
			words += SequenceWords * len(o.Sequences)
		case kernels.Pool:
			words += SequenceWords * len(o.Sequences)
		}
	}
	return 4 * words
}

func (e *encoder) record(op kernels.Op) {
	switch o := op.(type) {
	case kernels.Embed:
		e.words(OpEmbed, o.Out.Rows, o.Out.Columns, o.Tokens.Address, o.Places.Address, o.Kinds.Address,
			o.Word.Values.Address, o.Word.Scales.Address, o.Positions.Values.Address, o.Positions.Scales.Address,
			o.Types.Values.Address, o.Types.Scales.Address,
			o.Norm.Gamma.Address, o.Norm.Beta.Address, math.Float32bits(o.Norm.Epsilon), o.Out.Address)
	case kernels.Normalize:
		e.words(OpNormalize, o.In.Rows, o.In.Columns, o.In.Address, o.Norm.Gamma.Address, o.Norm.Beta.Address,
			math.Float32bits(o.Norm.Epsilon), o.Out.Address, o.Multiplier.Address, o.Quantized.Address)
	case kernels.Quantize:
		e.words(OpQuantize, o.In.Rows, o.In.Columns, o.In.Address, uint32(o.Activation), o.Multiplier.Address, o.Out.Address)
	case kernels.Linear:
		e.words(OpLinear, o.Out.Rows, o.Out.Columns, o.In.Address, uint32(o.Weights.In), o.Weights.Weights.Address,
			o.Bias.Address, o.Residual.Address, o.Out.Address, o.Weights.Scales.Address, o.Weights.Sums.Address)
	case kernels.LinearFloat:
		e.words(OpLinearFloat, o.Out.Rows, o.Out.Columns, o.In.Address, uint32(o.Weights.In), o.Weights.Weights.Address,
			o.Bias.Address, o.Residual.Address, o.Out.Address)
	case kernels.Attention:
		size := o.Out.Columns / o.Heads
		e.words(OpAttention, o.Out.Rows, o.Out.Columns, o.QKV.Address, uint32(o.Heads), e.table(o.Sequences),
			uint32(len(o.Sequences)), o.Out.Address, math.Float32bits(float32(1/math.Sqrt(float64(size)))))
	case kernels.Activate:
		e.words(OpActivate, o.InOut.Rows, o.InOut.Columns, o.InOut.Address, uint32(o.Activation))
	case kernels.Pool:
		mean := uint32(0)
		if o.Mean {
			mean = 1
		}
		e.words(OpPool, o.Out.Rows, o.Out.Columns, o.In.Address, mean, e.table(o.Sequences), o.Out.Address)
	case kernels.Widen:
		e.words(OpWiden, 1, int(o.In.Bytes/2), o.In.Address, o.Out.Address)
	}
}

func (e *encoder) words(opcode, rows, columns int, rest ...uint32) {
	begin := len(e.out)
	for _, w := range append([]uint32{uint32(opcode), 0, uint32(rows), uint32(columns)}, rest...) {
		e.out = binary.LittleEndian.AppendUint32(e.out, w)
	}
	e.out = append(e.out, make([]byte, begin+4*RecordWords-len(e.out))...)
}

// table puts sequences behind the records and answers their address.
func (e *encoder) table(sequences []kernels.Sequence) uint32 {
	address := e.base + 4*uint32(HeaderWords+RecordWords*e.records) + uint32(len(e.tables))
	for _, s := range sequences {
		for _, w := range []int{s.First, s.Rows, s.Keys} {
			e.tables = binary.LittleEndian.AppendUint32(e.tables, uint32(w))
		}
	}
	return address
}

// scratch is the bytes a thread needs for the largest operation of a program.
func scratch(program []kernels.Op) int {
	need := 0
	for _, op := range program {
		if a, ok := op.(kernels.Attention); ok {
			for _, s := range a.Sequences {
				need = max(need, attentionScratch(s.Keys, a.Out.Columns/a.Heads))
			}
		}
	}
	return need
}

// attentionScratch: the keys of a head, transposed in panels of 8 keys; its values in
// panels of 8 columns; a tile of queries, 8 words a row, and the tile's scores.
func attentionScratch(keys, size int) int {
	keys8, size8 := kernels.Padded(keys, 8), kernels.Padded(size, 8)
	return 4 * (2*keys8*size8 + MaxTile*(size8+8+keys8))
}

// MaxTile is the most rows that a kernel works on at once.
const MaxTile = 8
