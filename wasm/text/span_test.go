package text_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"bedside/wasm/text"
)

func TestSpanPointsIntoTheOriginal(t *testing.T) {
	for _, c := range []struct {
		original   string
		normalized string // the part whose span is asked for, first occurrence
		want       string // that span of the original
	}{
		{"Chest PAIN today", "pain", "PAIN"},
		{"Fièvre élevée", "fievre", "Fièvre"},
		{"Fièvre élevée", "elevee", "élevée"},
		{"cafe\u0301 noir", "cafe", "cafe"}, // a stripped mark at the end belongs to no output
		{"cafe\u0301s noirs", "cafes", "cafe\u0301s"},
		{"ﬁbre", "i", "ﬁ"}, // half a ligature is the whole of it
		{"ﬁbre", "ibre", "ﬁbre"},
		{"İzmir", "i", "İ"},
		{"가슴 통증", "가슴", "가슴"},
		{"ok ﷺ ok", "عليه", "ﷺ"},
		{"38½°C", "381⁄2°c", "38½°C"},
		{"😀 Émoi 😀", "emoi", "Émoi"},
		{"bad \xff\xfe BYTE", "byte", "BYTE"},
		{"bad \xff\xfe BYTE", "\ufffd\ufffd", "\xff\xfe"},
	} {
		// Hangul is decomposed, so its normalized form is spelled here by normalizing it.
		part := normalize(normalizers.both, c.normalized)
		var n text.Normalized
		normalizers.both.Normalize(&n, c.original)
		at := strings.Index(string(n.Bytes), part)
		if at < 0 {
			t.Errorf("%q is not in %q", part, n.Bytes)
			continue
		}
		start, end := n.Span(at, at+len(part))
		if got := c.original[start:end]; got != c.want {
			t.Errorf("%q of %q comes from %q, want %q", part, c.original, got, c.want)
		}
	}
}

func TestNormalizedIsReusable(t *testing.T) {
	var n text.Normalized
	for _, s := range []string{"é", "plain", "", "ﷺ long", "a\xff", "İ", strings.Repeat("x", 100)} {
		normalizers.both.Normalize(&n, s)
		if got, want := string(n.Bytes), normalize(normalizers.both, s); got != want {
			t.Errorf("reused: %q, fresh: %q", got, want)
		}
		checkSpans(t, &n, s)
	}
}

func TestNormalizeAllocatesNothingOnceWarm(t *testing.T) {
	note := strings.Repeat("Fièvre à 39 °C, ΟΔΟΣ, ﷺ, 한국어, İ, \xff, 😀. ", 20)
	var n text.Normalized
	normalizers.both.Normalize(&n, note)
	if allocs := testing.AllocsPerRun(10, func() { normalizers.both.Normalize(&n, note) }); allocs > 0 {
		t.Errorf("%g allocations", allocs)
	}
}

func FuzzNormalize(f *testing.F) {
	for _, s := range []string{
		"", "plain ascii", "\x80", "\xe2\x28\xa1", "\xf0\x9f\x98", "a\xc3", "é", "e\u0301\u0323", "ﷺﷺ", "İΣ", "ΑΣ", "Α\u0301Σ\u0301.Σ",
		"한국어", "\ud7ff\ue000", "😀👍🏽", "\U0010ffff", "¨x¨", strings.Repeat("a\u0301\u0302\u0303", 40), strings.Repeat("\u0301", 70), "\u0958\u0958",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1<<12 {
			return
		}
		for _, p := range []text.Normalizer{{}, normalizers.lower, normalizers.strip, normalizers.both} {
			var n text.Normalized
			p.Normalize(&n, s)
			if !utf8.Valid(n.Bytes) {
				t.Fatalf("%+v of %q is not UTF-8: %q", p, s, n.Bytes)
			}
			checkSpans(t, &n, s)
			checkPieces(t, p, &n, s)
			if want := normalize(p, string([]rune(s))); string(n.Bytes) != want {
				t.Fatalf("%+v: invalid bytes do not count as U+FFFD: %q, want %q", p, n.Bytes, want)
			}
		}
		once := normalize(normalizers.strip, s)
		if twice := normalize(normalizers.strip, once); once != twice {
			t.Fatalf("stripping twice differs: %q, %q", once, twice)
		}
	})
}

// checkSpans requires each normalized character to come from one whole character of
// the original, in order.
func checkSpans(t *testing.T, n *text.Normalized, s string) {
	t.Helper()
	boundary := make([]bool, len(s)+1)
	for i := range s {
		boundary[i] = true
	}
	boundary[len(s)] = true
	ascii := strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	if ascii && len(n.Bytes) != len(s) {
		t.Fatalf("ASCII of %d bytes became %d", len(s), len(n.Bytes))
	}
	from, to := 0, 0
	for i := 0; i < len(n.Bytes); {
		_, size := utf8.DecodeRune(n.Bytes[i:])
		start, end := n.Span(i, i+size)
		switch {
		case start < 0 || start >= end || end > len(s):
			t.Fatalf("span %d to %d of %d bytes", start, end, len(s))
		case !boundary[start] || !boundary[end] || utf8.RuneCountInString(s[start:end]) != 1:
			t.Fatalf("span %d to %d of %q is not one character", start, end, s)
		case start != from && start < to, start < from, end < to:
			t.Fatalf("span %d to %d after %d to %d", start, end, from, to)
		case ascii && (start != i || end != i+size):
			t.Fatalf("ASCII at %d comes from %d to %d", i, start, end)
		}
		if whole, last := n.Span(0, i+size); whole > start || last != end {
			t.Fatalf("span of the first %d bytes is %d to %d, want it to end at %d", i+size, whole, last, end)
		}
		from, to = start, end
		i += size
	}
}

// checkPieces requires each character's output to be what the character gives alone.
func checkPieces(t *testing.T, p text.Normalizer, n *text.Normalized, s string) {
	t.Helper()
	var whole strings.Builder
	for i, r := range s {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, size = utf8.DecodeRuneInString(s[i:])
		}
		whole.WriteString(normalize(p, s[i:i+size]))
	}
	// only the lower-case sigma depends on what stands around it
	same := strings.NewReplacer("ς", "σ")
	if got, want := same.Replace(string(n.Bytes)), same.Replace(whole.String()); got != want {
		t.Fatalf("%+v of %q is %q, its characters alone give %q", p, s, got, want)
	}
}

func ExampleNormalized_Span() {
	note := "Fièvre à 39 °C"
	var n text.Normalized
	text.Normalizer{Lowercase: true, StripAccents: true}.Normalize(&n, note)
	start, end := n.Span(0, len("fievre"))
	fmt.Printf("%s\n%s\n", n.Bytes, note[start:end])
	// Output:
	// fievre a 39 °c
	// Fièvre
}
