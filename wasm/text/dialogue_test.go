package text_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"bedside/wasm/text"

	"golang.org/x/text/unicode/norm"
)

var dialogue = text.Normalizer{Dialogue: true}

func TestDialogue(t *testing.T) {
	for original, want := range map[string]string{
		"":                                  "",
		" \n\t ":                            "",
		"no tags here":                      "no tags here",
		"Doctor: Any pain?\nPatient: No.\n": "Any pain? No.",
		"Doctor:Any pain?Patient:No.":       "Any pain? No.",
		"DOCTOR : a\r\n  guest_family:  b":  "a b",
		"Doctor_2: a Guest_family_1: b guest2: c":    "a b c",
		"Guest_clinician\u00a0: a":                   "a",
		"Doctor:":                                    "",
		"Doctor: Patient: Guest:":                    "",
		"the doctor said: rest":                      "the doctor said: rest",
		"my doctor, doctors: many, outpatient: none": "my doctor, doctors: many, outpatient: none",
		"patient":                 "patient",
		"Doctor_":                 "Doctor_",
		"_doctor: a":              "_doctor: a",
		"docto\u0301r: a":         "doctór: a",
		"Ｄｏｃｔｏｒ：\u3000ﬁne, 38½":   "fine, 381⁄2",
		"e\u0301 \u212b":          "é Å",
		"a\xff\xfeb Doctor: \xc3": "a\ufffd\ufffdb \ufffd",
		"a \u2003\u2028 b\u0085":  "a b",
	} {
		if got := normalize(dialogue, original); got != want {
			t.Errorf("%q becomes %q, want %q", original, got, want)
		}
	}
}

func TestDialogueSpans(t *testing.T) {
	all := text.Normalizer{Dialogue: true, Lowercase: true, StripAccents: true}
	for _, c := range []struct{ original, normalized, want string }{
		{"Doctor: Any PAIN today?", "pain", "PAIN"},
		{"Doctor: Any  pain\n\nPatient: No", "any pain", "Any  pain"},
		{"Doctor: Pain?\nPatient: No", "pain? no", "Pain?\nPatient: No"},
		{"Patient: my ﬁbre", "fibre", "ﬁbre"},
		{"Patient: my ﬁbre", "i", "ﬁ"},
		{"Patient: cafe\u0301s", "cafes", "cafe\u0301s"},
		{"Patient: cafe\u0301s", "e", "e\u0301"},
		{"Patient: İzmir \u212bngstrom", "angstrom", "\u212bngstrom"},
		{"Ｄｏｃｔｏｒ： Ｐａｉｎ", "pain", "Ｐａｉｎ"},
		{"Patient: \xff\xfe x", "\ufffd\ufffd x", "\xff\xfe x"},
	} {
		var n text.Normalized
		all.Normalize(&n, c.original)
		at := strings.Index(string(n.Bytes), c.normalized)
		if at < 0 {
			t.Errorf("%q is not in %q", c.normalized, n.Bytes)
			continue
		}
		start, end := n.Span(at, at+len(c.normalized))
		if got := c.original[start:end]; got != c.want {
			t.Errorf("%q of %q comes from %q, want %q", c.normalized, c.original, got, c.want)
		}
	}
}

func TestNormalizedServesBothKinds(t *testing.T) {
	var n text.Normalized
	for range 2 {
		dialogue.Normalize(&n, "Doctor:  Hi")
		if start, end := n.Span(0, 2); start != 9 || end != 11 {
			t.Errorf("a dialogue's span is %d to %d", start, end)
		}
		normalizers.lower.Normalize(&n, "Hi there")
		if start, end := n.Span(0, 2); start != 0 || end != 2 {
			t.Errorf("a note's span is %d to %d", start, end)
		}
	}
}

func FuzzDialogue(f *testing.F) {
	for _, s := range []string{
		"", "Doctor: Any pain?\nPatient: No.", "Doctor_2 : \xff Guest_family_1: b", "Ｐａｔｉｅｎｔ： ﬁne", "doctor doctor: : patient:patient:",
		"e\u0301\u0301\u0301", strings.Repeat("\u0301", 70) + "Doctor:", "가\u11a8 한국어", "\u0344\u0958 \u212b", "guest_\u0301: a", "a\u00a0Doctor\u2003:b",
		"x\u1100\u1161\u11a8y", strings.Repeat("a\u0327\u0301", 40), "Do\u200bctor: a", "½Doctor: a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1<<12 {
			return
		}
		var n text.Normalized
		dialogue.Normalize(&n, s)
		got := string(n.Bytes)
		if !utf8.ValidString(got) {
			t.Fatalf("%q becomes %q, which is not UTF-8", s, got)
		}
		if folded := strings.Join(strings.FieldsFunc(got, text.IsSpace), " "); folded != got {
			t.Fatalf("%q becomes %q, which is not folded", s, got)
		}
		want := strings.Join(strings.FieldsFunc(norm.NFKC.String(s), text.IsSpace), " ")
		// a joiner that x/text puts into more than 30 combining marks is no part of NFKC
		if plain := !strings.ContainsAny(want, ":\u034f"); plain && got != string([]rune(want)) {
			t.Fatalf("%q without tags becomes %q, want %q", s, got, want)
		}
		all := text.Normalizer{Dialogue: true, Lowercase: true, StripAccents: true}
		for _, p := range []text.Normalizer{dialogue, all} {
			p.Normalize(&n, s)
			checkDialogueSpans(t, &n, s)
		}
	})
}

// checkDialogueSpans requires each character to come from whole characters of the original, in order.
func checkDialogueSpans(t *testing.T, n *text.Normalized, s string) {
	t.Helper()
	boundary := make([]bool, len(s)+1)
	for i := range s {
		boundary[i] = true
	}
	boundary[len(s)] = true
	from, to := 0, 0
	for i := 0; i < len(n.Bytes); {
		_, size := utf8.DecodeRune(n.Bytes[i:])
		start, end := n.Span(i, i+size)
		if start < 0 || start >= end || end > len(s) || !boundary[start] || !boundary[end] || start < from || end < to {
			t.Fatalf("byte %d of %q comes from %d to %d of %q, after %d to %d", i, n.Bytes, start, end, s, from, to)
		}
		from, to = start, end
		i += size
	}
}
