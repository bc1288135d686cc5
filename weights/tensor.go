package weights

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Element types, named as in safetensors.
const (
	U64 = "U64"
	F32 = "F32"
	I32 = "I32"
	F16 = "F16" // IEEE half precision
	I8  = "I8"
	U8  = "U8"
)

var widths = map[string]int{U64: 8, F32: 4, I32: 4, F16: 2, I8: 1, U8: 1}

// Names of the tensors of a linear model.
const (
	LinearWeight = "linear.weight"
	LinearScale  = "linear.scale"
	LinearBias   = "linear.bias"
)

// Names of the tensors of a lexicon.
const (
	LexiconKeys     = "lexicon.keys"
	LexiconEnds     = "lexicon.ends"
	LexiconConcepts = "lexicon.concepts"
	LexiconLevels   = "lexicon.levels"
)

// KeysTensor names the n-gram keys of a TF-IDF block.
func KeysTensor(block int) string { return fmt.Sprintf("tfidf.%d.keys", block) }

// IDFTensor names the inverse document frequencies of a TF-IDF block.
func IDFTensor(block int) string { return fmt.Sprintf("tfidf.%d.idf", block) }

// Values is a tensor with its contents, little-endian as in the stream.
type Values struct {
	Name  string
	DType string
	Shape []int
	Data  []byte
}

// Uint64s makes a one-dimensional U64 tensor.
func Uint64s(name string, v []uint64) Values {
	data := make([]byte, 0, 8*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint64(data, x)
	}
	return Values{name, U64, []int{len(v)}, data}
}

// Float32s makes an F32 tensor of the given shape.
func Float32s(name string, v []float32, shape ...int) Values {
	data := make([]byte, 0, 4*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return Values{name, F32, shape, data}
}

// Int32s makes an I32 tensor of the given shape.
func Int32s(name string, v []int32, shape ...int) Values {
	data := make([]byte, 0, 4*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, uint32(x))
	}
	return Values{name, I32, shape, data}
}

// Bytes makes a one-dimensional U8 tensor, which shares memory with v.
func Bytes(name string, v []byte) Values { return Values{name, U8, []int{len(v)}, v} }

// Int8s makes an I8 tensor of the given shape.
func Int8s(name string, v []int8, shape ...int) Values {
	data := make([]byte, len(v))
	for i, x := range v {
		data[i] = byte(x)
	}
	return Values{name, I8, shape, data}
}
