package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestEveryCodePointIsClassedAsInRust compares what testdata/goldens.mjs hashed.
func TestEveryCodePointIsClassedAsInRust(t *testing.T) {
	file, err := os.ReadFile("testdata/codepoints.txt")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Fields(string(file))
	if len(blocks) != 0x110000/1024 {
		t.Fatalf("%d blocks", len(blocks))
	}
	uncased, cased := tiny(t, Uncased), tiny(t, Options{})
	for i, want := range blocks {
		hash := sha256.New()
		for c := rune(i * 1024); c < rune(i+1)*1024; c++ {
			if !utf8.ValidRune(c) {
				continue
			}
			class, _ := gptFirst(string(c))
			fmt.Fprintf(hash, "%s\x1e%s\x1e%c\n", uncased.words(c), cased.words(c), "OLNS"[class])
		}
		if got := hex.EncodeToString(hash.Sum(nil)[:4]); got != want {
			t.Errorf("U+%04X to U+%04X: hash %s, want %s", i*1024, i*1024+1023, got, want)
		}
	}
}

// words are those of "a", r and "b".
func (w *WordPiece) words(r rune) string {
	middle := mapping{count: 1}
	if r < utf8.RuneSelf {
		middle.to[0], middle.kinds[0] = rune(w.fold[r]), w.kinds[r]&^opens
	} else {
		middle = *w.normalizer.mapped(r)
	}
	words := []string{"a"}
	for i, c := range middle.to[:middle.count] {
		switch middle.kinds[i] {
		case letter:
			words[len(words)-1] += string(c)
		case apart:
			words = append(words, string(c), "")
		case space:
			words = append(words, "")
		}
	}
	words[len(words)-1] += "b"
	return strings.Join(words, "\x1f")
}

func tiny(t *testing.T, o Options) *WordPiece {
	t.Helper()
	file, err := os.ReadFile("testdata/vocab.txt")
	if err != nil {
		t.Fatal(err)
	}
	v, err := ReadVocabulary(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWordPiece(v, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTrieGrows(t *testing.T) {
	index := newTrie(0)
	entry := func(i int) string { return fmt.Sprintf("%b", i) }
	const n = 5000
	for i := 1; i < n; i++ {
		if id, isNew := index.add(entry(i), int32(i)); !isNew {
			t.Fatalf("%q has id %d already", entry(i), id)
		}
	}
	for i := 1; i < n; i++ {
		if id, size := longest(index, 0, entry(i)+"x"); id != int32(i) || size != len(entry(i)) {
			t.Fatalf("%q is %d of %d bytes", entry(i), id, size)
		}
		if id, isNew := index.add(entry(i), 0); isNew || id != int32(i) {
			t.Fatalf("%q again: %d, new %v", entry(i), id, isNew)
		}
	}
	if id, size := longest(index, noNode, "101"); size != 0 || id != noID {
		t.Errorf("below no node: %d of %d bytes", id, size)
	}
}

func TestGPTWord(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a", "a"},
		{" a b", " a"},
		{"  a", " "},
		{"   a", "  "},
		{"\n a", "\n"},
		{" \na", " "},
		{"\na", "\n"},
		{"  ", "  "},
		{" ", " "},
		{"\u2003\u00a0\u2003a", "\u2003\u00a0"},
		{"'s", "'s"},
		{"'sa", "'s"},
		{"'Sa", "'"},
		{"'red", "'re"},
		{"'rx", "'"},
		{" 's", " '"},
		{"'", "'"},
		{"''s", "''"},
		{"!'s", "!'"},
		{"a1", "a"},
		{" 12½x", " 12½"},
		{" ?!. ", " ?!."},
		{"\xff\xfea", "\xff\xfe"},
		{" \xff", " \xff"},
	} {
		if got := c.text[:gptWord(c.text)]; got != c.want {
			t.Errorf("%q begins with %q, want %q", c.text, got, c.want)
		}
	}
}
