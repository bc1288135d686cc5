package weights_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"bedside/weights"
)

// model is a small sound model: three labels, words and characters.
func model() (weights.Manifest, []weights.Values) {
	m := weights.Manifest{
		Format: weights.Format, Version: weights.Version,
		Name: "triage-3", Title: "Triage", Question: "Where should this note go?",
		Task: weights.Task{Kind: weights.MultiLabel, Labels: []string{"Ward", "Clinic", "Home"}},
		Text: weights.Text{Lowercase: true, StripAccents: "unicode"},
		TFIDF: &weights.TFIDF{Blocks: []weights.Block{
			{Analyzer: weights.Word, MinN: 1, MaxN: 2, StopWords: "english", SublinearTF: true, Norm: "l2", Terms: 4},
			{Analyzer: weights.CharWB, MinN: 3, MaxN: 5, Terms: 3},
		}},
		Linear:      &weights.Linear{Family: "lr", C: 1},
		Calibration: weights.Calibration{Kind: weights.Platt, Slope: []float64{1, 1, 2}, Intercept: []float64{0, -1, 0}},
		Thresholds:  []float64{.5, .4, .6},
		Card:        weights.Card{Summary: "An example.", Evaluations: []weights.Evaluation{{Protocol: "held out", N: 2}}},
	}
	weight := make([]int8, 7*3)
	for i := range weight {
		weight[i] = int8(5*i - 50)
	}
	return m, []weights.Values{
		weights.Int8s(weights.LinearWeight, weight, 7, 3),
		weights.Float32s(weights.LinearScale, []float32{.5, .25, .125}, 3),
		weights.Float32s(weights.LinearBias, []float32{0, -1, 1}, 3),
		weights.Uint64s(weights.KeysTensor(0), []uint64{1, 2, 1 << 40, 1 << 63}),
		weights.Float32s(weights.IDFTensor(0), []float32{1, 2, 3, 4}, 4),
		weights.Uint64s(weights.KeysTensor(1), []uint64{7, 8, 9}),
		weights.Float32s(weights.IDFTensor(1), []float32{1.5, 2.5, 3.5}, 3),
	}
}

// sealed is the model with its tensors laid out and cut into shards of the given size.
func sealed(t testing.TB, shard int) (*weights.Manifest, []byte) {
	t.Helper()
	m, tensors := model()
	return seal(t, m, tensors, shard)
}

func seal(t testing.TB, m weights.Manifest, tensors []weights.Values, shard int) (*weights.Manifest, []byte) {
	t.Helper()
	stream, err := m.Layout(tensors)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(stream); at += shard {
		part := stream[at:min(at+shard, len(stream))]
		sum := sha256.Sum256(part)
		m.Shards = append(m.Shards, weights.Shard{
			File: fmt.Sprintf("part-%d", at), Size: int64(len(part)), SHA256: hex.EncodeToString(sum[:]),
		})
	}
	return &m, stream
}

func encode(t testing.TB, m *weights.Manifest) []byte {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
