package tokenizer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"bedside/wasm/tokenizer"
)

// The files in testdata come from testdata/goldens.mjs, but for the invented vocab.txt,
// merges.txt and texts.json that it reads.

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func tinyWordPiece(t testing.TB, o tokenizer.Options) *tokenizer.WordPiece {
	t.Helper()
	return wordPiece(t, testdata(t, "vocab.txt"), o)
}

func tinyBPE(t testing.TB) *tokenizer.BPE {
	t.Helper()
	return bpe(t, testdata(t, "vocab.json"), testdata(t, "merges.txt"), "<|end|>")
}

func TestTokensAreThoseOfRust(t *testing.T) {
	var golden []struct {
		Text                string
		Uncased, Cased, BPE encoding
	}
	if err := json.Unmarshal(testdata(t, "golden.json"), &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden) < 30 {
		t.Fatalf("%d golden texts", len(golden))
	}
	uncased, cased, bpe := tinyWordPiece(t, tokenizer.Uncased), tinyWordPiece(t, tokenizer.Options{}), tinyBPE(t)
	for i, g := range golden {
		for _, c := range []struct {
			name   string
			tokens func([]tokenizer.Token, string) ([]tokenizer.Token, error)
			want   encoding
		}{
			{"uncased", uncased.Append, g.Uncased},
			{"cased", cased.Append, g.Cased},
			{"bpe", bpe.Append, g.BPE},
		} {
			tokens, err := c.tokens(nil, g.Text)
			if err != nil {
				t.Fatal(err)
			}
			tokenizer.Convert(tokens, g.Text, tokenizer.Runes)
			compare(t, i, c.name, g.Text, tokens, c.want)
		}
	}
}
