package text_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"bedside/wasm/text"
)

// The files in testdata come from tools/encoder/text_goldens.py.

var normalizers = struct{ lower, strip, both text.Normalizer }{
	text.Normalizer{Lowercase: true},
	text.Normalizer{StripAccents: true},
	text.Normalizer{Lowercase: true, StripAccents: true},
}

func normalize(p text.Normalizer, s string) string {
	var n text.Normalized
	p.Normalize(&n, s)
	return string(n.Bytes)
}

func TestNormalizeAgreesWithPython(t *testing.T) {
	var golden struct {
		Notes []struct{ Text, Lower, Strip, Both string }
	}
	read(t, "testdata/notes.json", &golden)
	if len(golden.Notes) == 0 {
		t.Fatal("no notes in the golden file")
	}
	for _, note := range golden.Notes {
		for _, c := range []struct {
			name       string
			normalizer text.Normalizer
			want       string
		}{
			{"nothing", text.Normalizer{}, note.Text},
			{"lower", normalizers.lower, note.Lower},
			{"strip", normalizers.strip, note.Strip},
			{"both", normalizers.both, note.Both},
		} {
			if got := normalize(c.normalizer, note.Text); got != c.want {
				t.Errorf("%s of %+q\n got %+q\nwant %+q", c.name, note.Text, got, c.want)
			}
		}
	}
}

// TestEveryCodePointAgreesWithPython covers all that Python's Unicode 14 assigns; this
// build's tables are newer, and have changed none of it.
func TestEveryCodePointAgreesWithPython(t *testing.T) {
	var golden struct {
		Assigned string
		Names    []string
		Blocks   map[string]string
	}
	read(t, "testdata/codepoints.json", &golden)
	blocks, points := map[string][]rune{}, 0
	for _, bounds := range strings.Fields(golden.Assigned) {
		var from, to rune
		if _, err := fmt.Sscanf(bounds, "%x-%x", &from, &to); err != nil {
			t.Fatal(err)
		}
		for r := from; r <= to; r++ {
			name := fmt.Sprintf("%x", r>>8)
			blocks[name] = append(blocks[name], r)
			points++
		}
	}
	if points != 144_762 || len(blocks) != len(golden.Blocks) {
		t.Fatalf("%d code points in %d blocks, digests for %d", points, len(blocks), len(golden.Blocks))
	}
	for name, runes := range blocks {
		want := strings.Fields(golden.Blocks[name])
		for i, got := range digests(runes) {
			if got != want[i] {
				t.Errorf("U+%sxx: %s differs from Python's in this block", strings.ToUpper(name), golden.Names[i])
			}
		}
	}
}

// digests hashes what the Python script's properties function lists, in its order.
func digests(runes []rune) []string {
	columns := make([]strings.Builder, 6)
	for _, r := range runes {
		for i, s := range properties(r) {
			columns[i].WriteString(s + "\x00")
		}
	}
	out := make([]string, len(columns))
	for i := range columns {
		sum := sha256.Sum256([]byte(columns[i].String()))
		out[i] = hex.EncodeToString(sum[:4])
	}
	return out
}

func properties(r rune) [6]string {
	s := string(r)
	lower := func(s string) string { return normalize(normalizers.lower, s) }
	last := func(s string) string { _, n := utf8.DecodeLastRuneInString(s); return s[len(s)-n:] }
	second := func(s string) string { return string([]rune(s)[1]) }
	return [6]string{
		lower(s),
		normalize(normalizers.strip, s),
		normalize(normalizers.both, s),
		bit(text.IsWord(r)),
		bit(text.IsSpace(r)),
		last(lower("1"+s+"Σ")) + last(lower("a"+s+"Σ")) + second(lower("aΣ"+s)) + second(lower("aΣ"+s+"a")),
	}
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
