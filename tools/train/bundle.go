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
	manifest.Text = m.Text
	var tensors []weights.Values
	linear := m.Linear
	if m.Lexicon != nil {
		var factor float64
		manifest.Lexicon, tensors = m.Lexicon.bundle(linear == nil)
		linear, factor = evened(linear, len(m.Lexicon.Base))
		manifest.Lexicon.Unit *= factor
	}
	if linear == nil {
		return manifest, tensors
	}
	manifest.TFIDF = &weights.TFIDF{}
	manifest.Linear = &weights.Linear{Family: m.Best.Candidate.Family, C: m.Best.Candidate.C}
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
	return manifest, append(tensors, head(linear, precision)...)
}

// bundle is the lexicon's section and tensors; alone, it is the whole model.
func (l *Lexicon) bundle(alone bool) (*weights.Lexicon, []weights.Values) {
	section := &weights.Lexicon{
		MaxN: phraseWords, Phrases: len(l.Keys), Entries: len(l.Levels), Concepts: len(l.Base), Unit: l.Unit,
	}
	tensors := []weights.Values{
		weights.Uint64s(weights.LexiconKeys, l.Keys),
		weights.Int32s(weights.LexiconEnds, l.Ends, len(l.Ends)),
		weights.Int32s(weights.LexiconConcepts, l.Concepts, len(l.Concepts)),
		weights.Bytes(weights.LexiconLevels, l.Levels),
	}
	if !alone {
		return section, tensors
	}
	section.Unit = step
	bias, scale := make([]float32, len(l.Base)), make([]float32, len(l.Base))
	for i, b := range l.Base {
		bias[i], scale[i] = float32(b), 1
	}
	return section, append(tensors,
		weights.Float32s(weights.LinearScale, scale, len(scale)), weights.Float32s(weights.LinearBias, bias, len(bias)))
}
