package webgpu

import "bedside/kernels"

// widenGroups bounds the workgroups of widen.wgsl, of 64 words each at a time.
const widenGroups = 4096

func (r *recording) widen(o kernels.Widen) error {
	count := int(o.In.Bytes / 2)
	n := min(cover(count, 128), widenGroups)
	r.dispatch(Pipeline{Shader: "widen"}, [3]int{n, 1, 1}, []uint32{uint32(count), uint32(64 * n)}, o.In, o.Out)
	return nil
}
