package webgpu

import "slices"

// Wanted are the pipelines that encoders in int8 use: hosts begin with them before the first program comes. Others
// are compiled when they are.
func Wanted(l Limits) []Pipeline {
	var all []Pipeline
	for _, of := range []func(Limits) []Pipeline{embedPipelines, normalizePipelines, quantizePipelines, linearPipelines,
		linearFloatPipelines, attentionPipelines, activatePipelines, poolPipelines} {
		all = slices.Concat(all, of(l))
	}
	return all
}

// Kinds are the kinds of adapters that get different pipelines, by their letters: p where Limits.Packed, q where Limits.Quads,
// w where a workgroup has memory.
func Kinds() map[string]Limits {
	kinds := map[string]Limits{}
	for i := range 8 {
		var kind string
		l := Limits{Binding: 128 << 20, Invocations: 256} // what every adapter has
		if i&1 != 0 {
			kind, l.Packed = kind+"p", true
		}
		if i&2 != 0 {
			kind, l.Quads = kind+"q", true
		}
		if i&4 != 0 {
			kind, l.Workgroup = kind+"w", 16384
		}
		kinds[kind] = l
	}
	return kinds
}
