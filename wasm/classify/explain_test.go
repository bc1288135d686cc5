package classify_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"bedside/wasm/classify"
	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// adds requires an explanation to add up to the logit, largest contribution first.
func adds(t *testing.T, note string, e classify.Explanation) {
	t.Helper()
	sum := e.Bias + e.Rest
	for i, f := range e.Features {
		sum += f.Contribution
		if i > 0 && math.Abs(e.Features[i-1].Contribution) < math.Abs(f.Contribution) {
			t.Errorf("%.20q, label %d: feature %d contributes more than the one before", note, e.Index, i)
		}
		if f.Contribution == 0 || f.Count < 1 {
			t.Errorf("%.20q, label %d: feature %+v", note, e.Index, f)
		}
	}
	if math.Abs(sum-e.Logit) > 1e-12 {
		t.Errorf("%.20q, label %d: the parts sum to %.15g, the logit is %.15g", note, e.Index, sum, e.Logit)
	}
}

func TestExplanationsAddUp(t *testing.T) {
	for _, kind := range []string{weights.MultiClass, weights.MultiLabel} {
		m := random(kind, 7, words, chars).model(t)
		for _, note := range append(notes, strings.Join(notes, " "), strings.Repeat("pain chest ", 500)) {
			for _, features := range []int{0, 1, 2, 50, classify.MaxFeatures} {
				r := answer(t, m, note, classify.Options{Explain: 100, Features: features})
				if len(r.Explanations) != 7 {
					t.Fatalf("%d explanations", len(r.Explanations))
				}
				for i, e := range r.Explanations {
					if e.Index != r.Labels[i].Index || e.Name != r.Labels[i].Name || e.Logit != r.Labels[i].Logit {
						t.Errorf("explanation %d is of %s, the label there is %s", i, e.Name, r.Labels[i].Name)
					}
					limit := features
					if limit == 0 {
						limit = 24
					}
					if len(e.Features) > limit {
						t.Errorf("%d features, want at most %d", len(e.Features), limit)
					}
					if len(e.Features) == r.Terms && e.Rest != 0 {
						t.Errorf("all features are listed, and %g is left", e.Rest)
					}
					adds(t, note, e)
				}
			}
		}
	}
}

func TestFewerFeaturesAreTheLargest(t *testing.T) {
	m := random(weights.MultiLabel, 3, words, chars).model(t)
	for _, note := range notes {
		all := answer(t, m, note, classify.Options{Explain: 3, Features: classify.MaxFeatures}).Explanations
		for _, features := range []int{1, 2, 7, 24, 100} {
			for i, e := range answer(t, m, note, classify.Options{Explain: 3, Features: features}).Explanations {
				if want := all[i].Features[:min(features, len(all[i].Features))]; !reflect.DeepEqual(e.Features, want) {
					t.Errorf("%.20q: the %d largest features are not the first of all", note, features)
				}
			}
		}
	}
}

// TestRemovingAFeatureRemovesItsContribution is what exactness means to a reader.
func TestRemovingAFeatureRemovesItsContribution(t *testing.T) {
	word := weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 1} // unnormalized, so that words do not weigh on each other
	m := random(weights.MultiLabel, 3, word).model(t)
	const note = "chest pain fever cough"
	for _, e := range answer(t, m, note, classify.Options{Explain: 3}).Explanations {
		for _, f := range e.Features {
			start, end := f.Spans[0][0], f.Spans[0][1]
			logits, _, _ := m.Score(note[:start] + note[end:])
			if d := math.Abs(e.Logit - logits[e.Index] - f.Contribution); d > 1e-12 {
				t.Errorf("without %q label %d falls by %g, want %g", note[start:end], e.Index, e.Logit-logits[e.Index], f.Contribution)
			}
		}
	}
}

// TestBlocksOfWordsAreListedAsOne: a word that two blocks know is one feature, with what
// both contribute; a block of characters keeps its own.
func TestBlocksOfWordsAreListedAsOne(t *testing.T) {
	word := weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 1}
	pairs := weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 2}
	m := random(weights.MultiLabel, 3, pairs, chars, word).model(t)
	for _, note := range append(notes, "chest pain fever cough", "pain chest pain") {
		for _, e := range answer(t, m, note, classify.Options{Explain: 3, Features: classify.MaxFeatures}).Explanations {
			adds(t, note, e)
			listed := map[[2]int]bool{}
			for _, f := range e.Features {
				if f.Analyzer != weights.Word {
					continue
				}
				if listed[f.Spans[0]] {
					t.Errorf("%.20q, label %d: the words at %v are listed twice", note, e.Index, f.Spans[0])
				}
				listed[f.Spans[0]] = true
			}
		}
	}
	m = random(weights.MultiLabel, 3, word, word).model(t)
	const note = "chest pain fever cough"
	for _, e := range answer(t, m, note, classify.Options{Explain: 3}).Explanations {
		if len(e.Features) != 4 {
			t.Errorf("%d features of 4 words", len(e.Features))
		}
		for _, f := range e.Features {
			start, end := f.Spans[0][0], f.Spans[0][1]
			logits, _, _ := m.Score(note[:start] + note[end:])
			if d := math.Abs(e.Logit - logits[e.Index] - f.Contribution); d > 1e-12 {
				t.Errorf("without %q label %d falls by %g, want %g", note[start:end], e.Index, e.Logit-logits[e.Index], f.Contribution)
			}
		}
	}
}

// TestSpansAreTheNGrams normalizes what each span covers: all of a feature's spans hold
// one n-gram. Part of a ligature or of a syllable has the whole character as its span,
// so characters are tried on the notes without such.
func TestSpansAreTheNGrams(t *testing.T) {
	for _, b := range []weights.Block{words, chars} {
		p := random(weights.MultiLabel, 4, b)
		m := p.model(t)
		whole := notes
		if b.Analyzer == weights.CharWB {
			whole = notes[:4]
		}
		for _, note := range whole {
			for _, e := range answer(t, m, note, classify.Options{Explain: 4, Features: classify.MaxFeatures}).Explanations {
				for _, f := range e.Features {
					if f.Analyzer != b.Analyzer {
						t.Fatalf("a feature of %s, want %s", f.Analyzer, b.Analyzer)
					}
					want := min(f.Count, 16)
					if b.Analyzer == weights.CharWB && len(f.Spans) == 0 {
						want = 0 // the padding alone, a place without width
					}
					if len(f.Spans) != want {
						t.Errorf("%d spans of %d occurrences", len(f.Spans), f.Count)
					}
					spellings := map[string]bool{}
					for i, s := range f.Spans {
						if i > 0 && s[0] < f.Spans[i-1][0] {
							t.Errorf("span %v after %v", s, f.Spans[i-1])
						}
						if !utf8.ValidString(note[s[0]:s[1]]) {
							t.Fatalf("span %v cuts a character", s)
						}
						spellings[spell(b, note[s[0]:s[1]])] = true
					}
					if len(spellings) > 1 {
						t.Errorf("one feature, spelled %v", spellings)
					}
				}
			}
		}
	}
}

// spell is the n-gram that a slice of a note holds: stop words passed over for words,
// every character for characters.
func spell(b weights.Block, slice string) string {
	var n text.Normalized
	text.Normalizer{Lowercase: true, StripAccents: true}.Normalize(&n, slice)
	if b.Analyzer == weights.CharWB {
		return string(n.Bytes)
	}
	a := tfidf.NewAnalyzer(b, 0)
	return string(a.AppendText(nil, n.Bytes, tfidf.Gram{End: int32(len(n.Bytes))}))
}

func TestSpansPassOverStopWordsAndFindDuplicates(t *testing.T) {
	m := random(weights.MultiLabel, 1, words).model(t)
	note := "CHEST pain; Chest  PAIN, and chest-pain."
	spelled := map[string][]string{}
	for _, f := range answer(t, m, note, classify.Options{Explain: 1}).Explanations[0].Features {
		var slices []string
		for _, s := range f.Spans {
			slices = append(slices, note[s[0]:s[1]])
		}
		spelled[spell(words, slices[0])] = slices
	}
	for term, want := range map[string][]string{
		"chest":      {"CHEST", "Chest", "chest"},
		"pain":       {"pain", "PAIN", "pain"},
		"chest pain": {"CHEST pain", "Chest  PAIN", "chest-pain"},
	} {
		if !slices.Equal(spelled[term], want) {
			t.Errorf("%s stands at %q, want %q", term, spelled[term], want)
		}
	}
}

func TestOffsetsAgree(t *testing.T) {
	m := random(weights.MultiLabel, 3, words, chars).model(t)
	for _, note := range append(notes,
		"😀😀 chest 👩\u200d⚕️ pain 💊",
		"\xff\xfe chest \xf0\x9f pain \xed\xa0\x80 fièvre \xc3",
		"e\u0301pigastre, fie\u0300vre, ﷺ ΟΔΟΣ 발열과",
		"\U0010ffff\U00010000pain\U0001d400",
	) {
		in8 := answer(t, m, note, classify.Options{Explain: 3})
		named := answer(t, m, note, classify.Options{Explain: 3, Offsets: "utf8"})
		in16 := answer(t, m, note, classify.Options{Explain: 3, Offsets: "utf16"})
		units := utf16.Encode([]rune(note)) // an invalid byte is one U+FFFD, as in a decoder that replaces byte by byte
		found := 0
		for i, e := range in8.Explanations {
			for j, f := range e.Features {
				if !slices.Equal(f.Spans, named.Explanations[i].Features[j].Spans) {
					t.Errorf("%q: the default offsets are not utf8", note)
				}
				for k, s := range f.Spans {
					u := in16.Explanations[i].Features[j].Spans[k]
					if u[0] < 0 || u[0] > u[1] || u[1] > len(units) {
						t.Fatalf("%q: span %v of %d units", note, u, len(units))
					}
					got, want := string(utf16.Decode(units[u[0]:u[1]])), string([]rune(note[s[0]:s[1]]))
					if got != want {
						t.Errorf("%q: units %v hold %q, bytes %v hold %q", note, u, got, s, want)
					}
					found++
				}
			}
		}
		if found == 0 {
			t.Errorf("%q: no spans", note)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, note := range notes {
		f.Add(note, uint8(2), uint8(3), true)
	}
	f.Add("\xff chest\x00pain \xf0\x9f\x98 😀 fièvre \u2028", uint8(9), uint8(0), false)
	m := random(weights.MultiClass, 3, words, chars).model(f)
	f.Fuzz(func(t *testing.T, note string, explain, features uint8, in16 bool) {
		o := classify.Options{Explain: int(explain), Features: int(features)}
		length := len(note)
		if in16 {
			o.Offsets, length = "utf16", len(utf16.Encode([]rune(note)))
		}
		r, err := m.Classify(note, o)
		if err != nil {
			if strings.TrimFunc(note, text.IsSpace) != "" {
				t.Fatalf("%q: %v", note, err)
			}
			return
		}
		sum := 0.0
		for _, label := range r.Labels {
			sum += label.Probability
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Fatalf("the probabilities sum to %g", sum)
		}
		for _, e := range r.Explanations {
			adds(t, note, e)
			for _, f := range e.Features {
				for _, s := range f.Spans {
					if s[0] < 0 || s[0] >= s[1] || s[1] > length {
						t.Fatalf("%q: span %v of %d", note, s, length)
					}
				}
			}
		}
	})
}

// TestEvidenceInDialogues: what explains an answer is pointed out in the text as it came.
func TestEvidenceInDialogues(t *testing.T) {
	p := random(weights.MultiClass, 3, words)
	p.manifest.Text.Prepare = weights.Dialogue
	m := p.model(t)
	const dialogue = "Doctor:  Ｃｈｅｓｔ\u00a0pain?\nPatient_2 : 😀 Knee."
	for offsets, whole := range map[string]func(s [2]int) string{
		"utf8":  func(s [2]int) string { return dialogue[s[0]:s[1]] },
		"utf16": func(s [2]int) string { return string(utf16.Decode(utf16.Encode([]rune(dialogue))[s[0]:s[1]])) },
	} {
		found := map[string]bool{}
		for _, f := range answer(t, m, dialogue, classify.Options{Explain: 1, Offsets: offsets}).Explanations[0].Features {
			for _, s := range f.Spans {
				found[whole(s)] = true
			}
		}
		for _, want := range []string{"Ｃｈｅｓｔ", "pain", "Ｃｈｅｓｔ\u00a0pain", "Knee"} {
			if !found[want] {
				t.Errorf("%s: %q is not among the evidence %v", offsets, want, found)
			}
		}
	}
}
