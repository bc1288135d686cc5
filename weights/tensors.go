package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"
)

// Tensors holds the bytes of a bundle's tensors while and after they are loaded: of
// those that stay in memory. An encoder's numbers lie on a device.
type Tensors struct {
	manifest *Manifest
	header   []byte
	data     [][]byte // by tensor index, 8-byte aligned; nil for those on a device
}

// OnDevice says whether a tensor belongs on a kernels.Device: all of an encoder's but
// its vocabulary do, and nothing of a linear head.
func (m *Manifest) OnDevice(tensor int) bool {
	if m.Encoder == nil || tensor == Header {
		return false
	}
	name := m.Tensors[tensor].Name
	return name != EncoderVocabulary && (strings.HasPrefix(name, encoderPrefix) || strings.HasPrefix(name, Head+"."))
}

// Allocate makes room for the tensors of a checked manifest that stay in memory.
func (m *Manifest) Allocate() Tensors {
	t := Tensors{m, make([]byte, m.HeaderBytes()), make([][]byte, len(m.Tensors))}
	for i, x := range m.Tensors {
		if m.OnDevice(i) {
			continue
		}
		words := make([]uint64, (x.Size+7)/8)
		t.data[i] = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), x.Size)
	}
	return t
}

// At is the memory a segment fills, nil where its tensor belongs on a device.
func (t Tensors) At(s Segment) []byte {
	b := t.header
	if s.Tensor != Header {
		b = t.data[s.Tensor]
	}
	if b == nil {
		return nil
	}
	return b[s.TensorOffset : s.TensorOffset+s.Length]
}

// Check holds the loaded header against the manifest and requires F32 tensors in memory
// to be finite.
func (t Tensors) Check() error {
	if err := t.manifest.CheckHeader(t.header); err != nil {
		return err
	}
	for n, x := range t.manifest.Tensors {
		if x.DType != F32 {
			continue
		}
		for i, v := range view[float32](t.data[n], 4) {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fmt.Errorf("tensor %s: element %d is %v", x.Name, i, v)
			}
		}
	}
	return nil
}

// Uint64 is the named U64 tensor, nil if there is none.
func (t Tensors) Uint64(name string) []uint64 {
	return view[uint64](t.bytes(name, U64), 8)
}

// Float32 is the named F32 tensor, nil if there is none.
func (t Tensors) Float32(name string) []float32 {
	return view[float32](t.bytes(name, F32), 4)
}

// Int32 is the named I32 tensor, nil if there is none.
func (t Tensors) Int32(name string) []int32 {
	return view[int32](t.bytes(name, I32), 4)
}

// Int8 is the named I8 tensor, nil if there is none.
func (t Tensors) Int8(name string) []int8 {
	return view[int8](t.bytes(name, I8), 1)
}

// Uint8 is the named U8 tensor, nil if there is none.
func (t Tensors) Uint8(name string) []byte { return t.bytes(name, U8) }

func (t Tensors) bytes(name, dtype string) []byte {
	i := slices.IndexFunc(t.manifest.Tensors, func(x Tensor) bool { return x.Name == name && x.DType == dtype })
	if i < 0 {
		return nil
	}
	return t.data[i]
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// view reinterprets little-endian bytes, in place where the machine is little-endian.
func view[T any](b []byte, width int) []T {
	if len(b) == 0 {
		return nil
	}
	if !littleEndian {
		b = slices.Clone(b)
		for i := 0; i < len(b); i += width {
			slices.Reverse(b[i : i+width])
		}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/width)
}
