package checkpoint

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// MaxRank is the most dimensions a tensor may have.
const MaxRank = 8

// stored is a tensor as a file holds it.
type stored struct {
	dtype   string // as in safetensors
	shape   []int
	strides []int // in elements; nil: row-major without gaps
	file    io.ReaderAt
	at      int64        // the byte of its first element
	verify  func() error // checks the bytes it is part of; may be nil
}

// widths are the bytes of an element, by safetensors' names.
var widths = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8,
}

// maxElements bounds every tensor, so that no product of extents overflows.
const maxElements = 1 << 40

// elements is the product of a shape's extents.
func elements(shape []int) (int64, error) {
	if len(shape) > MaxRank {
		return 0, fmt.Errorf("%d dimensions, at most %d", len(shape), MaxRank)
	}
	n := int64(1)
	for _, extent := range shape {
		if extent < 0 {
			return 0, fmt.Errorf("shape %v", shape)
		}
		if extent > 0 && n > maxElements/int64(extent) {
			return 0, fmt.Errorf("shape %v has too many elements", shape)
		}
		n *= int64(extent)
	}
	return n, nil
}

// setStrides takes strides over, of a tensor that begins offset elements into a storage of
// length elements. The tensor must lie within, and no two of its elements in one place.
func (s *stored) setStrides(strides []int, offset, length int64) error {
	n, err := elements(s.shape)
	if err != nil {
		return err
	}
	if len(strides) != len(s.shape) {
		return fmt.Errorf("%d strides for %d dimensions", len(strides), len(s.shape))
	}
	if offset < 0 || offset > length {
		return fmt.Errorf("it begins at element %d of a storage of %d", offset, length)
	}
	if n == 0 {
		return nil
	}
	var order []int // dimensions of more than one element
	for d, extent := range s.shape {
		if extent > 1 {
			order = append(order, d)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(strides[a], strides[b]) })
	span := int64(1) // elements from the first to behind the last, of the dimensions so far
	for _, d := range order {
		stride := int64(strides[d])
		if stride < span {
			return fmt.Errorf("strides %v of shape %v put several elements in one place", strides, s.shape)
		}
		steps := int64(s.shape[d] - 1)
		if stride > (length-offset-span)/steps {
			span = length + 1
			break
		}
		span += stride * steps
	}
	if span > length-offset {
		return fmt.Errorf("shape %v with strides %v from element %d on does not fit a storage of %d", s.shape, strides, offset, length)
	}
	if span != n || !slices.IsSorted(reversed(order)) {
		s.strides = slices.Clone(strides)
	}
	return nil
}

func reversed(of []int) []int {
	r := slices.Clone(of)
	slices.Reverse(r)
	return r
}

// chunk is how many bytes are read at a time.
const chunk = 1 << 20

// float32s reads the tensor, row-major. An element that is not finite is refused with its
// place.
func (s *stored) float32s() ([]float32, error) {
	width, decode := widths[s.dtype], decoders[s.dtype]
	if decode == nil {
		return nil, fmt.Errorf("its elements are %s, want F32, F16, BF16 or F64", s.dtype)
	}
	if s.verify != nil {
		if err := s.verify(); err != nil {
			return nil, err
		}
	}
	n, err := elements(s.shape)
	if err != nil {
		return nil, err
	}
	span := n
	if s.strides != nil {
		span = 1
		for d, extent := range s.shape {
			span += int64(extent-1) * int64(s.strides[d])
		}
	}
	values, err := s.read(span, width, decode)
	if err != nil {
		return nil, err
	}
	if s.strides != nil {
		values = s.gather(values, n)
	}
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("element %d is %v", i, v)
		}
	}
	return values, nil
}

// read decodes elements that lie side by side.
func (s *stored) read(n int64, width int, decode func([]float32, []byte)) ([]float32, error) {
	var values []float32
	buffer := make([]byte, min(chunk, n*int64(width)))
	for done := int64(0); done < n; {
		part := min(int64(len(buffer)/width), n-done)
		raw := buffer[:part*int64(width)]
		if _, err := s.file.ReadAt(raw, s.at+done*int64(width)); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if values == nil {
			values = make([]float32, n) // only once something could be read
		}
		decode(values[done:done+part], raw)
		done += part
	}
	return values, nil
}

// gather picks the tensor's n elements, row-major, from the storage it lies in.
func (s *stored) gather(from []float32, n int64) []float32 {
	values := make([]float32, 0, n)
	place, at := make([]int, len(s.shape)), 0
	for range n {
		values = append(values, from[at])
		for d := len(place) - 1; d >= 0; d-- {
			if place[d]++; place[d] < s.shape[d] {
				at += s.strides[d]
				break
			}
			at -= (s.shape[d] - 1) * s.strides[d]
			place[d] = 0
		}
	}
	return values
}

// decoders turn little-endian elements into float32, by type.
var decoders = map[string]func(to []float32, from []byte){
	"F32": func(to []float32, from []byte) {
		for i := range to {
			to[i] = math.Float32frombits(binary.LittleEndian.Uint32(from[4*i:]))
		}
	},
	"F64": func(to []float32, from []byte) {
		for i := range to {
			to[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(from[8*i:])))
		}
	},
	"BF16": func(to []float32, from []byte) {
		for i := range to {
			to[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(from[2*i:])) << 16)
		}
	},
	"F16": func(to []float32, from []byte) {
		for i := range to {
			to[i] = fromHalf(binary.LittleEndian.Uint16(from[2*i:]))
		}
	},
}

// fromHalf widens an IEEE 754 binary16.
func fromHalf(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero or subnormal: fraction * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
