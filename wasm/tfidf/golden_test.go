package tfidf_test

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// golden is testdata/golden.json, which tools/encoder/tfidf_goldens.py writes.
type golden struct {
	Notes []string
	Cases []goldenCase
}

type goldenCase struct {
	Settings struct {
		weights.Text
		weights.Block
	}
	Vocabulary []string
	DF         []int
	Widest     float64     // what storing idf as float32 changes
	Columns    [][]int     // per note: places in Vocabulary
	Values     [][]float64 // per note
}

func readGolden(t testing.TB) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Notes) < 25 || len(g.Cases) < 10 {
		t.Fatalf("%d notes, %d cases", len(g.Notes), len(g.Cases))
	}
	return g
}

// vocabulary is what the notes' n-grams are, and in how many notes each stands.
type vocabulary struct {
	spelling map[uint64]string
	df       map[uint64]int
}

func learn(t testing.TB, prepare weights.Text, a *tfidf.Analyzer, notes []string) vocabulary {
	t.Helper()
	v := vocabulary{map[uint64]string{}, map[uint64]int{}}
	keys := map[string]uint64{}
	var n text.Normalized
	for _, note := range notes {
		tfidf.Normalizer(prepare).Normalize(&n, note)
		seen := map[uint64]bool{}
		a.Each(n.Bytes, func(g tfidf.Gram) {
			spelled := string(a.AppendText(nil, n.Bytes, g))
			if before, ok := v.spelling[g.Key]; ok && before != spelled {
				t.Fatalf("%q and %q share key %x", before, spelled, g.Key)
			}
			if before, ok := keys[spelled]; ok && before != g.Key {
				t.Fatalf("%q has keys %x and %x", spelled, before, g.Key)
			}
			v.spelling[g.Key], keys[spelled] = spelled, g.Key
			if !seen[g.Key] {
				seen[g.Key] = true
				v.df[g.Key]++
			}
		})
	}
	return v
}

// tensors are the block's keys and smooth idf over the given number of notes.
func (v vocabulary) tensors(block, notes int) []weights.Values {
	keys := slices.Sorted(maps.Keys(v.df))
	idf := make([]float32, len(keys))
	for i, key := range keys {
		idf[i] = float32(math.Log(float64(1+notes)/float64(1+v.df[key])) + 1)
	}
	return []weights.Values{
		weights.Uint64s(weights.KeysTensor(block), keys),
		weights.Float32s(weights.IDFTensor(block), idf, len(idf)),
	}
}

// build makes the vectorizer of blocks whose vocabularies the notes give.
func build(t testing.TB, prepare weights.Text, notes []string, blocks ...weights.Block) *tfidf.Vectorizer {
	t.Helper()
	m := &weights.Manifest{Text: prepare, TFIDF: &weights.TFIDF{}}
	var values []weights.Values
	for i, b := range blocks {
		v := learn(t, prepare, tfidf.NewAnalyzer(b, i), notes)
		b.Terms = len(v.df)
		m.TFIDF.Blocks = append(m.TFIDF.Blocks, b)
		values = append(values, v.tensors(i, len(notes))...)
	}
	v, err := tfidf.New(m, load(t, m, values))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func load(t testing.TB, m *weights.Manifest, values []weights.Values) weights.Tensors {
	t.Helper()
	stream, err := m.Layout(values)
	if err != nil {
		t.Fatal(err)
	}
	m.Shards = []weights.Shard{{Size: int64(len(stream))}}
	tensors := m.Allocate()
	for _, s := range m.Plan() {
		copy(tensors.At(s), stream[s.ShardOffset:])
	}
	return tensors
}

func TestAgreesWithScikitLearn(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.Cases {
		name, err := json.Marshal(c.Settings)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(name), func(t *testing.T) {
			v := learn(t, c.Settings.Text, tfidf.NewAnalyzer(c.Settings.Block, 0), g.Notes)
			df := map[string]int{}
			for key, spelled := range v.spelling {
				df[spelled] = v.df[key]
			}
			want := map[string]int{}
			for i, term := range c.Vocabulary {
				want[term] = c.DF[i]
			}
			for _, term := range slices.Sorted(maps.Keys(union(df, want))) {
				if df[term] != want[term] {
					t.Errorf("term %+q stands in %d notes, scikit-learn says %d", term, df[term], want[term])
				}
			}
			if c.Settings.Norm == "l2" && c.Widest > 1e-6 {
				t.Errorf("storing idf as float32 changes values by %g", c.Widest)
			}
			vectorizer := build(t, c.Settings.Text, g.Notes, c.Settings.Block)
			keys := slices.Sorted(maps.Keys(v.spelling))
			var out tfidf.Vector
			for i, note := range g.Notes {
				vectorizer.Transform(&out, note)
				got := map[string]float64{}
				for k, column := range out.Columns {
					got[v.spelling[keys[column]]] = out.Values[k]
				}
				want := map[string]float64{}
				for k, column := range c.Columns[i] {
					want[c.Vocabulary[column]] = c.Values[i][k]
				}
				compare(t, note, got, want)
			}
		})
	}
}

// compare allows for the 13 digits of the golden file.
func compare(t *testing.T, note string, got, want map[string]float64) {
	t.Helper()
	for _, term := range slices.Sorted(maps.Keys(union(got, want))) {
		if d := math.Abs(got[term] - want[term]); d > 1e-12*math.Abs(want[term]) || math.IsNaN(d) {
			t.Errorf("note %+.30q: %+q has value %v, scikit-learn says %v", note, term, got[term], want[term])
		}
	}
}

func union[V any](a, b map[string]V) map[string]V {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}
