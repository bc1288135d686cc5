package train

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"bedside/tools/fit"
	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// wordBlock is a block that keeps stop words, so that counting by hand is easy.
func wordBlock(minDF int, maxDF float64) Block {
	return Block{Block: weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 2, Norm: "l2"}, MinDF: minDF, MaxDF: maxDF}
}

var counted = []string{
	"Fever, cough; fever.",     // fever 2, cough 1, "fever cough", "cough fever"
	"cough Fever",              // fever 1, cough 1, "cough fever"
	"FEVER with ráles",         // fever 1, with 1, rales 1, "fever with", "with rales"
	"no fever, RALES with pus", // no, fever, rales, with, pus; "no fever" "fever rales" "rales with" "with pus"
	"pain",
}

func TestVocabularyCountedByHand(t *testing.T) {
	tests := []struct {
		name  string
		minDF int
		maxDF float64
		notes []int
		want  map[string]int // term: notes that hold it
	}{
		{"in two notes and in at most four fifths", 2, 0.8, []int{0, 1, 2, 3, 4},
			map[string]int{"fever": 4, "cough": 2, "with": 2, "rales": 2, "cough fever": 2}},
		{"in at most three fifths", 2, 0.6, []int{0, 1, 2, 3, 4},
			map[string]int{"cough": 2, "with": 2, "rales": 2, "cough fever": 2}},
		{"in exactly the share is kept", 2, 0.4, []int{0, 1, 2, 3, 4},
			map[string]int{"cough": 2, "with": 2, "rales": 2, "cough fever": 2}},
		{"in two of three is over a share of 0.6", 1, 0.6, []int{0, 1, 4},
			map[string]int{"fever cough": 1, "pain": 1}},
		{"of a part of the notes", 2, 1, []int{3, 2},
			map[string]int{"fever": 2, "with": 2, "rales": 2}},
		{"a note named twice counts twice", 2, 1, []int{4, 4},
			map[string]int{"pain": 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := wordBlock(test.minDF, test.maxDF)
			corpus, err := Analyze(t.Context(), Text, b, 0, counted)
			if err != nil {
				t.Fatal(err)
			}
			v, err := corpus.Fit(test.notes)
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Keys) != len(test.want) || v.Block.Terms != len(test.want) {
				t.Errorf("%d keys and %d terms, want %d", len(v.Keys), v.Block.Terms, len(test.want))
			}
			for term, df := range test.want {
				column := columnOf(t, v, b, term)
				n := float64(len(test.notes))
				if want := math.Log((1+n)/(1+float64(df))) + 1; math.Abs(v.IDF[column]-want) > 1e-15 {
					t.Errorf("idf of %q is %v, want %v", term, v.IDF[column], want)
				}
			}
		})
	}
}

// columnOf finds a term's column.
func columnOf(t *testing.T, v *Vocabulary, b Block, term string) int {
	t.Helper()
	key := keyOf(t, b, term)
	for column, k := range v.Keys {
		if k == key {
			return column
		}
	}
	t.Fatalf("%q is not in the vocabulary", term)
	return 0
}

func TestTransformByHand(t *testing.T) {
	for _, sublinear := range []bool{false, true} {
		b := wordBlock(2, 1)
		b.SublinearTF = sublinear
		corpus, err := Analyze(t.Context(), Text, b, 0, counted)
		if err != nil {
			t.Fatal(err)
		}
		v, err := corpus.Fit([]int{0, 1, 2, 3, 4})
		if err != nil {
			t.Fatal(err)
		}
		two := 2.0
		if sublinear {
			two = 1 + math.Log(2)
		}
		fever, cough := two*(math.Log(6.0/5)+1), math.Log(6.0/3)+1
		norm := math.Sqrt(fever*fever + 2*cough*cough) // "cough fever" weighs as cough does
		x := corpus.Transform(v, []int{4, 0})
		if x.Start[1] != 0 {
			t.Errorf("a note without known terms has %d values", x.Start[1])
		}
		row := map[int32]float64{}
		for k := x.Start[1]; k < x.Start[2]; k++ {
			row[x.Index[k]] = x.Value[k]
		}
		for term, want := range map[string]float64{"fever": fever / norm, "cough": cough / norm, "cough fever": cough / norm} {
			if got := row[int32(columnOf(t, v, b, term))]; math.Abs(got-want) > 1e-15 {
				t.Errorf("sublinear %v: %q is %v, want %v", sublinear, term, got, want)
			}
		}
		if len(row) != 3 {
			t.Errorf("%d values, want 3", len(row))
		}
	}
}

func TestNothingLeft(t *testing.T) {
	corpus, err := Analyze(t.Context(), Text, wordBlock(3, 1), 0, []string{"one note", "another text"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := corpus.Fit([]int{0, 1}); err == nil || !strings.Contains(err.Error(), "no n-gram stands in at least 3") {
		t.Errorf("error %v, want one that names the limits", err)
	}
}

func TestJoinPutsColumnsSideBySide(t *testing.T) {
	left := &fit.Matrix{Rows: 2, Cols: 3, Start: []int{0, 1, 2}, Index: []int32{2, 0}, Value: []float64{1, 2}}
	right := &fit.Matrix{Rows: 2, Cols: 2, Start: []int{0, 2, 2}, Index: []int32{0, 1}, Value: []float64{3, 4}}
	got := join([]*fit.Matrix{left, right})
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	if got.Cols != 5 || got.Start[1] != 3 || got.Index[1] != 3 || got.Index[2] != 4 || got.Value[2] != 4 || got.Index[3] != 0 {
		t.Errorf("joined to %+v", got)
	}
}

// TestCollisions plants a clash, since no two n-grams with one key are known.
func TestCollisions(t *testing.T) {
	fresh := func() *reader {
		return &reader{
			normalizer: text.Normalizer{Lowercase: true},
			analyzer:   tfidf.NewAnalyzer(wordBlock(1, 1).Block, 0),
			spelling:   map[uint64][]byte{},
		}
	}
	fever := keyOf(t, wordBlock(1, 1), "fever")
	t.Run("none", func(t *testing.T) {
		a, b := fresh(), fresh()
		a.read("fever, then fever and cough")
		b.read("cough and fever")
		spelling, unique := unite([]*reader{a, b})
		if !unique || !bytes.Equal(spelling[fever], []byte("fever")) {
			t.Errorf("unique %v, spelled %q", unique, spelling[fever])
		}
	})
	t.Run("within one reader's notes", func(t *testing.T) {
		a := fresh()
		a.spelling[fever] = []byte("chills")
		a.read("fever")
		if _, unique := unite([]*reader{fresh(), a}); unique {
			t.Error("not noticed")
		}
	})
	t.Run("between readers", func(t *testing.T) {
		a, b, c := fresh(), fresh(), fresh()
		a.spelling[fever] = []byte("chills")
		c.read("fever")
		if _, unique := unite([]*reader{a, b, c}); unique {
			t.Error("not noticed")
		}
	})
	if message := (&CollisionError{weights.Word}).Error(); !strings.Contains(message, "word n-grams") {
		t.Errorf("message %q", message)
	}
}

func TestAnalyzeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Analyze(ctx, Text, wordBlock(1, 1), 0, counted); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
