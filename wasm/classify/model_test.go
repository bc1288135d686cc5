package classify_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"bedside/wasm/classify"
	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// notes are what the test models know the n-grams of.
var notes = []string{
	"Chest pain since this morning, with shortness of breath.",
	"Fièvre à 39 °C, œdème du genou, douleur à l'épigastre.",
	"Knee arthroscopy: the medial meniscus tear was trimmed.",
	"No chest pain today. Mild fever, no cough 😀 at all 💊",
	"발열과 두통. ΟΔΟΣ, ﬁbrillation, x_1 x_1 and 38½.",
}

var (
	words = weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 2, StopWords: "english", SublinearTF: true, Norm: "l2"}
	chars = weights.Block{Analyzer: weights.CharWB, MinN: 1, MaxN: 4, SublinearTF: true, Norm: "l2"}
)

// parts is a model taken apart, to be changed before it is put together.
type parts struct {
	manifest    weights.Manifest
	weight      []int8 // [terms, labels]
	float       []float32
	scale, bias []float32
	features    []weights.Values
}

// random is a model with random weights of the notes' n-grams.
func random(kind string, labels int, blocks ...weights.Block) *parts {
	source := rand.New(rand.NewPCG(uint64(labels), uint64(len(blocks))))
	p := &parts{manifest: weights.Manifest{
		Name: "random", Task: weights.Task{Kind: kind},
		Text: weights.Text{Lowercase: true, StripAccents: "unicode"}, TFIDF: &weights.TFIDF{}, Linear: &weights.Linear{},
	}}
	terms := 0
	for i, b := range blocks {
		keys := keysOf(tfidf.NewAnalyzer(b, i))
		idf := make([]float32, len(keys))
		for k := range idf {
			idf[k] = 1 + source.Float32()
		}
		b.Terms = len(keys)
		terms += b.Terms
		p.manifest.TFIDF.Blocks = append(p.manifest.TFIDF.Blocks, b)
		p.features = append(p.features,
			weights.Uint64s(weights.KeysTensor(i), keys), weights.Float32s(weights.IDFTensor(i), idf, len(idf)))
	}
	for range terms * labels {
		p.weight = append(p.weight, int8(source.IntN(255)-127))
	}
	c := &p.manifest.Calibration
	for l := range labels {
		p.manifest.Task.Labels = append(p.manifest.Task.Labels, string(rune('A'+l)))
		p.manifest.Thresholds = append(p.manifest.Thresholds, .5)
		p.scale = append(p.scale, .01+.02*source.Float32())
		p.bias = append(p.bias, source.Float32()-.5)
		c.Slope = append(c.Slope, .5+source.Float64())
		c.Intercept = append(c.Intercept, source.Float64()-.5)
	}
	if c.Kind = weights.Platt; kind == weights.MultiClass {
		*c = weights.Calibration{Kind: weights.Temperature, Slope: []float64{1.25}}
	}
	return p
}

func keysOf(a *tfidf.Analyzer) []uint64 {
	var keys []uint64
	var n text.Normalized
	for _, note := range notes {
		text.Normalizer{Lowercase: true, StripAccents: true}.Normalize(&n, note)
		a.Each(n.Bytes, func(g tfidf.Gram) { keys = append(keys, g.Key) })
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// model puts the parts together, with float32 weights where there are any.
func (p *parts) model(t testing.TB) *classify.Model {
	t.Helper()
	labels := len(p.scale)
	values := slices.Clone(p.features)
	switch {
	case p.float != nil:
		values = append(values, weights.Float32s(weights.LinearWeight, p.float, len(p.float)/labels, labels))
	case p.weight != nil:
		values = append(values, weights.Int8s(weights.LinearWeight, p.weight, len(p.weight)/labels, labels))
	}
	m := p.manifest
	stream, err := m.Layout(append(values,
		weights.Float32s(weights.LinearScale, p.scale, labels), weights.Float32s(weights.LinearBias, p.bias, labels)))
	if err != nil {
		t.Fatal(err)
	}
	m.Shards = []weights.Shard{{Size: int64(len(stream))}}
	tensors := m.Allocate()
	for _, s := range m.Plan() {
		copy(tensors.At(s), stream[s.ShardOffset:])
	}
	model, err := classify.New(&m, tensors)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func answer(t testing.TB, m *classify.Model, note string, o classify.Options) *classify.Result {
	t.Helper()
	r, err := m.Classify(note, o)
	if err != nil {
		t.Fatalf("%.40q: %v", note, err)
	}
	return r
}
