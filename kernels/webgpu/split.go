package webgpu

import (
	"iter"

	"bedside/kernels"
)

// cutStep is what the parts of a large buffer are multiples of: halves, and the floats that they widen to, may both be bound.
const cutStep = 2 * alignment

// buffer is the most bytes of one GPU buffer, rounded down to cutStep.
func (l Limits) buffer() uint64 { return uint64(max(l.Binding, l.Buffer)) / cutStep * cutStep }

// bindable is how many bytes of b from at on one binding can hold.
func (d *Device) bindable(b kernels.Buffer, at uint32) uint32 {
	end := b.Address + b.Bytes
	for _, e := range d.ends {
		if e > b.Address+at {
			end = min(end, e)
			break
		}
	}
	n := end - (b.Address + at)
	if n > d.limits.Binding {
		n = d.limits.Binding / cutStep * cutStep
	}
	return n
}

// pieces are parts of b, each of which can be bound, by where they begin in it.
func (d *Device) pieces(b kernels.Buffer) iter.Seq2[uint32, kernels.Buffer] {
	return func(yield func(uint32, kernels.Buffer) bool) {
		for at := uint32(0); at < b.Bytes; {
			n := d.bindable(b, at)
			if n == 0 || !yield(at, kernels.Buffer{Address: b.Address + at, Bytes: n}) {
				return
			}
			at += n
		}
	}
}

// partStep is what outputs are multiples of where a part of them begins, so that four bytes for each can be bound.
const partStep = alignment / 4

// outputs are those of a dense layer in parts, as the first and how many. All together, where its weights can be bound or
// cannot be even in parts; a dispatch refuses them then.
func (d *Device) outputs(weights kernels.Buffer, all, panel int) iter.Seq2[int, int] {
	most := all
	if n := int(d.bindable(weights, 0)); n < int(weights.Bytes) {
		most = max(partStep, n/(panel*partStep/kernels.PanelWidth)*partStep)
	}
	return func(yield func(int, int) bool) {
		for first := 0; first < all; first += most {
			if !yield(first, min(most, all-first)) {
				return
			}
		}
	}
}

// panels are what of b belongs to n outputs from first on, in whole panels of so many bytes an output.
func panels(b kernels.Buffer, bytes, first, n int) kernels.Buffer {
	return kernels.Buffer{Address: b.Address + uint32(bytes*first), Bytes: uint32(bytes * kernels.Padded(n, kernels.PanelWidth))}
}

// behind is a matrix from a column of its first row on.
func behind(b kernels.Buffer, column int) kernels.Buffer {
	return kernels.Buffer{Address: b.Address + uint32(4*column), Bytes: b.Bytes - uint32(4*column)}
}
