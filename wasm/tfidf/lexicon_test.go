package tfidf_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// entry is what a phrase says of a concept.
type entry struct {
	phrase  string
	concept int32
	level   uint8
}

// lexicon lays entries out as a manifest and its tensors.
func lexicon(t testing.TB, concepts int, entries []entry) (*weights.Manifest, weights.Tensors) {
	t.Helper()
	m := &weights.Manifest{
		Name: "lexicon", Task: weights.Task{Kind: weights.MultiLabel, Labels: make([]string, concepts)},
		Text:    weights.Text{Lowercase: true, StripAccents: "unicode"},
		Lexicon: &weights.Lexicon{MaxN: 4, Concepts: concepts, Entries: len(entries), Unit: .5},
	}
	of := map[uint64][]entry{}
	for _, e := range entries {
		k := key(t, e.phrase)
		of[k] = append(of[k], e)
	}
	var keys []uint64
	for k := range of {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var ends, spoken []int32
	var levels []uint8
	for _, k := range keys {
		slices.SortFunc(of[k], func(a, b entry) int { return int(a.concept - b.concept) })
		for _, e := range of[k] {
			spoken, levels = append(spoken, e.concept), append(levels, e.level)
		}
		ends = append(ends, int32(len(levels)))
	}
	m.Lexicon.Phrases = len(keys)
	zeros := make([]float32, concepts)
	return m, load(t, m, []weights.Values{
		weights.Uint64s(weights.LexiconKeys, keys),
		weights.Int32s(weights.LexiconEnds, ends, len(ends)),
		weights.Int32s(weights.LexiconConcepts, spoken, len(spoken)),
		weights.Bytes(weights.LexiconLevels, levels),
		weights.Float32s(weights.LinearScale, zeros, concepts),
		weights.Float32s(weights.LinearBias, zeros, concepts),
	})
}

// key is that of the longest phrase in s.
func key(t testing.TB, s string) (k uint64) {
	t.Helper()
	longest := int32(0)
	phrases().Each([]byte(s), func(g tfidf.Gram) {
		if n := g.End - g.Start; n > longest {
			k, longest = g.Key, n
		}
	})
	return k
}

func phrases() *tfidf.Analyzer {
	return tfidf.NewAnalyzer(weights.Block{Analyzer: weights.Phrase, MinN: 1, MaxN: 4}, weights.LexiconPosition)
}

func TestPhrases(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"pains in the joints", "pain|pain joint|joint"},
		{"fever. cough; rash", "fever|cough|rash"},
		{"biopsies of this mass: pus", "biopsy|biopsy mass|mass|pus"},
		{"hepatitis c", "hepatitis|hepatitis c|c"},
		{"no fever, chills", "no|no fever|no fever chill|fever|fever chill|chill"},
		{"gas as ribs us virus", "gas|gas rib|gas rib us|gas rib us virus|rib|rib us|rib us virus|us|us virus|virus"},
		{"a the of", ""},
		{"ñandú s", "ñandú|ñandú s|s"},
	} {
		a := phrases()
		var got []string
		a.Each([]byte(c.text), func(g tfidf.Gram) {
			got = append(got, string(a.AppendText(nil, []byte(c.text), g)))
		})
		if strings.Join(got, "|") != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.text, strings.Join(got, "|"), c.want)
		}
	}
}

// TestPhraseKeysAreTheFormat pins a key that weights/README.md names.
func TestPhraseKeysAreTheFormat(t *testing.T) {
	const want = 0x652cf4ad81d02be3
	if got := key(t, "pain in the joints"); got != want {
		t.Errorf("the key is %#x, want %#x", got, uint64(want))
	}
	if key(t, "joints") != key(t, "joint") || key(t, "chest pain") == key(t, "pain chest") {
		t.Error("plurals have keys of their own, or order does not matter")
	}
}

func TestTheLoudestPhraseCounts(t *testing.T) {
	m, tensors := lexicon(t, 4, []entry{
		{"fever", 0, 10}, {"high fever", 0, 30}, {"chills", 0, 30}, {"fever", 2, 5}, {"cough", 3, 255},
	})
	v, err := tfidf.New(m, tensors)
	if err != nil {
		t.Fatal(err)
	}
	if v.Columns() != 4 || v.Analyzer(2) != weights.Phrase {
		t.Errorf("%d columns, of %s", v.Columns(), v.Analyzer(2))
	}
	const note = "Fever, then HIGH fevers and chills; high fever."
	var out tfidf.Vector
	for range 2 { // nothing is left from the note before
		v.Transform(&out, note)
		if !slices.Equal(out.Columns, []int32{0, 2}) || !slices.Equal(out.Values, []float64{15, 2.5}) || !slices.Equal(out.Counts, []int32{2, 3}) {
			t.Fatalf("columns %v, values %v, counts %v", out.Columns, out.Values, out.Counts)
		}
		var at []string
		for _, h := range out.Phrases {
			if h.Column == out.Strongest[0] {
				at = append(at, note[h.Start:h.End])
			}
		}
		if !slices.Equal(at, []string{"HIGH fevers", "high fever"}) {
			t.Fatalf("the first concept has its level from %q", at)
		}
	}
	if v.Transform(&out, "nothing"); len(out.Columns)+len(out.Phrases)+len(out.Strongest) != 0 {
		t.Errorf("an unknown note has %+v", out)
	}
}

func TestUnsoundLexiconsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		tensor     string
		spoil      func([]byte)
	}{
		{"a phrase without entries", "ends at entry 0", weights.LexiconEnds, func(b []byte) { b[0] = 0 }},
		{"ends that go back", "ends at entry 1, after 1", weights.LexiconEnds, func(b []byte) { b[4] = 1 }},
		{"ends beyond the entries", "of 3", weights.LexiconEnds, func(b []byte) { b[4] = 9 }},
		{"negative ends", "phrase 0 ends at entry -", weights.LexiconEnds, func(b []byte) { b[3] = 0x80 }},
		{"a concept that is not there", "of concept 200", weights.LexiconConcepts, func(b []byte) { b[8] = 200 }},
		{"a negative concept", "of concept -", weights.LexiconConcepts, func(b []byte) { b[3] = 0xff }},
		{"a level of 0", "has level 0", weights.LexiconLevels, func(b []byte) { b[1] = 0 }},
		{"keys that do not ascend", "not strictly ascending", weights.LexiconKeys, func(b []byte) { clear(b) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, tensors := lexicon(t, 3, []entry{{"fever", 0, 10}, {"cough", 1, 20}, {"cough", 2, 30}})
			for i, x := range m.Tensors {
				if x.Name == c.tensor {
					c.spoil(tensors.At(weights.Segment{Tensor: i, Length: x.Size}))
				}
			}
			if c.name == "ends that go back" || c.name == "ends beyond the entries" {
				for i, x := range m.Tensors {
					if x.Name == weights.LexiconEnds {
						tensors.At(weights.Segment{Tensor: i, Length: x.Size})[0] = 1
					}
				}
			}
			if _, err := tfidf.New(m, tensors); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// FuzzPhrases holds the analyzer to its definition, and a lexicon to what it is made of.
func FuzzPhrases(f *testing.F) {
	for _, s := range []string{"", "a", "Pains in the joints. Fever!", "biopsies; masses: pus", "no fever, no cough", "é\u0301s ½s 한국어s", "s ss us is ies", "\x00\xff.\xfe", "....", "😀 fevers"} {
		f.Add(s)
	}
	m, tensors := lexicon(f, 3, []entry{{"fever", 0, 10}, {"no fever", 1, 20}, {"biopsy", 1, 1}, {"joint", 2, 255}})
	v, err := tfidf.New(m, tensors)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1<<12 {
			return
		}
		var n text.Normalized
		text.Normalizer{Lowercase: true, StripAccents: true}.Normalize(&n, s)
		a := phrases()
		a.Each(n.Bytes, func(g tfidf.Gram) {
			if g.Start < 0 || g.Start >= g.End || int(g.End) > len(n.Bytes) {
				t.Fatalf("a phrase at %d to %d of %d bytes", g.Start, g.End, len(n.Bytes))
			}
			spelled := string(a.AppendText(nil, n.Bytes, g))
			if words := len(strings.Split(spelled, " ")); spelled == "" || words > 4 || strings.ContainsAny(spelled, ".;:!?") {
				t.Fatalf("the phrase %q", spelled)
			}
		})
		var out tfidf.Vector
		v.Transform(&out, s)
		if len(out.Columns) != len(out.Values) || len(out.Columns) != len(out.Counts) || len(out.Columns) != len(out.Strongest) {
			t.Fatalf("%+v", out)
		}
		for k, c := range out.Columns {
			if c < 0 || c > 2 || out.Values[k] <= 0 || out.Counts[k] < 1 {
				t.Fatalf("column %d has %g, %d times", c, out.Values[k], out.Counts[k])
			}
		}
	})
}

// FuzzHostileLexicon fills a lexicon's tensors with any bytes: New refuses them, or reads on.
func FuzzHostileLexicon(f *testing.F) {
	fever := binary.LittleEndian.AppendUint64(nil, key(f, "fever"))
	f.Add(fever, []byte{1, 0, 0, 0, 3, 0, 0, 0}, []byte{0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0}, []byte{1, 2, 3})
	f.Add([]byte{0}, []byte{0xff}, []byte{0xff, 0xff, 0xff, 0x7f}, []byte{0})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 2}, []byte{2, 0, 0, 0, 3, 0, 0, 0}, []byte{1, 0, 0, 0}, []byte{0xff})
	f.Fuzz(func(t *testing.T, keys, ends, concepts, levels []byte) {
		m, tensors := lexicon(t, 3, []entry{{"fever", 0, 10}, {"cough", 1, 20}, {"cough", 2, 30}})
		fill := map[string][]byte{weights.LexiconKeys: keys, weights.LexiconEnds: ends, weights.LexiconConcepts: concepts, weights.LexiconLevels: levels}
		for i, x := range m.Tensors {
			if with := fill[x.Name]; with != nil {
				copy(tensors.At(weights.Segment{Tensor: i, Length: x.Size}), with)
			}
		}
		v, err := tfidf.New(m, tensors)
		if err != nil {
			return
		}
		var out tfidf.Vector
		v.Transform(&out, "Fever and cough, no fever. Coughs!")
		for k, c := range out.Columns {
			if c < 0 || c > 2 || !(out.Values[k] > 0) {
				t.Fatalf("column %d has %g", c, out.Values[k])
			}
		}
	})
}
