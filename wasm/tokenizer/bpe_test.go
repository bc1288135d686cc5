package tokenizer_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bedside/wasm/tokenizer"
)

// checkWhole requires that the tokens' bytes, put together, are the text.
func checkWhole(t *testing.T, b *tokenizer.BPE, tokens []tokenizer.Token, text string) {
	t.Helper()
	rest := text
	for _, token := range tokens {
		bytes := b.Merges().Bytes(token.ID)
		if bytes == "" || !strings.HasPrefix(rest, bytes) {
			t.Fatalf("token %d stands for %q, want the begin of %.40q", token.ID, bytes, rest)
		}
		at := len(text) - len(rest)
		start, end := at, at+len(bytes)
		for start > 0 && !boundary(text, start) {
			start--
		}
		for end < len(text) && !boundary(text, end) {
			end++
		}
		if int(token.Start) != start || int(token.End) != end {
			t.Fatalf("token %q at byte %d has span %d to %d, want %d to %d", bytes, at, token.Start, token.End, start, end)
		}
		rest = rest[len(bytes):]
	}
	if rest != "" {
		t.Fatalf("%d bytes are left over", len(rest))
	}
}

// boundary says whether a character begins at text[at], a byte that is not UTF-8 being
// one, or text ends there.
func boundary(text string, at int) bool {
	for from := max(0, at-utf8.UTFMax+1); from < at; from++ {
		if _, size := utf8.DecodeRuneInString(text[from:]); size > 1 && from+size > at {
			return false
		}
	}
	return true
}

// slowMerge is the definition: of all neighbours the pair of the lowest rank, leftmost
// first, until none is left.
func slowMerge(word string, merges []string) []string {
	var parts []string
	for _, r := range word {
		parts = append(parts, string(r))
	}
	for {
		best, at := len(merges), 0
		for i := range len(parts) - 1 {
			if rank := slices.Index(merges, parts[i]+" "+parts[i+1]); rank >= 0 && rank < best {
				best, at = rank, i
			}
		}
		if best == len(merges) {
			return parts
		}
		parts = slices.Replace(parts, at, at+2, parts[at]+parts[at+1])
	}
}

func TestMergesComeByRank(t *testing.T) {
	merges, err := tokenizer.ReadMerges(testdata(t, "merges.txt"))
	if err != nil {
		t.Fatal(err)
	}
	b := tinyBPE(t)
	letters := "abc" // every word of these up to nine letters, and longer ones uncached
	words := []string{""}
	for i := 0; len(words[i]) < 7; i++ {
		for _, c := range letters {
			words = append(words, words[i]+string(c))
		}
	}
	for _, w := range words[len(words)-200:] {
		words = append(words, w+w+w+w+"a"+w)
	}
	for _, word := range words[1:] {
		tokens, err := b.Append(nil, word)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, token := range tokens {
			got = append(got, b.Merges().Bytes(token.ID))
		}
		if want := slowMerge(word, merges); !slices.Equal(got, want) {
			t.Fatalf("%q is %q, want %q", word, got, want)
		}
	}
}

// alphabet are the ids of the 256 letters.
func alphabet(t *testing.T) map[string]int32 {
	t.Helper()
	ids, err := tokenizer.ReadTokenIDs(testdata(t, "vocab.json"))
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(ids, func(name string, _ int32) bool { return utf8.RuneCountInString(name) > 1 })
	return ids
}

func TestNewMergesRefuses(t *testing.T) {
	with := func(more map[string]int32) map[string]int32 {
		ids := alphabet(t)
		maps.Copy(ids, more)
		return ids
	}
	without := alphabet(t)
	delete(without, "Ġ")
	for name, c := range map[string]struct {
		ids    map[string]int32
		merges []string
		want   string
	}{
		"nothing":           {nil, nil, "no token"},
		"a missing byte":    {without, nil, `no token 'Ġ' for byte 0x20`},
		"negative id":       {with(map[string]int32{"ab": -1}), nil, `"ab" has id -1`},
		"large id":          {with(map[string]int32{"ab": tokenizer.MaxTokens}), nil, `"ab" has id 1048576`},
		"shared id":         {with(map[string]int32{"ab": 300, "ac": 300, "ad": 300}), nil, `tokens "ab" and "ac" both have id 300`},
		"empty token":       {with(map[string]int32{"": 300}), nil, "the entry is empty"},
		"one part":          {alphabet(t), []string{"ab"}, `merge 1, "ab": want two tokens`},
		"three parts":       {alphabet(t), []string{"a b c"}, "want two tokens"},
		"empty part":        {alphabet(t), []string{"a "}, "want two tokens"},
		"empty merge":       {alphabet(t), []string{""}, "want two tokens"},
		"unknown part":      {with(map[string]int32{"ab": 300}), []string{"a b", "ab ac"}, `merge 2, "ab ac": token "ac" is not in the vocabulary`},
		"unknown whole":     {alphabet(t), []string{"a b"}, `token "ab" is not`},
		"the same again":    {with(map[string]int32{"ab": 300}), []string{"a b", "a b"}, "merge 2, \"a b\": it stands already as merge 1"},
		"too many":          {alphabet(t), make([]string, tokenizer.MaxTokens), "at most"},
		"a token too large": {with(map[string]int32{strings.Repeat("a", 2000): 300}), nil, "at most 1024"},
	} {
		_, err := tokenizer.NewMerges(c.ids, c.merges)
		if !errors.Is(err, tokenizer.ErrVocabulary) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	m, err := tokenizer.NewMerges(alphabet(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokenizer.NewBPE(m, "<|end|>"); !errors.Is(err, tokenizer.ErrVocabulary) || !strings.Contains(err.Error(), "<|end|>") {
		t.Errorf("missing special token: error %v", err)
	}
}

func TestMergesAnswer(t *testing.T) {
	m := tinyBPE(t).Merges()
	for name, want := range map[string]string{"Ġthe": " the", "Ċ": "\n", "Ã": "\xc3", "Ã©": "é", "<|end|>": "<|end|>", "Ń": "\xad"} {
		id, ok := m.ID(name)
		if !ok || m.Bytes(id) != want || int(id) >= m.Len() {
			t.Errorf("%q has id %d of %d, which stands for %q, want %q", name, id, m.Len(), m.Bytes(id), want)
		}
	}
	for _, id := range []int32{-1, int32(m.Len()), 1 << 30} {
		if got := m.Bytes(id); got != "" {
			t.Errorf("token %d stands for %q", id, got)
		}
	}
}

func TestReadTokenIDs(t *testing.T) {
	for _, c := range []struct {
		file string
		want map[string]int32
	}{
		{`{}`, map[string]int32{}},
		{" {\t} \r\n", map[string]int32{}},
		{`{"a":0,"b" : 1 }`, map[string]int32{"a": 0, "b": 1}},
		{`{"\u0120the":7,"\"\\\/\b\f\n\r\t":1048575,"\ud83d\ude00":2,"é":3,"":4}`, map[string]int32{"Ġthe": 7, "\"\\/\b\f\n\r\t": 1048575, "😀": 2, "é": 3, "": 4}},
	} {
		got, err := tokenizer.ReadTokenIDs([]byte(c.file))
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, error %v; want %v", c.file, got, err, c.want)
		}
	}
}

func TestReadTokenIDsRefuses(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"", "byte 0: want '{'"},
		{"[]", "want '{'"},
		{"\ufeff{}", "want '{'"},
		{"{", "want a token in quotes"},
		{`{"a"`, "want ':'"},
		{`{"a":`, "want an integer"},
		{`{"a":}`, "want an integer"},
		{`{"a":1`, "want ',' or '}'"},
		{`{"a":1,}`, "want a token in quotes"},
		{`{"a":1 "b":2}`, "want ',' or '}'"},
		{`{"a":1,"a":2}`, `"a" stands twice`},
		{`{"a":1,"\u0061":2}`, `"a" stands twice`},
		{`{"a":-1}`, "want an integer"},
		{`{"a":01}`, "want an integer"},
		{`{"a":1.5}`, "want ',' or '}'"},
		{`{"a":1048576}`, "want an integer from 0 to 1048575"},
		{`{"a":99999999999999999999}`, "want an integer"},
		{`{"a":"1"}`, "want an integer"},
		{`{"a":1}}`, "want the end"},
		{`{"a`, "does not end"},
		{`{"a\`, "does not end"},
		{`{"a\x":1}`, "want an escape"},
		{`{"a\u12`, "want an escape"},
		{`{"a\u12G4":1}`, "want an escape"},
		{`{"a\u+123":1}`, "want an escape"},
		{`{"\ud83d":1}`, "want an escape"},
		{`{"\ud83d\`, "want an escape"},
		{`{"\ud83dxx":1}`, "want an escape"},
		{`{"\ud83d\u0041":1}`, "want an escape"},
		{`{"\ude00":1}`, "want an escape"},
		{"{\"a\nb\":1}", "control character"},
		{"{\"\xff\":1}", "not valid UTF-8"},
	} {
		_, err := tokenizer.ReadTokenIDs([]byte(c.file))
		if !errors.Is(err, tokenizer.ErrVocabulary) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.file, err, c.want)
		}
	}
}

func TestReadMerges(t *testing.T) {
	for _, c := range []struct {
		file string
		want []string
	}{
		{"", nil},
		{"#version: 0.2\n", nil},
		{"#version: 0.2\na b\nab c\n", []string{"a b", "ab c"}},
		{"a b\r\nab c", []string{"a b", "ab c"}},
		{"# #\n## #\n", []string{"# #", "## #"}},
	} {
		got, err := tokenizer.ReadMerges([]byte(c.file))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, error %v; want %q", c.file, got, err, c.want)
		}
	}
	for _, c := range []string{"a \xff\n", strings.Repeat("\n", tokenizer.MaxTokens)} {
		if _, err := tokenizer.ReadMerges([]byte(c)); !errors.Is(err, tokenizer.ErrVocabulary) {
			t.Errorf("%.10q: error %v", c, err)
		}
	}
}
