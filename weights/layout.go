package weights

import (
	"cmp"
	"fmt"
	"slices"
)

// Arrange orders tensors by falling element width, so that each is aligned, sets
// m.Tensors, and answers the safetensors header and the tensors as they follow it. It
// refuses floats that are not finite.
func (m *Manifest) Arrange(tensors []Values) ([]byte, []Values, error) {
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b Values) int { return cmp.Compare(widths[b.DType], widths[a.DType]) })
	m.Tensors = nil
	for _, v := range tensors {
		t := Tensor{Name: v.Name, DType: v.DType, Shape: v.Shape, Size: int64(len(v.Data))}
		if size, err := t.bytes(); err != nil || size != t.Size {
			return nil, nil, fmt.Errorf("tensor %q: %d bytes of data do not fit %s %v", v.Name, t.Size, t.DType, t.Shape)
		}
		if err := v.checkFinite(); err != nil {
			return nil, nil, err
		}
		m.Tensors = append(m.Tensors, t)
	}
	header := header(m.Tensors)
	at := int64(len(header))
	for i := range m.Tensors {
		m.Tensors[i].Offset = at
		at += m.Tensors[i].Size
	}
	if at > MaxStreamBytes {
		return nil, nil, fmt.Errorf("%d bytes of tensors, a bundle holds at most %d", at, int64(MaxStreamBytes))
	}
	return header, tensors, nil
}

// Layout is Arrange, with all in one piece: the safetensors stream.
func (m *Manifest) Layout(tensors []Values) ([]byte, error) {
	stream, ordered, err := m.Arrange(tensors)
	if err != nil {
		return nil, err
	}
	for _, v := range ordered {
		stream = append(stream, v.Data...)
	}
	return stream, nil
}

// checkFinite refuses floats whose exponent is all ones: infinities and NaN.
func (v Values) checkFinite() error {
	var exponent, width int // of the highest 16 bits; in bytes
	switch v.DType {
	case F32:
		exponent, width = 0x7f80, 4
	case F16:
		exponent, width = 0x7c00, 2
	default:
		return nil
	}
	for end := width; end <= len(v.Data); end += width {
		if high := int(v.Data[end-1])<<8 | int(v.Data[end-2]); high&exponent == exponent {
			return fmt.Errorf("tensor %q: element %d is infinite or NaN", v.Name, end/width-1)
		}
	}
	return nil
}
