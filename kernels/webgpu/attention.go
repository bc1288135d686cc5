package webgpu

import (
	"math"

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
	if l.Workgroup < attentionMemory {
		return Pipeline{Shader: "attention_direct"}, 1
	}
	chunks := 1
	if size > mostAlone {
		chunks = mostChunks
	}
	return Pipeline{"attention", []Constant{{"chunks", uint32(chunks)}}}, cover(size, chunks*attentionTile)
}

// attention is one dispatch for up to attentionTable blocks of queries.
func (r *recording) attention(o kernels.Attention) error {
	size := o.Out.Columns / o.Heads
	p, slabs := attentionPipeline(r.device.limits, size)
	blocks := attentionBlocks(o.Sequences)
	for len(blocks) > 0 {
		n := min(len(blocks), attentionTable)
		params := make([]uint32, 4+4*attentionTable)
		params[0], params[1], params[2] = uint32(o.Out.Columns), uint32(size), bits(float32(math.Log2E/math.Sqrt(float64(size))))
		for i, b := range blocks[:n] {
			copy(params[4+4*i:], b[:])
		}
		r.dispatch(p, [3]int{kernels.Padded(n, blockStep), o.Heads, slabs}, params, o.QKV.Buffer, o.Out.Buffer)
		blocks = blocks[n:]
	}
	return nil
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
