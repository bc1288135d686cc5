package webgpu

import (
	"math"
	"slices"

	"bedside/kernels"
)

// What attention.wgsl is written for.
const (
	attentionTile   = 32                  // queries of a block, and columns of a chunk
	attentionTable  = 128                 // blocks of a dispatch
	mostChunks      = 4                   // of a slab
	mostAlone       = 64                  // columns of which each chunk is a slab
	attentionMemory = 4*3*32*33 + 4*4*8*8 // of a workgroup
)

// blockStep is what blocks are rounded up to, so that batches of about the same length share a list.
const blockStep = 4

func attentionPipelines(l Limits) []Pipeline {
	p, _ := attentionPipeline(l, mostAlone)
	return []Pipeline{p}
}

// attentionPipeline is the shader for heads of a size, and how many slabs of its columns it makes apart. Up to
// mostAlone columns, slabs of one chunk make up in parallel for the scores that each makes anew.
func attentionPipeline(l Limits, size int) (p Pipeline, slabs int) {
	switch {
	case l.quads():
		return Pipeline{Shader: "attention_quads+attention_scores+quantization"}, 1
	case l.Workgroup < attentionMemory:
		return Pipeline{Shader: "attention_direct+attention_scores"}, 1
	}
	chunks := 1
	if size > mostAlone {
		chunks = mostChunks
	}
	return Pipeline{"attention", []Constant{{"chunks", uint32(chunks)}}}, cover(size, chunks*attentionTile)
}

// attention is one dispatch for up to attentionTable blocks of queries; what they answer is quantized too, where that is asked for.
func (r *recording) attention(o kernels.Attention, quantize *kernels.Quantize) error {
	size := o.Out.Columns / o.Heads
	if r.device.limits.quads() {
		return r.attentionQuads(o, quantize)
	}
	p, slabs := attentionPipeline(r.device.limits, size)
	for blocks := range slices.Chunk(attentionBlocks(o.Sequences), attentionTable) {
		params := append([]uint32{uint32(o.Out.Columns), uint32(size), scoreScale(size), 0}, tabled(blocks)...)
		r.dispatch(p, [3]int{kernels.Padded(len(blocks), blockStep), o.Heads, slabs}, params, o.QKV.Buffer, o.Out.Buffer)
	}
	return nil
}

// attentionQuads is likewise, all heads in one workgroup.
func (r *recording) attentionQuads(o kernels.Attention, quantize *kernels.Quantize) error {
	size := o.Out.Columns / o.Heads
	p, _ := attentionPipeline(r.device.limits, size)
	multiplier, values, scales := r.device.nothing[0], r.device.nothing[1], r.device.nothing[2]
	quantizes, multiplied := uint32(0), uint32(0)
	if quantize != nil {
		quantizes, multiplied = 1, one(quantize.Multiplier.Bytes != 0)
		multiplier = r.or(quantize.Multiplier, 0)
		values, scales = r.device.quantized(quantize.Out)
	}
	for blocks := range slices.Chunk(attentionBlocks(o.Sequences), attentionTable) {
		params := append([]uint32{uint32(o.Out.Columns), uint32(size), scoreScale(size), quantizes, multiplied, 0, 0, 0}, tabled(blocks)...)
		r.dispatch(p, [3]int{kernels.Padded(len(blocks), blockStep), 1, 1}, params, o.QKV.Buffer, o.Out.Buffer, multiplier, values, scales)
	}
	return nil
}

// quantizedByAttention is the quantization behind o, where the same shader can do both: of all rows and no others, and of no
// activation, which would change them.
func (r *recording) quantizedByAttention(o kernels.Attention, rest []kernels.Op) (kernels.Quantize, bool) {
	if len(rest) == 0 || !r.device.limits.quads() {
		return kernels.Quantize{}, false
	}
	q, ok := rest[0].(kernels.Quantize)
	if !ok || q.In != o.Out || q.Activation != kernels.Identity || overlap(q.Out.Buffer, o.QKV.Buffer) {
		return kernels.Quantize{}, false
	}
	next := 0
	for _, s := range o.Sequences {
		if s.First != next {
			return kernels.Quantize{}, false
		}
		next += s.Rows
	}
	return q, next == q.In.Rows
}

// scoreScale makes scores powers of 2.
func scoreScale(size int) uint32 { return bits(float32(math.Log2E / math.Sqrt(float64(size)))) }

// tabled is blocks as shaders have them, with room for as many as a dispatch takes.
func tabled(blocks [][4]uint32) []uint32 {
	table := make([]uint32, 4*attentionTable)
	for i, b := range blocks {
		copy(table[4*i:], b[:])
	}
	return table
}

// attentionBlocks are first query's row, queries, first key's row and keys.
func attentionBlocks(sequences []kernels.Sequence) [][4]uint32 {
	var blocks [][4]uint32
	for _, s := range sequences {
		for at := 0; at < s.Rows; at += attentionTile {
			blocks = append(blocks, [4]uint32{uint32(s.First + at), uint32(min(attentionTile, s.Rows-at)), uint32(s.First), uint32(s.Keys)})
		}
	}
	return blocks
}
