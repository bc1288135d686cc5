package tfidf_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// TestKeysAreTheFormat pins keys that weights/README.md explains, computed apart from
// this package: bundles in the field depend on them.
func TestKeysAreTheFormat(t *testing.T) {
	word := weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 2}
	char := weights.Block{Analyzer: weights.CharWB, MinN: 2, MaxN: 2}
	for _, c := range []struct {
		block    weights.Block
		position int
		text     string
		want     []uint64
	}{
		{word, 0, "chest pain", []uint64{0x64bd06800bca205b, 0x31134870fabd293f, 0x83a44d2d28555b6e}},
		{char, 1, "é", []uint64{0x161020ce1227a7a3, 0x53a01cbf256c2470}},
	} {
		var got []uint64
		tfidf.NewAnalyzer(c.block, c.position).Each([]byte(c.text), func(g tfidf.Gram) { got = append(got, g.Key) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%q in block %d: keys %#x, want %#x", c.text, c.position, got, c.want)
		}
	}
}

func TestEachOrderAndPlaces(t *testing.T) {
	for _, c := range []struct {
		block weights.Block
		text  string
		want  string // start:end:text of each n-gram
	}{
		{weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 2}, "no acute  pain", "0:2:no 0:8:no_acute 3:8:acute 3:14:acute_pain 10:14:pain"},
		{weights.Block{Analyzer: weights.Word, MinN: 2, MaxN: 2, StopWords: "english"}, "pain in the left arm", "0:16:pain_left 12:20:left_arm"},
		{weights.Block{Analyzer: weights.Word, MinN: 3, MaxN: 3}, "two words", ""},
		{weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 1}, "a b x1 _ __ é éé", "4:6:x1 9:11:__ 15:19:éé"},
		{weights.Block{Analyzer: weights.CharWB, MinN: 2, MaxN: 3}, "ab c", "0:1:_a 0:2:_ab 0:2:ab 0:2:ab_ 1:2:b_ 3:4:_c 3:4:_c_ 3:4:c_"},
		{weights.Block{Analyzer: weights.CharWB, MinN: 4, MaxN: 5}, "a bcd", "0:1:_a_ 2:5:_bcd 2:5:_bcd_ 2:5:bcd_"},
		{weights.Block{Analyzer: weights.CharWB, MinN: 1, MaxN: 1}, "é", "0:0:_ 0:2:é 2:2:_"},
		{weights.Block{Analyzer: weights.CharWB, MinN: 1, MaxN: 3}, " \t\u3000", ""},
	} {
		a := tfidf.NewAnalyzer(c.block, 0)
		var got []string
		a.Each([]byte(c.text), func(g tfidf.Gram) {
			spelled := strings.ReplaceAll(string(a.AppendText(nil, []byte(c.text), g)), " ", "_")
			got = append(got, fmt.Sprintf("%d:%d:%s", g.Start, g.End, spelled))
		})
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v of %q\n got %s\nwant %s", c.block, c.text, strings.Join(got, " "), c.want)
		}
	}
}

// FuzzAnalyzer holds Each to the definition: the words and n-grams that plain loops over
// strings find, as scikit-learn's own code does.
func FuzzAnalyzer(f *testing.F) {
	for _, s := range []string{
		"", " ", "a", "chest pain", "no acute\tdistress, x_1", "né\u0301 ½ ３ 한국어 ﷺ", "\u00a0\u2028x\u3000", "😀😀 👩\u200d⚕️", "the of and", "\x00\x1c\xff\xfe",
	} {
		f.Add(s, uint8(0), uint8(1))
		f.Add(s, uint8(2), uint8(2))
	}
	f.Fuzz(func(t *testing.T, s string, minN, wider uint8) {
		if len(s) > 1<<12 {
			return
		}
		b := weights.Block{MinN: 1 + int(minN)%5}
		b.MaxN = b.MinN + int(wider)%5
		var n text.Normalized
		text.Normalizer{Lowercase: true}.Normalize(&n, s)
		for _, b.Analyzer = range []string{weights.Word, weights.CharWB} {
			a := tfidf.NewAnalyzer(b, 0)
			got := map[string]int{}
			a.Each(n.Bytes, func(g tfidf.Gram) {
				if g.Start < 0 || g.Start > g.End || int(g.End) > len(n.Bytes) {
					t.Fatalf("n-gram at %d to %d of %d bytes", g.Start, g.End, len(n.Bytes))
				}
				got[string(a.AppendText(nil, n.Bytes, g))]++
			})
			want := plainGrams(b, string(n.Bytes))
			if !maps.Equal(got, want) {
				t.Fatalf("%+v of %q\n got %v\nwant %v", b, n.Bytes, got, want)
			}
		}
	})
}

func plainGrams(b weights.Block, s string) map[string]int {
	counts := map[string]int{}
	if b.Analyzer == weights.CharWB {
		for _, word := range strings.FieldsFunc(s, text.IsSpace) {
			padded := []rune(" " + word + " ")
			for n := b.MinN; n <= b.MaxN; n++ {
				if n >= len(padded) { // a short word counts once
					counts[string(padded)]++
					break
				}
				for i := 0; i+n <= len(padded); i++ {
					counts[string(padded[i:i+n])]++
				}
			}
		}
		return counts
	}
	var words []string
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return !text.IsWord(r) }) {
		if len([]rune(w)) >= 2 {
			words = append(words, w)
		}
	}
	for n := b.MinN; n <= b.MaxN; n++ {
		for i := 0; i+n <= len(words); i++ {
			counts[strings.Join(words[i:i+n], " ")]++
		}
	}
	return counts
}
