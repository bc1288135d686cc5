package classify

import (
	"bedside/kernels/reference"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// linear is a linear model on TF-IDF features and the values of a lexicon. Without the
// former a lexicon's values are scaled, and the labels' own.
type linear struct {
	vectorizer *tfidf.Vectorizer
	labels     int
	weight8    []int8    // one of weight8 and weight32 is set; neither where there is a lexicon alone
	weight32   []float32 // [columns, labels]
	scale      []float32
	bias       []float32

	sharesWords bool // several blocks are of words

	vector tfidf.Vector
	listed []int32 // per column: 1 + position among the features being located, else 0
}

func newLinear(m *weights.Manifest, tensors weights.Tensors) (*linear, error) {
	v, err := tfidf.New(m, tensors)
	if err != nil {
		return nil, err
	}
	return &linear{
		vectorizer: v,
		labels:     len(m.Task.Labels),
		weight8:    tensors.Int8(weights.LinearWeight),
		weight32:   tensors.Float32(weights.LinearWeight),
		scale:      tensors.Float32(weights.LinearScale),
		bias:       tensors.Float32(weights.LinearBias),
		listed:     make([]int32, v.Columns()),

		sharesWords: blocksOfWords(m.TFIDF) > 1,
	}, nil
}

func blocksOfWords(t *weights.TFIDF) int {
	n := 0
	for i := 0; t != nil && i < len(t.Blocks); i++ {
		if t.Blocks[i].Analyzer == weights.Word {
			n++
		}
	}
	return n
}

func (m *linear) score(logits []float64, note string) {
	m.vectorizer.Transform(&m.vector, note)
	switch {
	case m.weight8 != nil:
		reference.SparseLinear(logits, m.vector.Columns, m.vector.Values, m.weight8, m.scale, m.bias)
	case m.weight32 != nil:
		reference.SparseLinear(logits, m.vector.Columns, m.vector.Values, m.weight32, m.scale, m.bias)
	default:
		reference.SparseScale(logits, m.vector.Columns, m.vector.Values, m.scale, m.bias)
	}
}

// contribution is what the vector's k-th column adds to label l's logit.
func (m *linear) contribution(k, l int) float64 {
	at := int(m.vector.Columns[k])*m.labels + l
	switch {
	case m.weight8 != nil:
		return m.vector.Values[k] * float64(m.weight8[at]) * float64(m.scale[l])
	case m.weight32 != nil:
		return m.vector.Values[k] * float64(m.weight32[at]) * float64(m.scale[l])
	case int(m.vector.Columns[k]) == l:
		return m.vector.Values[k] * float64(m.scale[l])
	}
	return 0
}
