package quantize

import (
	"encoding/binary"
	"fmt"
	"math"

	"bedside/weights"
)

// half rounds to IEEE 754 binary16, ties to even; ok is false beyond its range.
func half(x float32) (bits uint16, ok bool) {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	if b &= 0x7fffffff; b >= 0x477ff000 { // 65520, which would round to infinity
		return 0, false
	}
	if b < 0x38800000 { // below 2^-14: steps of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(b))*0x1p24)), true
	}
	rounded := b + 0xfff + b>>13&1
	return sign | uint16(rounded>>13-112<<10), true
}

// halves are values as half precision. The error names the element that is too large.
func halves(values []float32) ([]uint16, error) {
	out := make([]uint16, len(values))
	for i, v := range values {
		var ok bool
		if out[i], ok = half(v); !ok {
			return nil, fmt.Errorf("element %d is %g, more than float16 holds; import with --weights int8 or float32", i, v)
		}
	}
	return out, nil
}

func halfTensor(name string, values []uint16, shape ...int) weights.Values {
	data := make([]byte, 0, 2*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint16(data, v)
	}
	return weights.Values{Name: name, DType: weights.F16, Shape: shape, Data: data}
}
