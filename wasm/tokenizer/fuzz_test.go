package tokenizer_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bedside/wasm/tokenizer"
)

var seeds = []string{
	"", " ", "plain ascii", "\x80", "\xe2\x28\xa1", "\xf0\x9f\x98", "a\xc3", "é", "e\u0301\u0323", "[MASK][MASK", "[CLS]é[SEP]", "<|end|><|end|", "##a",
	"한국어", "头痛", "\ud7ff\ue000", "😀👍🏽", "\U0010ffff", "we'll 's'S", "a  b\n\n c ", strings.Repeat("a\u0301\u0302", 60), strings.Repeat("x", 101), "\u0915\u0f74\u0744\u302fb",
}

func FuzzWordPiece(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	var all []*tokenizer.WordPiece
	for _, o := range []tokenizer.Options{{}, tokenizer.Uncased, {Lowercase: true}, {StripAccents: true, JoinCJK: true, MaxWord: 3}} {
		all = append(all, tinyWordPiece(f, o))
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, w := range all {
			tokens := appendTokens(t, w.Append, s)
			checkSpans(t, tokens, s)
			valid := appendTokens(t, w.Append, strings.ToValidUTF8(s, "\ufffd"))
			if !slices.Equal(ids(tokens), ids(valid)) {
				t.Fatalf("%q has tokens %v, with U+FFFD for what is not UTF-8 %v", s, ids(tokens), ids(valid))
			}
			// A space ends words, and nothing looks beyond it.
			twice := appendTokens(t, w.Append, s+" "+s)
			want := append(ids(tokens), ids(tokens)...)
			if !slices.Equal(ids(twice), want) {
				t.Fatalf("%q twice has tokens %v, want %v", s, ids(twice), want)
			}
			checkUnits(t, tokens, s)
		}
	})
}

func FuzzBPE(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	b := tinyBPE(f)
	f.Fuzz(func(t *testing.T, s string) {
		tokens := appendTokens(t, b.Append, s)
		checkSpans(t, tokens, s)
		checkWhole(t, b, tokens, s)
		checkUnits(t, tokens, s)
		// A cache that is full of other words changes nothing.
		if fresh := appendTokens(t, tinyBPE(t).Append, s); len(s) < 100 && !slices.Equal(tokens, fresh) {
			t.Fatalf("%q: %v, with an empty cache %v", s, tokens, fresh)
		}
	})
}

func FuzzReadVocabulary(f *testing.F) {
	for _, s := range []string{"", "a", "[UNK]\n[CLS]\n[SEP]\n[PAD]\n[MASK]\na\n##b\n", "a\r\nb\r\n", "a\n\n", "\ufeffa", "a\x00", "\xff", "a\na", "##\n#"} {
		f.Add([]byte(s), "ab #")
	}
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		v, err := tokenizer.ReadVocabulary(file)
		if err != nil {
			return
		}
		for id := range int32(v.Len()) {
			if back, ok := v.ID(v.Token(id)); !ok || back != id {
				t.Fatalf("token %d, %q, has id %d", id, v.Token(id), back)
			}
		}
		any := v.Token(0) // does for every role
		w, err := tokenizer.NewWordPiece(v, tokenizer.Options{Special: tokenizer.Special{Unknown: any, Class: any, Separator: any, Padding: any, Mask: any}})
		if err != nil {
			t.Fatal(err)
		}
		tokens := appendTokens(t, w.Append, text)
		checkSpans(t, tokens, text)
	})
}

func FuzzMerges(f *testing.F) {
	f.Add(testdata(f, "vocab.json"), testdata(f, "merges.txt"), "the pain")
	f.Add([]byte(`{"a":1,"\u0120":2}`), []byte("#version\na a\n"), "a")
	f.Add([]byte(`{"\ud83d\ude00":1`), []byte("a"), "")
	f.Fuzz(func(t *testing.T, table, list []byte, text string) {
		table = slices.Clone(table)
		ids, err := tokenizer.ReadTokenIDs(table)
		if err != nil {
			return
		}
		merges, err := tokenizer.ReadMerges(list)
		if err != nil {
			return
		}
		m, err := tokenizer.NewMerges(ids, merges)
		if err != nil {
			return
		}
		b, err := tokenizer.NewBPE(m)
		if err != nil {
			t.Fatal(err)
		}
		checkWhole(t, b, appendTokens(t, b.Append, text), text)
	})
}

// appendTokens requires that the same text gives the same tokens, behind what dst holds.
func appendTokens(t *testing.T, f func([]tokenizer.Token, string) ([]tokenizer.Token, error), text string) []tokenizer.Token {
	t.Helper()
	first := tokenizer.Token{ID: -7}
	once, err := f([]tokenizer.Token{first}, text)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := f(nil, text)
	if err != nil || once[0] != first || !slices.Equal(once[1:], twice) {
		t.Fatalf("%q: first %v, then %v, error %v", text, once, twice, err)
	}
	return twice
}

func ids(tokens []tokenizer.Token) []int32 {
	list := []int32{}
	for _, t := range tokens {
		list = append(list, t.ID)
	}
	return list
}

// checkSpans requires spans of whole characters, in order.
func checkSpans(t *testing.T, tokens []tokenizer.Token, text string) {
	t.Helper()
	var before tokenizer.Token
	for _, token := range tokens {
		switch {
		case token.Start < 0 || token.Start >= token.End || int(token.End) > len(text):
			t.Fatalf("span %d to %d of %d bytes", token.Start, token.End, len(text))
		case token.Start < before.Start || token.End < before.End:
			t.Fatalf("span %d to %d after %d to %d", token.Start, token.End, before.Start, before.End)
		case !boundary(text, int(token.Start)) || !boundary(text, int(token.End)):
			t.Fatalf("span %d to %d of %q parts a character", token.Start, token.End, text)
		}
		before = token
	}
}

// checkUnits requires of converted spans that they count what they say.
func checkUnits(t *testing.T, tokens []tokenizer.Token, text string) {
	t.Helper()
	runes, units := slices.Clone(tokens), slices.Clone(tokens)
	tokenizer.Convert(runes, text, tokenizer.Runes)
	tokenizer.Convert(units, text, tokenizer.UTF16)
	for i, token := range tokens {
		for k, at := range []int32{token.Start, token.End} {
			n := utf8.RuneCountInString(text[:at])
			wide := n
			for _, r := range text[:at] {
				if r > 0xffff {
					wide++
				}
			}
			gotRunes, gotUnits := []int32{runes[i].Start, runes[i].End}[k], []int32{units[i].Start, units[i].End}[k]
			if int(gotRunes) != n || int(gotUnits) != wide {
				t.Fatalf("byte %d of %q is character %d, unit %d; want %d, %d", at, text, gotRunes, gotUnits, n, wide)
			}
		}
	}
}
