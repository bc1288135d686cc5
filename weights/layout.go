package weights

import (
	"cmp"
	"fmt"
	"slices"
)

// Layout orders tensors by falling element width, so that each is aligned, sets
// m.Tensors and returns the safetensors stream.
func (m *Manifest) Layout(tensors []Values) ([]byte, error) {
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b Values) int { return cmp.Compare(widths[b.DType], widths[a.DType]) })
	m.Tensors = nil
	for _, v := range tensors {
		t := Tensor{Name: v.Name, DType: v.DType, Shape: v.Shape, Size: int64(len(v.Data))}
		if size, err := t.bytes(); err != nil || size != t.Size {
			return nil, fmt.Errorf("tensor %q: %d bytes of data do not fit %s %v", v.Name, t.Size, t.DType, t.Shape)
		}
		m.Tensors = append(m.Tensors, t)
	}
	stream := header(m.Tensors)
	for i, v := range tensors {
		m.Tensors[i].Offset = int64(len(stream))
		stream = append(stream, v.Data...)
	}
	return stream, nil
}
