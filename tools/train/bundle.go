package train

import (
	"bedside/weights"
)

// Bundle turns a model into a manifest and its tensors; the card and the names are
// the caller's to fill in. So are, where the model is a head, the encoder's section and tensors.
func (m *Model) Bundle(precision string) (weights.Manifest, []weights.Values) {
	manifest := weights.Manifest{
		Task:        weights.Task{Kind: weights.MultiClass, Labels: m.Labels},
		Calibration: m.Calibration,
		Thresholds:  m.Thresholds,
	}
	if m.MultiLabel {
		manifest.Task.Kind = weights.MultiLabel
	}
	if m.Head != nil {
		return manifest, m.headTensors()
	}
	manifest.Text, manifest.TFIDF = m.Text, &weights.TFIDF{}
	manifest.Linear = &weights.Linear{Family: m.Best.Candidate.Family, C: m.Best.Candidate.C}
	var tensors []weights.Values
	for i, v := range m.Vocabularies {
		manifest.TFIDF.Blocks = append(manifest.TFIDF.Blocks, v.Block)
		idf := make([]float32, len(v.IDF))
		for j, x := range v.IDF {
			idf[j] = float32(x)
		}
		tensors = append(tensors,
			weights.Uint64s(weights.KeysTensor(i), v.Keys),
			weights.Float32s(weights.IDFTensor(i), idf, len(idf)))
	}
	return manifest, append(tensors, head(m.Linear, precision)...)
}
