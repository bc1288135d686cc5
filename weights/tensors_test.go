package weights_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"bedside/weights"
)

// fill loads the stream as a host would: segment by segment.
func fill(m *weights.Manifest, stream []byte) weights.Tensors {
	tensors, at := m.Allocate(), int64(0)
	for _, s := range m.Plan() {
		copy(tensors.At(s), stream[at:at+s.Length])
		at += s.Length
	}
	return tensors
}

func TestPlanCoversEachByteOnce(t *testing.T) {
	for _, shard := range []int{1, 7, 8, 64, 100, 333, 1 << 20} {
		m, _ := sealed(t, shard)
		if err := covers(m); err != nil {
			t.Errorf("shards of %d bytes: %v", shard, err)
		}
	}
}

func TestTensorsComeBack(t *testing.T) {
	for _, shard := range []int{1, 100, 1 << 20} {
		m, stream := sealed(t, shard)
		tensors := fill(m, stream)
		if err := tensors.Check(); err != nil {
			t.Fatal(err)
		}
		if got := tensors.Uint64("tfidf.0.keys"); !slices.Equal(got, []uint64{1, 2, 1 << 40, 1 << 63}) {
			t.Errorf("keys %v", got)
		}
		if got := tensors.Float32("tfidf.1.idf"); !slices.Equal(got, []float32{1.5, 2.5, 3.5}) {
			t.Errorf("idf %v", got)
		}
		if got := tensors.Int8("linear.weight"); len(got) != 21 || got[0] != -50 || got[20] != 50 {
			t.Errorf("weights %v", got)
		}
		if tensors.Uint64("tfidf.0.idf") != nil || tensors.Float32("linear.weight") != nil || tensors.Int8("none") != nil {
			t.Error("a tensor is given out under another type or name")
		}
	}
}

func TestTensorsAreAligned(t *testing.T) {
	m, _ := sealed(t, 100)
	width := map[string]int64{weights.U64: 8, weights.F32: 4, weights.I8: 1}
	for _, x := range m.Tensors {
		if x.Offset%width[x.DType] != 0 {
			t.Errorf("%s of %s begins at byte %d of the stream", x.Name, x.DType, x.Offset)
		}
	}
	if m.HeaderBytes()%8 != 0 {
		t.Errorf("a header of %d bytes", m.HeaderBytes())
	}
	tensors := m.Allocate()
	for _, s := range m.Plan() {
		if s.Tensor == weights.Header || s.TensorOffset > 0 {
			continue
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(tensors.At(s)))); at%8 != 0 {
			t.Errorf("%s begins at address %#x", m.Tensors[s.Tensor].Name, at)
		}
	}
}

func TestTensorsCheckRefuses(t *testing.T) {
	m, stream := sealed(t, 1<<20)
	at := func(name string) int64 { return find(m, name).Offset }
	for _, c := range []struct {
		name   string
		offset int64
		bytes  []byte
		want   string
	}{
		{"header of another length", 0, []byte{1}, "header does not match"},
		{"header of another tensor", 8 + 2, []byte("X"), "header does not match"},
		{"NaN", at("tfidf.0.idf") + 4, []byte{0, 0, 0xc0, 0x7f}, "tensor tfidf.0.idf: element 1 is NaN"},
		{"infinity", at("linear.bias"), []byte{0, 0, 0x80, 0xff}, "tensor linear.bias: element 0 is -Inf"},
	} {
		bent := slices.Clone(stream)
		copy(bent[c.offset:], c.bytes)
		if err := fill(m, bent).Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
}

func TestLayoutRefuses(t *testing.T) {
	for _, v := range []weights.Values{
		{Name: "short", DType: weights.F32, Shape: []int{2}, Data: make([]byte, 7)},
		{Name: "long", DType: weights.F32, Shape: []int{2}, Data: make([]byte, 9)},
		{Name: "type", DType: "BF16", Shape: []int{2}, Data: make([]byte, 4)},
		{Name: "empty", DType: weights.I8, Shape: []int{0}},
		{Name: "negative", DType: weights.I8, Shape: []int{-1, -1}, Data: make([]byte, 1)},
		{Name: "overflow", DType: weights.U64, Shape: []int{1 << 61}},
		{Name: "wrap", DType: weights.I8, Shape: []int{math.MaxInt, 2}},
		{Name: "rank", DType: weights.I8, Shape: []int{1, 1, 1, 1, 1}, Data: make([]byte, 1)},
	} {
		var m weights.Manifest
		if _, err := m.Layout([]weights.Values{v}); err == nil || !strings.Contains(err.Error(), v.Name) {
			t.Errorf("%s: error %v, want one that names the tensor", v.Name, err)
		}
	}
}

func TestLayoutLeavesItsInputAlone(t *testing.T) {
	m, tensors := model()
	first := tensors[0].Name
	if _, err := m.Layout(tensors); err != nil {
		t.Fatal(err)
	}
	if tensors[0].Name != first {
		t.Error("the caller's tensors are in another order")
	}
}
