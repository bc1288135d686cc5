package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bedside/tools/fit"
	"bedside/tools/train/invented"
	"bedside/tools/words"
	"bedside/weights"
)

// alike has the words of the invented notes' labels close together, and others that no
// note has beside them.
func alike(t *testing.T) *words.Vectors {
	t.Helper()
	v, err := words.Read(strings.NewReader("stent 1 0 0.1\nMurmur 1 0.1 0\nbradycardia 0.9 0.1 0\ngait 0 1 0.1\ntremor 0 1 0\nchorea 0.1 0.9 0\nknee 0 0 1\nbeta-blocker 1 1 1\nmürmur 0 0 1\n, 1 1 1\nx 1 2 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func withWords(t *testing.T, features string) FeatureSet {
	t.Helper()
	found, err := FindFeatures([]string{features})
	if err != nil {
		t.Fatal(err)
	}
	return found[0].WithWords(alike(t))
}

func TestWithWordsLeavesThePresetAlone(t *testing.T) {
	before, _ := FindFeatures([]string{"word+char"})
	f := withWords(t, "word+char")
	if f.Name != "word+char+words" || len(f.Blocks) != 3 || f.Blocks[2].Words == nil || len(before[0].Blocks) != 2 {
		t.Errorf("%+v of %+v", f, before)
	}
}

// TestOnlyWordsOfNotesGetKeys: case and accents fold, the first of equals counts, and
// what notes would split, or drop, has no place.
func TestOnlyWordsOfNotesGetKeys(t *testing.T) {
	b := withWords(t, "word").Blocks[1]
	of, err := wordKeys(Text, b, 1, map[uint64][]byte{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range of {
		got = append(got, b.Words.Words[i])
	}
	slices.Sort(got)
	if want := []string{"Murmur", "bradycardia", "chorea", "gait", "knee", "stent", "tremor"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	other := map[uint64][]byte{}
	for key := range of {
		other[key] = []byte("another word")
	}
	if _, err := wordKeys(Text, b, 1, other); err == nil || !strings.Contains(err.Error(), "same 64-bit key") {
		t.Errorf("two words of one key: %v", err)
	}
	b.Words = &words.Vectors{Words: []string{"a-b"}, Width: 1, Value: []float32{1}}
	if _, err := wordKeys(Text, b, 1, map[uint64][]byte{}); err == nil || !strings.Contains(err.Error(), "none of the 1 words") {
		t.Errorf("no word at all: %v", err)
	}
}

// TestUnfoldScoresAsProjected: what is fitted on projected rows scores rows of terms alike.
func TestUnfoldScoresAsProjected(t *testing.T) {
	notes := []string{"Murmur and stent, murmur.", "tremor, gait", "nothing known", "knee pain tremor"}
	f := withWords(t, "phrase")
	f.Blocks[0].MinDF = 1
	f.Blocks = []Block{f.Blocks[1], f.Blocks[0]} // a block after the words too
	var corpora []*Corpus
	for position, b := range f.Blocks {
		c, err := Analyze(t.Context(), Text, b, position, notes)
		if err != nil {
			t.Fatal(err)
		}
		corpora = append(corpora, c)
	}
	all := []int{0, 1, 2, 3}
	fitted, err := vocabularies(corpora, all)
	if err != nil {
		t.Fatal(err)
	}
	terms := transform(corpora, fitted, all)
	terms = join([]*fit.Matrix{terms, {Rows: 4, Cols: 2, Start: []int{0, 1, 1, 2, 2}, Index: []int32{1, 0}, Value: []float64{3, 4}}})
	projected := project(fitted, terms)
	if err := projected.Validate(); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	m := &fit.Linear{Features: projected.Cols, Labels: 2, Bias: []float64{1, 2}}
	for range projected.Cols * 2 {
		m.Weight = append(m.Weight, random.NormFloat64())
	}
	want, err := m.Decision(projected)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unfold(fitted, m).Decision(terms)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 {
			t.Errorf("score %d: %g, projected %g", i, got[i], want[i])
		}
	}
	plain := &fit.Linear{Features: len(fitted[1].Keys), Labels: 1, Weight: make([]float64, len(fitted[1].Keys)), Bias: []float64{0}}
	if out := unfold(fitted[1:], plain); !slices.Equal(out.Weight, plain.Weight) {
		t.Error("a model without word vectors is changed")
	}
}

// TestUnseenWordsAreJudgedByWordsUsedAlike trains on notes that never say "bradycardia" or
// "chorea", and asks the bundle about notes of nothing else.
func TestUnseenWordsAreJudgedByWordsUsedAlike(t *testing.T) {
	d := load(t, invented.Single(invented.Notes(200, 8)), false)
	s := settings(t, false, "phrase")
	s.Features = []FeatureSet{withWords(t, "phrase")}
	s.Cs = []float64{1}
	for _, s.Families = range [][]string{{LogisticRegression}, {SVM}} {
		m, err := Train(t.Context(), d, s)
		if err != nil {
			t.Fatal(err)
		}
		model := open(t, m, Int8)
		for note, want := range map[string]string{"Bradycardia.": "Cardiology", "chorea!": "Neurology"} {
			logits, _, err := model.Score(note)
			if err != nil {
				t.Fatal(err)
			}
			best := 0
			for l := range logits {
				if logits[l] > logits[best] {
					best = l
				}
			}
			if got := m.Labels[best]; got != want {
				t.Errorf("%s: %q is %s, want %s", s.Families[0], note, got, want)
			}
		}
		if last := m.Vocabularies[len(m.Vocabularies)-1].Block; last.Terms != 7 || last.Analyzer != weights.Word {
			t.Errorf("the block of words is %+v", last)
		}
	}
}
