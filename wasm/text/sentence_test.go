package text_test

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bedside/wasm/text"
)

func TestSentences(t *testing.T) {
	for _, want := range [][]string{
		{"Chest pain. ", "No fever! ", "Any cough? ", "None."},
		{"seen today; ", "sleeps well"},
		{"He said \"no more.\" ", "Then he left (on foot.) ", "Done."},
		{"Doctor: Any pain?\n", "Patient: Yes, 2.5 days.\n\n  ", "Doctor: I see...\r\n", "Good."},
		{"Dr. Lee saw Mr. J. Smith at St. Anne's vs. the clinic."},
		{"Aspirin 81 mg. daily for 3 hrs. a day, p.o. and b.i.d. with food. ", "Rest."},
		{"Metoprolol 25 mg. ", "Aspirin b.i.d. ", "Rest."},
		{"Does he smoke? ", "No. ", "Room No. 5 and Fig. 2 show it."},
		{"1. Aspirin daily. ", "2. Rest."},
		{"The dose was 50. ", "The rate was 2.5 to 3.5."},
		{"She said “Dr. Lee—Mr. Smith's—gave 5\u00a0mg. daily.” ", "Rest."},
		{"\u00a01. Aspirin daily. ", "2. Rest."},
		{"www.example.org is not two, nor is a.b"},
		{"胸痛三天。", "无发热！", "咳嗽？", "无"},
		{"what?! ", "really?? ", "well... ", "no"},
		{"\n \n", "late start"},
		{"\xff\xfe. ", "pain \xc3"},
	} {
		if got := collect(strings.Join(want, ""), text.Sentences(strings.Join(want, ""))); !slices.Equal(got, want) {
			t.Errorf("parted as %q, want %q", got, want)
		}
	}
}

func TestClauses(t *testing.T) {
	want := []string{"Exam: ", "lungs clear, ", "no wheeze - ", "well-fed child. ", "Rest"}
	if got := collect(strings.Join(want, ""), text.Clauses(strings.Join(want, ""))); !slices.Equal(got, want) {
		t.Errorf("parted as %q, want %q", got, want)
	}
}

// TestSentencesOfLongNotes: whatever a note is full of, it is read once.
func TestSentencesOfLongNotes(t *testing.T) {
	for _, piece := range []string{".", ")", ".)", "a", "Dr. ", "1. ", "1.", "\n", "?!", " ", "a.b.", "雪", ". "} {
		note := strings.Repeat(" ", 1<<20) + strings.Repeat(piece, 2<<20/len(piece))
		begun := time.Now()
		for range text.Clauses(note) {
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%q over and over, 2 MiB: %v", piece, took)
		}
	}
}

func FuzzSentences(f *testing.F) {
	for _, note := range []string{
		"", ".", "Chest pain. No fever; Dr. Lee (2.5 mg.) said \"rest.\" ", "a\r\nb\u2028c\u0085d", "胸痛。无", "\xff. \xc3", "1. a\n2. b", "e.g. x, y - z: w", "..)) ..",
	} {
		f.Add(note)
	}
	f.Fuzz(func(t *testing.T, note string) {
		covers(t, note, text.Sentences(note))
		covers(t, note, text.Clauses(note))
		sentences := 0
		for range text.Sentences(note) {
			sentences++
		}
		for range text.Clauses(note) {
			sentences--
		}
		if sentences > 0 {
			t.Errorf("%q has fewer clauses than sentences", note)
		}
	})
}

// covers wants parts that follow each other from end to end and cut no character.
func covers(t *testing.T, note string, parts iter.Seq2[int, int]) {
	t.Helper()
	at := 0
	for start, end := range parts {
		if start != at || end <= start {
			t.Fatalf("%q: part [%d, %d) after %d", note, start, end, at)
		}
		if end < len(note) && utf8.ValidString(note) && !utf8.RuneStart(note[end]) {
			t.Fatalf("%q: a part ends within a character at %d", note, end)
		}
		at = end
	}
	if at != len(note) {
		t.Fatalf("%q: covered up to %d of %d", note, at, len(note))
	}
}

func collect(note string, parts iter.Seq2[int, int]) (out []string) {
	for start, end := range parts {
		out = append(out, note[start:end])
	}
	return out
}
