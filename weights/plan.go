package weights

// Segment is a run of bytes of one shard that belongs to one tensor.
type Segment struct {
	Shard        int   // index in Manifest.Shards
	ShardOffset  int64 // where the run begins in the shard
	Length       int64
	Tensor       int   // index in Manifest.Tensors, or Header
	TensorOffset int64 // where the run begins in the tensor
}

// Header stands in Segment.Tensor for the safetensors header.
const Header = -1

// StreamBytes is the length of the whole stream.
func (m *Manifest) StreamBytes() int64 {
	var total int64
	for _, s := range m.Shards {
		total += s.Size
	}
	return total
}

// HeaderBytes is the length of the safetensors header with its 8-byte size.
func (m *Manifest) HeaderBytes() int64 { return m.Tensors[0].Offset }

// Plan lists where each byte of the shards goes, in stream order. The manifest must
// have come from ParseManifest.
func (m *Manifest) Plan() []Segment {
	type run struct {
		tensor       int
		offset, size int64
	}
	runs := []run{{Header, 0, m.HeaderBytes()}}
	for i, t := range m.Tensors {
		runs = append(runs, run{i, t.Offset, t.Size})
	}
	var plan []Segment
	var begin int64
	for i, shard := range m.Shards {
		end := begin + shard.Size
		for _, r := range runs {
			from, to := max(begin, r.offset), min(end, r.offset+r.size)
			if from < to {
				plan = append(plan, Segment{i, from - begin, to - from, r.tensor, from - r.offset})
			}
		}
		begin = end
	}
	return plan
}
