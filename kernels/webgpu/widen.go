package webgpu

import (
	"fmt"

	"bedside/kernels"
)

// widenGroups bounds the workgroups of widen.wgsl, of 64 words each at a time.
const widenGroups = 4096

func (r *recording) widen(o kernels.Widen) error {
	for at := uint32(0); at < o.In.Bytes; {
		bytes := min(r.device.bindable(o.In, at), r.device.bindable(o.Out, 2*at)/2)
		if bytes == 0 {
			return fmt.Errorf("%d bytes cannot be bound: %w", o.In.Bytes, kernels.ErrMemory)
		}
		count := int(bytes / 2)
		n := min(cover(count, 128), widenGroups)
		r.dispatch(Pipeline{Shader: "widen"}, [3]int{n, 1, 1}, []uint32{uint32(count), uint32(64 * n)},
			kernels.Buffer{Address: o.In.Address + at, Bytes: bytes}, kernels.Buffer{Address: o.Out.Address + 2*at, Bytes: 2 * bytes})
		at += bytes
	}
	return nil
}
