package classify_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"bedside/kernels/reference"
	"bedside/wasm/classify"
	"bedside/wasm/encoder"
	"bedside/weights"
)

// hostile fills the tensors of a model of three terms and two labels with the given
// bytes, over and over.
func hostile(t testing.TB, m *weights.Manifest, float bool, contents []byte) weights.Tensors {
	t.Helper()
	const terms, labels = 3, 2
	dtype, width := weights.I8, 1
	if float {
		dtype, width = weights.F32, 4
	}
	values := []weights.Values{
		{Name: weights.KeysTensor(0), DType: weights.U64, Shape: []int{terms}, Data: make([]byte, 8*terms)},
		{Name: weights.IDFTensor(0), DType: weights.F32, Shape: []int{terms}, Data: make([]byte, 4*terms)},
		{Name: weights.LinearScale, DType: weights.F32, Shape: []int{labels}, Data: make([]byte, 4*labels)},
		{Name: weights.LinearBias, DType: weights.F32, Shape: []int{labels}, Data: make([]byte, 4*labels)},
		{Name: weights.LinearWeight, DType: dtype, Shape: []int{terms, labels}, Data: make([]byte, width*terms*labels)},
	}
	stream, err := m.Layout(values)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := 0, m.HeaderBytes(); at < int64(len(stream)) && len(contents) > 0; i, at = i+1, at+1 {
		stream[at] = contents[i%len(contents)]
	}
	m.Shards = []weights.Shard{{File: "s", Size: int64(len(stream)), SHA256: strings.Repeat("0", 64)}}
	tensors := m.Allocate()
	for _, s := range m.Plan() {
		copy(tensors.At(s), stream[s.ShardOffset:])
	}
	return tensors
}

// FuzzHostileTensors gives sound manifests with any numbers: New refuses them, or the
// model answers with finite figures.
func FuzzHostileTensors(f *testing.F) {
	var sound []byte
	for _, key := range []uint64{1, 0x83a44d2d28555b6e, math.MaxUint64} { // the middle one is "pain"
		sound = binary.LittleEndian.AppendUint64(sound, key)
	}
	huge := append([]byte{}, sound...)
	for range 13 {
		huge = binary.LittleEndian.AppendUint32(huge, math.Float32bits(math.MaxFloat32))
	}
	tiny := append([]byte{}, sound...)
	for range 13 {
		tiny = binary.LittleEndian.AppendUint32(tiny, 1)
	}
	for _, contents := range [][]byte{sound, huge, tiny, {0}, {0xff}, {0x7f, 0x80, 0, 0}} {
		f.Add(contents, true, true, 1e6)
		f.Add(contents, false, false, -1.0)
	}
	f.Fuzz(func(t *testing.T, contents []byte, float, multiClass bool, slope float64) {
		if !(math.Abs(slope) <= 1e6) {
			return // a manifest of such a calibration is refused
		}
		b := weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 1, SublinearTF: true, Norm: "l2", Terms: 3}
		if float {
			b.Norm = ""
		}
		m := &weights.Manifest{
			Name: "hostile", Task: weights.Task{Kind: weights.MultiLabel, Labels: []string{"A", "B"}},
			Text: weights.Text{Lowercase: true}, TFIDF: &weights.TFIDF{Blocks: []weights.Block{b}}, Linear: &weights.Linear{},
			Calibration: weights.Calibration{Kind: weights.Platt, Slope: []float64{slope, -slope}, Intercept: []float64{1e6, 0}},
			Thresholds:  []float64{.5, .5},
		}
		if multiClass {
			m.Task.Kind, m.Calibration = weights.MultiClass, weights.Calibration{Kind: weights.Temperature, Slope: []float64{slope}}
		}
		model, err := classify.New(m, hostile(t, m, float, contents))
		if err != nil {
			return
		}
		for _, note := range []string{"pain pain pain", "pain", "none"} {
			r := answer(t, model, note, classify.Options{Explain: 2})
			for _, label := range r.Labels {
				if !(label.Probability >= 0 && label.Probability <= 1) || math.IsInf(label.Logit, 0) || math.IsNaN(label.Logit) {
					t.Fatalf("label %+v", label)
				}
			}
			if _, err := json.Marshal(r); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzHostileEncoder fills an encoder's tensors with any bytes, its vocabulary too where
// words says so: New refuses them, or the model answers with finite figures or says that
// it cannot.
func FuzzHostileEncoder(f *testing.F) {
	for _, contents := range [][]byte{{0}, {1, 0}, {0x7f}, {0x80}, {0xff}, {0, 0, 0x80, 0x3f}, {0xff, 0xff, 0x7f, 0x7f}, {0, 0, 0x80, 0xff}} {
		f.Add(contents, "chest pain, no fever", false)
		f.Add(contents, "\x00", true)
	}
	f.Fuzz(func(t *testing.T, contents []byte, note string, words bool) {
		if len(contents) == 0 || len(note) > 256 {
			return
		}
		model, err := opened(t, reference.NewDevice(), func(name string, data []byte) {
			if name != weights.EncoderVocabulary || words {
				for i := range data {
					data[i] = contents[i%len(contents)]
				}
			}
		})
		if err != nil {
			return
		}
		r, err := model.Classify(note, classify.Options{Explain: 1})
		if err != nil {
			if !errors.Is(err, encoder.ErrNotFinite) && !errors.Is(err, classify.ErrEmptyNote) {
				t.Fatal(err)
			}
			return
		}
		for _, label := range r.Labels {
			if !(label.Probability >= 0 && label.Probability <= 1) || math.IsInf(label.Logit, 0) || math.IsNaN(label.Logit) {
				t.Fatalf("label %+v", label)
			}
		}
	})
}
