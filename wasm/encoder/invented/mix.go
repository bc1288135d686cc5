package invented

import (
	"math/rand/v2"
	"slices"
	"strings"

	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// Linear is a sound linear model that knows Words, pairs of some of them, and their letters,
// but for its shards. The same seed gives the same numbers.
func Linear(task string, labels []string, seed uint64) (weights.Manifest, []weights.Values) {
	m, _ := Model(Tiny(), task, labels, seed)
	m.Encoder = nil
	m.Text = weights.Text{Lowercase: true, StripAccents: "unicode"}
	m.Linear = &weights.Linear{Family: "lr", C: 1}
	m.TFIDF = &weights.TFIDF{Blocks: []weights.Block{
		{Analyzer: weights.Word, MinN: 1, MaxN: 2, SublinearTF: true, Norm: "l2"},
		{Analyzer: weights.CharWB, MinN: 2, MaxN: 3, Norm: "l2"},
	}}
	d := drawer{Rand: rand.New(rand.NewPCG(seed, 2))}
	columns := 0
	for i := range m.TFIDF.Blocks {
		b := &m.TFIDF.Blocks[i]
		keys := keys(tfidf.NewAnalyzer(*b, i))
		b.Terms = len(keys)
		columns += b.Terms
		d.add(weights.Uint64s(weights.KeysTensor(i), keys),
			weights.Float32s(weights.IDFTensor(i), d.around(2, .2, len(keys)), len(keys)))
	}
	n := len(labels)
	d.add(weights.Int8s(weights.LinearWeight, d.int8s(columns*n), columns, n),
		weights.Float32s(weights.LinearScale, d.around(.02, .002, n), n),
		weights.Float32s(weights.LinearBias, d.around(0, .5, n), n))
	return m, d.tensors
}

// keys are those of the n-grams of Words.
func keys(a *tfidf.Analyzer) []uint64 {
	var keys []uint64
	var n text.Normalized
	text.Normalizer{}.Normalize(&n, strings.Join(Words, " "))
	a.Each(n.Bytes, func(g tfidf.Gram) { keys = append(keys, g.Key) })
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Mix puts both into one model, which takes name, task and calibration from the linear one.
// Its logits are the sum of theirs.
func Mix(linear weights.Manifest, ofLinear []weights.Values, encoder weights.Manifest, ofEncoder []weights.Values) (weights.Manifest, []weights.Values) {
	linear.Encoder, linear.Mix = encoder.Encoder, &weights.Mix{Encoder: .4}
	return linear, slices.Concat(ofLinear, ofEncoder)
}
