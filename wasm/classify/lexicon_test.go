package classify_test

import (
	"slices"
	"testing"

	"bedside/wasm/classify"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// lexicon makes the random model one of phrases too, each of the notes' phrases speaking for
// two labels; alone, it is a model of nothing else.
func (p *parts) lexicon(alone bool) *parts {
	labels := len(p.scale)
	x := &weights.Lexicon{MaxN: 3, Concepts: labels, Unit: .01}
	keys := keysOf(tfidf.NewAnalyzer(x.Block(), weights.LexiconPosition))
	var ends, concepts []int32
	var levels []uint8
	for k := range keys {
		a := int32(k % labels)
		b := int32((k/labels + k + 1) % labels)
		for _, c := range slices.Compact([]int32{min(a, b), max(a, b)}) {
			concepts, levels = append(concepts, c), append(levels, uint8(1+7*k%255))
		}
		ends = append(ends, int32(len(levels)))
	}
	x.Phrases, x.Entries = len(keys), len(levels)
	p.manifest.Lexicon = x
	if alone {
		p.manifest.TFIDF, p.manifest.Linear, p.features, p.weight = nil, nil, nil, nil
	} else {
		for i := range labels * labels {
			p.weight = append(p.weight, int8(11*i%255-127))
		}
	}
	p.features = append(p.features,
		weights.Uint64s(weights.LexiconKeys, keys), weights.Int32s(weights.LexiconEnds, ends, len(ends)),
		weights.Int32s(weights.LexiconConcepts, concepts, len(concepts)), weights.Bytes(weights.LexiconLevels, levels))
	return p
}

func TestLexiconsAreExplainedExactly(t *testing.T) {
	for name, alone := range map[string]bool{"alone": true, "beside n-grams": false} {
		m := random(weights.MultiLabel, 5, words).lexicon(alone).model(t)
		for _, note := range notes {
			phrases := 0
			for _, e := range answer(t, m, note, classify.Options{Explain: 5, Features: 1000}).Explanations {
				adds(t, note, e)
				for _, f := range e.Features {
					if f.Analyzer == weights.Phrase {
						phrases++
						if len(f.Spans) == 0 || f.Count < len(f.Spans) || note[f.Spans[0][0]:f.Spans[0][1]] == "" {
							t.Errorf("%s, %q: a phrase at %v, %d times", name, note, f.Spans, f.Count)
						}
					}
				}
				if alone && len(e.Features) > 1 {
					t.Errorf("%q: %d phrases count for one label", note, len(e.Features))
				}
			}
			if phrases == 0 {
				t.Errorf("%s, %q: no phrase explains anything", name, note)
			}
		}
	}
}

func TestLexiconLogits(t *testing.T) {
	p := random(weights.MultiLabel, 3, words).lexicon(true)
	m := p.model(t)
	logits, _, _ := m.Score("zzzz")
	for l, z := range logits {
		if z != float64(p.bias[l]) {
			t.Errorf("without a phrase label %d has %g, want its bias %g", l, z, p.bias[l])
		}
	}
	r := answer(t, m, "zzzz", classify.Options{Explain: 1})
	if r.Reason != classify.NoKnownTerms || len(r.Explanations[0].Features) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestAsManyLabelsAsAskedFor(t *testing.T) {
	p := random(weights.MultiLabel, 40, words)
	for l := range p.manifest.Thresholds {
		p.manifest.Thresholds[l] = 2
	}
	p.manifest.Thresholds[7], p.manifest.Thresholds[8] = 0, 0
	m := p.model(t)
	for _, note := range append(notes, "zzzz") {
		all := answer(t, m, note, classify.Options{})
		if len(all.Labels) != 40 || all.Known != 0 {
			t.Errorf("%d labels of %d", len(all.Labels), all.Known)
		}
		for _, n := range []int{1, 5, 39, 40, 1000} {
			r := answer(t, m, note, classify.Options{Labels: n, Explain: 2})
			var want []classify.Label
			for i, l := range all.Labels {
				if i < n || l.Clears {
					want = append(want, l)
				}
			}
			if !slices.Equal(r.Labels, want) || (r.Known != 0) != (n < 40) || r.Sure != all.Sure || r.Reason != all.Reason {
				t.Errorf("%q: of %d asked for, %d labels came, of %d; want %d", note, n, len(r.Labels), r.Known, len(want))
			}
		}
	}
	if _, err := m.Classify("pain", classify.Options{Labels: -1}); err == nil {
		t.Error("-1 labels are given")
	}
}
