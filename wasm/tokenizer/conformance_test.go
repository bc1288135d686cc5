package tokenizer_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bedside/wasm/tokenizer"
)

// shared is what lies beside a checkout and not in it.
const shared = "../../../shared"

// readShared reads a file of the shared data or skips the test.
func readShared(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{shared}, path...)...))
	if err != nil {
		t.Skipf("needs the shared data beside the repository: %v", err)
	}
	return data
}

// encoding is what the Rust library answers: ids, and offsets in code points.
type encoding struct {
	IDs     []int32    `json:"ids"`
	Offsets [][2]int32 `json:"offsets"`
}

type conformanceCase struct {
	Class, Text          string
	Uncased, Cased, GPT2 encoding
}

func conformanceCases(t *testing.T) []conformanceCase {
	t.Helper()
	var cases []conformanceCase
	lines := bufio.NewScanner(bytes.NewReader(readShared(t, "reference", "tokenizer", "conformance.jsonl")))
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var c conformanceCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("case %d: %v", len(cases)+1, err)
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 1000 {
		t.Fatalf("%d cases", len(cases))
	}
	return cases
}

// No case deviates; see TestMarksKeepTheirPlaces for what these texts do not hold.

func TestWordPieceConformance(t *testing.T) {
	for _, c := range []struct {
		name, vocabulary string
		options          tokenizer.Options
		want             func(conformanceCase) encoding
	}{
		{"uncased", "bert-uncased", tokenizer.Uncased, func(c conformanceCase) encoding { return c.Uncased }},
		{"cased", "bert-cased", tokenizer.Options{}, func(c conformanceCase) encoding { return c.Cased }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cases := conformanceCases(t)
			w := wordPiece(t, readShared(t, "data", "tokenizers", c.vocabulary, "vocab.txt"), c.options)
			for i, x := range cases {
				compare(t, i, x.Class, x.Text, withEnds(w, x.Text), c.want(x))
			}
		})
	}
}

func wordPiece(t testing.TB, vocabulary []byte, o tokenizer.Options) *tokenizer.WordPiece {
	t.Helper()
	v, err := tokenizer.ReadVocabulary(vocabulary)
	if err != nil {
		t.Fatal(err)
	}
	w, err := tokenizer.NewWordPiece(v, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// withEnds are the tokens of text between [CLS] and [SEP], offsets in code points.
func withEnds(w *tokenizer.WordPiece, text string) []tokenizer.Token {
	tokens, err := w.Append([]tokenizer.Token{{ID: w.Special().Class}}, text)
	if err != nil {
		panic(err)
	}
	tokenizer.Convert(tokens, text, tokenizer.Runes)
	return append(tokens, tokenizer.Token{ID: w.Special().Separator})
}

func compare(t *testing.T, number int, class, text string, got []tokenizer.Token, want encoding) {
	t.Helper()
	var e encoding
	for _, token := range got {
		e.IDs = append(e.IDs, token.ID)
		e.Offsets = append(e.Offsets, [2]int32{token.Start, token.End})
	}
	if !slices.Equal(e.IDs, want.IDs) || !slices.Equal(e.Offsets, want.Offsets) {
		t.Errorf("case %d, %s: %.200q\n got %.60v %.60v\nwant %.60v %.60v", number, class, text, e.IDs, e.Offsets, want.IDs, want.Offsets)
	}
}

func TestBPEConformance(t *testing.T) {
	cases := conformanceCases(t)
	b := gpt2(t)
	for i, x := range cases {
		tokens, err := b.Append(nil, x.Text)
		if err != nil {
			t.Fatal(err)
		}
		tokenizer.Convert(tokens, x.Text, tokenizer.Runes)
		compare(t, i, x.Class, x.Text, tokens, x.GPT2)
	}
}

func gpt2(t testing.TB) *tokenizer.BPE {
	t.Helper()
	return bpe(t, readShared(t, "data", "tokenizers", "gpt2", "vocab.json"), readShared(t, "data", "tokenizers", "gpt2", "merges.txt"), "<|endoftext|>")
}

func bpe(t testing.TB, table, merges []byte, special ...string) *tokenizer.BPE {
	t.Helper()
	ids, err := tokenizer.ReadTokenIDs(table)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := tokenizer.ReadMerges(merges)
	if err != nil {
		t.Fatal(err)
	}
	m, err := tokenizer.NewMerges(ids, lines)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tokenizer.NewBPE(m, special...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
