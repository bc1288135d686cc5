package checkpoint

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestReadSafetensors(t *testing.T) {
	data := make([]byte, 16)
	two := `{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}`
	one := func(dtype, shape, offsets string) []byte {
		return safetensors(`{"a": {"dtype": "`+dtype+`", "shape": `+shape+`, "data_offsets": `+offsets+`}}`, data)
	}
	tests := []struct {
		name string
		file []byte
		err  string
	}{
		{"two tensors", safetensors(two, data), ""},
		{"metadata", safetensors(strings.Replace(two, "{", `{"__metadata__": {"format": "pt"}, `, 1), data), ""},
		{"a number", safetensors(`{"a": {"dtype": "F64", "shape": [], "data_offsets": [0, 8]}}`, data[:8]), ""},
		{"an empty tensor", safetensors(`{"a": {"dtype": "F64", "shape": [0, 3], "data_offsets": [0, 0]}}`, nil), ""},

		{"nothing", nil, "too short"},
		{"half a length", []byte{1, 2, 3}, "too short"},
		{"a header of 2^60 bytes", append([]byte{0, 0, 0, 0, 0, 0, 0, 0x10}, two...), "the header has 1152921504606846976 bytes"},
		{"a header of 2^64-1 bytes", append(bytes.Repeat([]byte{255}, 8), two...), "the header has 18446744073709551615 bytes"},
		{"a header beyond the file", safetensors(two, data)[:40], "the file only 40"},
		{"no JSON", safetensors("fever", data), "not readable as JSON"},
		{"a list", safetensors("[]", data), "want a JSON object"},
		{"a name twice", safetensors(strings.Replace(two, `"b"`, `"a"`, 1), data), `"a" stands twice`},
		{"a field twice", safetensors(strings.Replace(two, `"shape": [2]`, `"shape": [2], "shape": [2]`, 1), data), `"shape" stands twice`},
		{"cut short", safetensors(two, data[:15]), "the tensors take 16 bytes, the file has 15: it is cut short"},
		{"more than tensors", safetensors(two, append(data, 1)), "1 bytes follow the last tensor"},
		{"an unknown type", one("F4", "[4]", "[0, 16]"), `dtype "F4" is not supported`},
		{"a size that does not fit the type", one("F64", "[4]", "[0, 16]"), "F64 [4] takes 32 bytes, data_offsets give it 16"},
		{"no shape", safetensors(`{"a": {"dtype": "F32", "data_offsets": [0, 4]}}`, data[:4]), "shape is missing"},
		{"a shape below nothing", one("F32", "[-4]", "[0, 16]"), "shape [-4]"},
		{"a shape of 2^80", one("F32", "[1099511627776, 1099511627776]", "[0, 16]"), "too many elements"},
		{"a shape that wraps around", one("F32", "[4294967296, 4294967296, 4]", "[0, 16]"), "too many elements"},
		{"a shape of many dimensions", one("F32", "[1, 1, 1, 1, 1, 1, 1, 1, 4]", "[0, 16]"), "9 dimensions"},
		{"half an element", one("F32", "[1.5]", "[0, 6]"), "want a list of whole numbers"},
		{"three offsets", one("F32", "[4]", "[0, 16, 32]"), "no range"},
		{"offsets backwards", one("F32", "[4]", "[16, 0]"), "no range"},
		{"an offset below nothing", one("F32", "[4]", "[-16, 0]"), "no range"},
		{"an offset of 2^63", one("F32", "[4]", "[0, 9223372036854775808]"), "want two whole numbers"},
		{"overlap", safetensors(strings.Replace(two, "[8, 16]", "[4, 12]", 1), data[:12]), `tensor "b" overlaps another`},
		{"a gap", safetensors(strings.Replace(two, "[8, 16]", "[12, 20]", 1), append(data, data[:4]...)), `tensor "b" begins 4 bytes behind`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readSafetensors(bytes.NewReader(test.file), int64(len(test.file)))
			wants(t, err, test.err)
		})
	}
}

// TestTruncatedSafetensors cuts a sound file everywhere.
func TestTruncatedSafetensors(t *testing.T) {
	whole := newTiny().safetensors()
	for n := range whole {
		if _, err := readSafetensors(bytes.NewReader(whole[:n]), int64(n)); err == nil {
			t.Fatalf("%d of %d bytes are accepted", n, len(whole))
		}
	}
}

func TestElementTypes(t *testing.T) {
	half := func(bits ...uint16) (b []byte) {
		for _, x := range bits {
			b = binary.LittleEndian.AppendUint16(b, x)
		}
		return b
	}
	single := func(values ...float32) (b []byte) {
		for _, x := range values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		return b
	}
	double := func(values ...float64) (b []byte) {
		for _, x := range values {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
		}
		return b
	}
	infinite, never := float32(math.Inf(1)), float32(math.NaN())
	tests := []struct {
		name, dtype string
		data        []byte
		want        []float32
		err         string
	}{
		{"F32", "F32", single(1.5, -0.25, 1e-40), []float32{1.5, -0.25, 1e-40}, ""},
		{"F64", "F64", double(1.5, 1e-50, 0.1), []float32{1.5, 0, 0.1}, ""},
		{"BF16", "BF16", half(0x3fc0, 0xbe80), []float32{1.5, -0.25}, ""},
		{"F16", "F16", half(0x3e00, 0xb400, 0x0001, 0x83ff, 0x7bff), []float32{1.5, -0.25, 0x1p-24, -0x1.ff8p-15, 65504}, ""},
		{"NaN", "F32", single(1, 2, never), nil, "element 2 is NaN"},
		{"infinity", "F32", single(1, -infinite), nil, "element 1 is -Inf"},
		{"infinity in F16", "F16", half(0x7c00), nil, "element 0 is +Inf"},
		{"NaN in BF16", "BF16", half(0, 0x7fc0), nil, "element 1 is NaN"},
		{"too large for float32", "F64", double(1, 1e300), nil, "element 1 is +Inf"},
		{"I64", "I64", make([]byte, 16), nil, "its elements are I64, want F32"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &stored{dtype: test.dtype, shape: []int{len(test.data) / widths[test.dtype]}, file: bytes.NewReader(test.data)}
			got, err := s.float32s()
			wants(t, err, test.err)
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestReadingInPieces reads a tensor that takes several reads, of which a file cut short has
// the first.
func TestReadingInPieces(t *testing.T) {
	n := chunk/4*2 + 5
	data := make([]byte, 4*n)
	for i := range n {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(i)))
	}
	s := &stored{dtype: "F32", shape: []int{n}, file: bytes.NewReader(data)}
	got, err := s.float32s()
	if err != nil || len(got) != n || got[0] != 0 || got[n-1] != float32(n-1) || got[chunk/4] != chunk/4 {
		t.Errorf("%d of %d elements, error %v", len(got), n, err)
	}
	s.file = bytes.NewReader(data[:len(data)-1])
	_, err = s.float32s()
	wants(t, err, "unexpected EOF")
}

func TestStrides(t *testing.T) {
	storage := make([]byte, 0, 48)
	for i := range 12 {
		storage = binary.LittleEndian.AppendUint32(storage, math.Float32bits(float32(i)))
	}
	tests := []struct {
		name           string
		shape, strides []int
		offset         int64
		want           []float32
		err            string
	}{
		{"row-major", []int{2, 3}, []int{3, 1}, 0, []float32{0, 1, 2, 3, 4, 5}, ""},
		{"from an offset", []int{2, 2}, []int{2, 1}, 8, []float32{8, 9, 10, 11}, ""},
		{"transposed", []int{3, 2}, []int{1, 3}, 0, []float32{0, 3, 1, 4, 2, 5}, ""},
		{"transposed from an offset", []int{3, 2}, []int{1, 3}, 6, []float32{6, 9, 7, 10, 8, 11}, ""},
		{"with gaps", []int{2, 2}, []int{6, 2}, 1, []float32{1, 3, 7, 9}, ""},
		{"three dimensions turned", []int{2, 2, 3}, []int{3, 6, 1}, 0, []float32{0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11}, ""},
		{"one row, any stride", []int{1, 3}, []int{1 << 60, 1}, 2, []float32{2, 3, 4}, ""},
		{"a number", []int{}, []int{}, 5, []float32{5}, ""},
		{"nothing", []int{0, 3}, []int{3, 1}, 12, []float32{}, ""},

		{"spread out", []int{4, 3}, []int{0, 1}, 0, nil, "several elements in one place"},
		{"overlapping", []int{2, 3}, []int{1, 1}, 0, nil, "several elements in one place"},
		{"backwards", []int{3}, []int{-1}, 2, nil, "several elements in one place"},
		{"beyond the end", []int{2, 3}, []int{3, 1}, 7, nil, "does not fit a storage of 12"},
		{"far beyond the end", []int{2, 3}, []int{1 << 62, 1}, 0, nil, "does not fit a storage of 12"},
		{"an offset beyond", []int{1}, []int{1}, 13, nil, "begins at element 13"},
		{"an offset below nothing", []int{1}, []int{1}, -1, nil, "begins at element -1"},
		{"an offset of 2^62", []int{1}, []int{1}, 1 << 62, nil, "begins at element"},
		{"too few strides", []int{2, 3}, []int{3}, 0, nil, "1 strides for 2 dimensions"},
		{"a huge shape", []int{1 << 40, 1 << 40}, []int{1 << 40, 1}, 0, nil, "too many elements"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &stored{dtype: "F32", shape: test.shape, file: bytes.NewReader(storage), at: 4 * test.offset}
			err := s.setStrides(test.strides, test.offset, 12)
			wants(t, err, test.err)
			if err != nil {
				return
			}
			got, err := s.float32s()
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v, error %v", got, test.want, err)
			}
		})
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(newTiny().safetensors())
	f.Add(safetensors(`{"a": {"dtype": "F16", "shape": [2, 1], "data_offsets": [0, 4]}}`, make([]byte, 4)))
	f.Fuzz(func(t *testing.T, file []byte) {
		tensors, err := readSafetensors(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		total := 0
		for name, s := range tensors {
			n, err := elements(s.shape)
			if err != nil {
				t.Fatalf("tensor %q: %v", name, err)
			}
			total += int(n) * widths[s.dtype]
			if values, err := s.float32s(); err == nil && int64(len(values)) != n {
				t.Errorf("tensor %q: %d of %d elements", name, len(values), n)
			}
		}
		if total > len(file) {
			t.Errorf("%d bytes of tensors in a file of %d", total, len(file))
		}
	})
}
