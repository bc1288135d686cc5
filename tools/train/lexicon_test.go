package train

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"bedside/kernels/reference"
	"bedside/tools/dataset"
	"bedside/tools/train/invented"
	"bedside/wasm/classify"
)

// lexical are the settings of lexicons, alone or beside words.
func lexical(t *testing.T, alone bool) Settings {
	t.Helper()
	s := settings(t, true, "lexicon")
	if s.Families, s.Cs = []string{LogisticRegression}, []float64{1}; !alone {
		word := settings(t, true, "word").Features[0]
		s.Features = []FeatureSet{{"lexicon+word", word.Blocks, true}}
	}
	return s
}

func TestLexiconsLearn(t *testing.T) {
	d := load(t, invented.Notes(200, 21), false)
	for name, alone := range map[string]bool{"alone": true, "beside words": false} {
		m, err := Train(t.Context(), d, lexical(t, alone))
		if err != nil {
			t.Fatal(err)
		}
		if m.Best.MicroF1 < 0.6 || m.Lexicon == nil || (m.Linear == nil) != alone {
			t.Errorf("%s: micro-F1 %.3f", name, m.Best.MicroF1)
		}
		again, err := Train(t.Context(), d, lexical(t, alone))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := write(t, m, Int8), write(t, again, Int8); !mapsEqual(a, b) {
			t.Errorf("%s: the same notes give another bundle", name)
		}
	}
}

func mapsEqual(a, b map[string]string) bool {
	for name := range a {
		if a[name] != b[name] {
			return false
		}
	}
	return len(a) == len(b)
}

// TestLexiconBundlesScoreAsTrained classifies with the bundle what training scored.
func TestLexiconBundlesScoreAsTrained(t *testing.T) {
	d := load(t, invented.Notes(120, 22), false)
	for name, alone := range map[string]bool{"alone": true, "beside words": false} {
		s := lexical(t, alone)
		run := newTrainer(d, s)
		corpora, err := run.analyze(t.Context(), s.Features[0])
		if err != nil {
			t.Fatal(err)
		}
		all := make([]int, len(d.Examples))
		for i := range all {
			all[i] = i
		}
		m, err := Train(t.Context(), d, s)
		if err != nil {
			t.Fatal(err)
		}
		levels, x := run.read(s.Features[0], corpora, learned{m.Vocabularies, m.Lexicon, nil, run.all}, all)
		want := m.Lexicon.scores(levels)
		if !alone {
			if want, err = m.Linear.Decision(x); err != nil {
				t.Fatal(err)
			}
		}
		model := open(t, m, Float32)
		for i, e := range d.Examples {
			logits, _, _ := model.Score(e.Text)
			for l, z := range logits {
				if math.Abs(z-want[i*len(logits)+l]) > 1e-4 {
					t.Fatalf("%s, note %d: label %d scores %g, trained to %g", name, i, l, z, want[i*len(logits)+l])
				}
			}
		}
	}
}

// TestLexiconsDoNotSeeHeldOutLabels changes a label at a time: what a lexicon says of the
// example's own fold, and the levels it gives it to learn from, must not move.
func TestLexiconsDoNotSeeHeldOutLabels(t *testing.T) {
	d := load(t, invented.Notes(90, 23), false)
	for _, alone := range []bool{true, false} {
		s := lexical(t, alone)
		fold := folds(d, s.Folds, s.Seed)
		before := heldOut(t, d, s, fold)
		for _, i := range []int{3, 50} {
			kept := d.Examples[i].Labels
			d.Examples[i].Labels = []int{(kept[0] + 1) % len(d.Labels)}
			after := heldOut(t, d, s, fold)
			d.Examples[i].Labels = kept
			checkSealed(t, before[0], after[0], i, fold, len(d.Labels))
		}
	}
}

func TestEvidenceIsThePhrase(t *testing.T) {
	var notes []invented.Note
	random := rand.New(rand.NewPCG(24, 24))
	for i := range 80 {
		n := invented.Notes(1, random.Uint64())[0]
		n.Labels = []string{"Other"}
		if i%4 == 0 {
			n.Text += " He hears a ringing bell."
			n.Labels = []string{"H93.1 Tinnitus"}
		}
		notes = append(notes, n)
	}
	m, err := Train(t.Context(), load(t, notes, false), lexical(t, true))
	if err != nil {
		t.Fatal(err)
	}
	const note = "At night she hears the ringing bells, and sleeps badly."
	r, err := open(t, m, Int8).Classify(note, classify.Options{Explain: 1})
	if err != nil {
		t.Fatal(err)
	}
	best, why := r.Labels[0], r.Explanations[0]
	if best.Name != "H93.1 Tinnitus" || !best.Clears || len(why.Features) != 1 {
		t.Fatalf("%+v, %+v", best, why)
	}
	span := why.Features[0].Spans[0]
	if passage := note[span[0]:span[1]]; !strings.Contains("hears the ringing bells", passage) {
		t.Errorf("the evidence is %q", passage)
	}
}

func TestNotesWithoutALabel(t *testing.T) {
	text := "text,label\n"
	for i, n := range invented.Notes(60, 25) {
		if i%3 == 0 {
			n.Labels = nil
		}
		text += "\"" + n.Text + "\"," + strings.Join(n.Labels, ";") + "\n"
	}
	o := dataset.Options{Text: "text", Label: "label", Separator: ";"}
	if _, err := dataset.Read(strings.NewReader(text), nil, o); err == nil {
		t.Error("an empty cell is read as no label without being asked to")
	}
	o.None = true
	d, err := dataset.Read(strings.NewReader(text), nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), d, lexical(t, true)); err != nil {
		t.Error(err)
	}
}

func TestTitles(t *testing.T) {
	titles := newTitles([]string{"I10 Essential (primary) hypertension", "D64.9 Anemia, unspecified", "E11.9 Type 2 diabetes", "X"})
	for _, c := range []struct {
		phrase string
		label  int
		in, of float64
	}{
		{"anemia", 1, 1, 0.5}, // d64 is the code, 9 and unspecified are not telling
		{"anemic", 1, 1, 0.5},
		{"severe anemia", 1, 0.5, 0.5},
		{"hypertensive", 0, 1, 0.25},
		{"fever", 0, 0, 0},
		{"x", 3, 1, 1},
	} {
		in, of := titles.overlap(splitAll([][]byte{[]byte(c.phrase)})[0], c.label)
		if math.Abs(in-c.in) > 1e-9 || math.Abs(of-c.of) > 0.2 {
			t.Errorf("%q and label %d: %g and %g, want %g and about %g", c.phrase, c.label, in, of, c.in, c.of)
		}
	}
}

func TestRegressionFindsTheWeights(t *testing.T) {
	random := rand.New(rand.NewPCG(26, 26))
	want := weighting{-3, 2, 0, -1}
	r := &regression{}
	for range 60000 {
		f := [entryFeatures]float64{0: 1}
		for j := 1; j < 5; j++ {
			f[j] = random.NormFloat64()
		}
		r.add(f, random.Float64() < reference.Sigmoid(want.value(f)))
	}
	got := r.fit(weighting{})
	for j := range want {
		if math.Abs(got[j]-want[j]) > 0.12 {
			t.Errorf("weight %d is %.3f, drawn with %g", j, got[j], want[j])
		}
	}
}

// TestPhrasesOfTextsBeside: a phrase that only texts beside the notes have is evidence for their label.
func TestPhrasesOfTextsBeside(t *testing.T) {
	texts := []string{"rash", "cough and rash", "cough", "pemphigoid of the skin", "skin pemphigoid", "cough, pemphigoid"}
	sets := [][]int{{0}, {0, 1}, {1}, {0}, {0}, {1}}
	c, err := Analyze(t.Context(), Text, PhraseBlock, 0, texts)
	if err != nil {
		t.Fatal(err)
	}
	x := newLexicographer(c, []string{"Dermatology", "Pneumology"}, sets, []int{3, 4, 5})
	entries := map[string]entry{}
	for _, e := range x.count([]int{0, 1, 2}).entries {
		if e.label == 0 {
			entries[string(c.spelling[e.phrase])] = e
		}
	}
	if e := entries["rash"]; e.with != 2 || e.notes != 2 || e.in != 0 {
		t.Errorf("the entry of rash is %+v", e)
	}
	if e := entries["pemphigoid"]; e.with != 0 || e.notes != 0 || math.Abs(float64(e.in)-2.0/3) > 1e-6 {
		t.Errorf("the entry of pemphigoid is %+v", e)
	}
	if e, ok := entries["cough"]; ok {
		t.Errorf("cough has an entry, %+v", e)
	}
}
