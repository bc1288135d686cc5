package tfidf_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"bedside/wasm/tfidf"
	"bedside/weights"
)

var (
	plain = weights.Text{Lowercase: true, StripAccents: "unicode"}
	words = weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 2, StopWords: "english", SublinearTF: true, Norm: "l2"}
	chars = weights.Block{Analyzer: weights.CharWB, MinN: 3, MaxN: 5, SublinearTF: true, Norm: "l2"}
)

// TestBlocksStandSideBySide requires two blocks together to give what each gives alone.
func TestBlocksStandSideBySide(t *testing.T) {
	notes := readGolden(t).Notes
	first, both := build(t, plain, notes, words), build(t, plain, notes, words, chars)
	var one, two tfidf.Vector
	for _, note := range notes {
		first.Transform(&one, note)
		both.Transform(&two, note)
		n := len(one.Columns)
		if !slices.Equal(one.Columns, two.Columns[:n]) || !slices.Equal(one.Values, two.Values[:n]) {
			t.Fatalf("%.30q: the first block differs when a second follows", note)
		}
		for k, column := range two.Columns {
			analyzer, want := both.Analyzer(column), weights.Word
			if k >= n {
				want = weights.CharWB
			}
			if analyzer != want || (int(column) >= first.Columns()) != (k >= n) {
				t.Fatalf("%.30q: column %d is of %s, want %s", note, column, analyzer, want)
			}
		}
		checkVector(t, both, &two, 2)
	}
}

func TestTransformAllocatesNothingOnceWarm(t *testing.T) {
	notes := readGolden(t).Notes
	v := build(t, plain, notes, words, chars)
	var out tfidf.Vector
	note := strings.Join(notes, "\n")
	v.Transform(&out, note)
	if allocs := testing.AllocsPerRun(10, func() { v.Transform(&out, note) }); allocs > 0 {
		t.Errorf("%g allocations", allocs)
	}
}

func TestLongNote(t *testing.T) {
	v := build(t, plain, []string{"pain in chest", "chest pain", "arm"}, weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 1})
	var out tfidf.Vector
	n := tfidf.MaxHits + 1000
	v.Transform(&out, strings.Repeat("pain ", n)+"arm")
	if len(out.Hits) != tfidf.MaxHits {
		t.Errorf("%d hits are remembered, want %d", len(out.Hits), tfidf.MaxHits)
	}
	if !slices.Equal(out.Counts, []int32{int32(n), 1}) {
		t.Errorf("counts %v, want [%d 1]", out.Counts, n)
	}
	v.Transform(&out, "arm")
	if len(out.Columns) != 1 || out.Counts[0] != 1 || len(out.Hits) != 1 {
		t.Errorf("a long note leaves traces in the next: %v %v %v", out.Columns, out.Counts, out.Hits)
	}
}

func TestNewRefusesKeysOutOfOrder(t *testing.T) {
	for _, keys := range [][]uint64{{5, 4}, {5, 5}} {
		m := &weights.Manifest{TFIDF: &weights.TFIDF{Blocks: []weights.Block{{Analyzer: weights.Word, MinN: 1, MaxN: 1, Terms: 2}}}}
		tensors := load(t, m, []weights.Values{
			weights.Uint64s(weights.KeysTensor(0), keys),
			weights.Float32s(weights.IDFTensor(0), []float32{1, 1}, 2),
		})
		if _, err := tfidf.New(m, tensors); err == nil || !strings.Contains(err.Error(), weights.KeysTensor(0)) {
			t.Errorf("keys %v: error %v, want one that names the tensor", keys, err)
		}
	}
}

func FuzzTransform(f *testing.F) {
	notes := readGolden(f).Notes
	for _, s := range notes {
		f.Add(s)
	}
	f.Add("chest pain \xff\xfe\x00 \xed\xa0\x80 chest\u202epain")
	v := build(f, plain, notes, words, chars)
	f.Fuzz(func(t *testing.T, s string) {
		var first, second tfidf.Vector
		v.Transform(&first, s)
		checkVector(t, v, &first, 2)
		v.Transform(&second, s)
		if !slices.Equal(first.Columns, second.Columns) || !slices.Equal(first.Values, second.Values) ||
			!slices.Equal(first.Counts, second.Counts) || !slices.Equal(first.Hits, second.Hits) {
			t.Fatalf("%q gives another vector the second time", s)
		}
	})
}

// checkVector requires l2-normalized blocks, distinct columns and consistent hits.
func checkVector(t *testing.T, v *tfidf.Vectorizer, out *tfidf.Vector, blocks int) {
	t.Helper()
	squares, counts := 0.0, map[int32]int32{}
	for k, column := range out.Columns {
		if value := out.Values[k]; value <= 0 || math.IsNaN(value) || value > 1 {
			t.Fatalf("value %g", value)
		}
		if column < 0 || int(column) >= v.Columns() || counts[column] != 0 {
			t.Fatalf("column %d of %d is out of range or stands twice", column, v.Columns())
		}
		counts[column] = out.Counts[k]
		squares += out.Values[k] * out.Values[k]
	}
	if whole := math.Round(squares); math.Abs(squares-whole) > 1e-12 || int(whole) > blocks || (whole == 0) != (len(out.Columns) == 0) {
		t.Fatalf("%d columns of %d blocks have squared length %g", len(out.Columns), blocks, squares)
	}
	for _, h := range out.Hits {
		if h.Start < 0 || h.Start > h.End || int(h.End) > len(out.Normalized.Bytes) {
			t.Fatalf("hit at %d to %d of %d bytes", h.Start, h.End, len(out.Normalized.Bytes))
		}
		counts[h.Column]--
	}
	for column, n := range counts {
		if n != 0 && len(out.Hits) < tfidf.MaxHits {
			t.Fatalf("column %d: %d occurrences are missing among the hits", column, n)
		}
	}
}
