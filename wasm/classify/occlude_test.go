package classify_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/wasm/classify"
	"bedside/wasm/encoder"
	"bedside/wasm/encoder/invented"
	"bedside/wasm/text"
	"bedside/weights"
)

var everySentence = classify.Options{Explain: 3, Features: classify.MaxFeatures}

// quotes are what an explanation's sentences are in the note, in its order.
func quotes(note string, e classify.Explanation) []string {
	var spans [][2]int
	for _, f := range e.Features {
		spans = append(spans, f.Spans...)
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var out []string
	for _, s := range spans {
		out = append(out, note[s[0]:s[1]])
	}
	return out
}

func TestNotesAreParted(t *testing.T) {
	m := tiny(t)
	for _, c := range []struct {
		name, note string
		want       []string // none: unexplained
	}{
		{"sentences", " No fever. Mild chest pain,\n\n left knee! ", []string{"No fever.", "Mild chest pain,", "left knee!"}},
		{"clauses of one sentence", "no fever, no cough: chest pain.", []string{"no fever,", "no cough:", "chest pain."}},
		{"words of one clause", "mild chest pain and fever of the left knee no cough.", []string{"mild chest pain and fever of", "the left knee no cough."}},
		{"two words", "chest pain", []string{"chest", "pain"}},
		{"the first is short", "of knees", []string{"of", "knees"}},
		{"the second is short", "abcdefg of", []string{"abcdefg", "of"}},
		{"ideographs", "患 pain 痛", []string{"患", "pain 痛"}},
		{"one word", " coughing ", nil},
		{"one word of many pieces", strings.Repeat("xyz", 20), nil},
		{"no word that the model knows", "患者。胸痛。", nil},
		{"no token", "\x00", nil},
	} {
		r := answer(t, m, c.note, everySentence)
		if c.want == nil {
			if r.Explanations != nil || r.Unexplained != classify.UnexplainedEncoder {
				t.Errorf("%s: explanations %v, unexplained %q", c.name, r.Explanations, r.Unexplained)
			}
			continue
		}
		if len(r.Explanations) != 3 || r.Unexplained != "" {
			t.Fatalf("%s: %d explanations, unexplained %q", c.name, len(r.Explanations), r.Unexplained)
		}
		if got := quotes(c.note, r.Explanations[0]); !slices.Equal(got, c.want) {
			t.Errorf("%s: parted as %q, want %q", c.name, got, c.want)
		}
	}
}

// TestLongNotesAreParted: neither one sentence nor their number grows with the note.
func TestLongNotesAreParted(t *testing.T) {
	m := tiny(t)
	for name, note := range map[string]string{
		"many sentences":        strings.Repeat("no fever. mild cough, ", 400),
		"no mark":               strings.Repeat("no fever mild cough ", 60),
		"sentences of one word": strings.Repeat("pain.\n", 65),
		"ideographs":            "pain " + strings.Repeat("痛", 300),
	} {
		words := strings.Join(strings.Fields(note), "")
		parts := quotes(note, answer(t, m, note, everySentence).Explanations[0])
		if len(parts) < 4 || len(parts) > 64 || strings.Join(strings.Fields(strings.Join(parts, "")), "") != words {
			t.Errorf("%s: %d parts, which are not the note", name, len(parts))
		}
		least, most := math.MaxInt, 0
		for _, part := range parts[:len(parts)-1] {
			least, most = min(least, len(part)), max(most, len(part))
		}
		if most > 3*least {
			t.Errorf("%s: parts of %d to %d bytes", name, least, most)
		}
	}
}

// TestWithoutASentence: in a note of one window a sentence contributes what classifying
// the rest of the text says.
func TestWithoutASentence(t *testing.T) {
	m := tiny(t)
	const note = "No fever. Mild cough! Left knee; chest pain."
	r := answer(t, m, note, everySentence)
	if r.Windows != 1 {
		t.Fatalf("%d windows", r.Windows)
	}
	for _, e := range r.Explanations {
		if len(e.Features) != 4 {
			t.Fatalf("%d sentences", len(e.Features))
		}
		checkSums(t, note, e)
		for _, f := range e.Features {
			logits, _, err := m.Score(note[:f.Spans[0][0]] + note[f.Spans[0][1]:])
			if err != nil {
				t.Fatal(err)
			}
			if want := e.Logit - logits[e.Index]; f.Contribution != want {
				t.Errorf("label %d, %q: contributes %g, want %g", e.Index, note[f.Spans[0][0]:f.Spans[0][1]], f.Contribution, want)
			}
		}
	}
}

func checkSums(t testing.TB, note string, e classify.Explanation) {
	t.Helper()
	sum := e.Bias + e.Rest
	for i, f := range e.Features {
		sum += f.Contribution
		if i > 0 && math.Abs(e.Features[i-1].Contribution) < math.Abs(f.Contribution) {
			t.Errorf("%.20q, label %d: sentence %d contributes more than the one before", note, e.Index, i)
		}
		if f.Count != 1 || f.Analyzer != classify.Sentence || len(f.Spans) != 1 {
			t.Errorf("%.20q, label %d: feature %+v", note, e.Index, f)
		}
	}
	if math.Abs(sum-e.Logit) > 1e-9 {
		t.Errorf("%.20q, label %d: the parts sum to %.15g, the logit is %.15g", note, e.Index, sum, e.Logit)
	}
}

// TestWithoutASentenceOfManyWindows holds contributions to what the windows, without the
// sentence and each read as a note, come to.
func TestWithoutASentenceOfManyWindows(t *testing.T) {
	const sentence = "no fever mild cough left knee . "
	words := strings.Fields(strings.Repeat(sentence, 3) + strings.Repeat("pain ", 30) + ". " + strings.Repeat(sentence, 3))
	note := strings.Join(words, " ")
	for _, combine := range []string{weights.MeanLogits, weights.MeanPooled, weights.MaxLogits} {
		shape := invented.Tiny()
		shape.Window.Combine = combine
		manifest, tensors := invented.Model(shape, weights.MultiClass, []string{"A", "B", "C"}, 5)
		m, err := openedAs(t, manifest, tensors, reference.NewDevice(), nil)
		if err != nil {
			t.Fatal(err)
		}
		// the manifest has its tensors laid out only in openedAs
		if _, err := manifest.Layout(tensors); err != nil {
			t.Fatal(err)
		}
		network, err := encoder.New(&manifest, reference.NewDevice())
		if err != nil {
			t.Fatal(err)
		}
		windows := network.Spans(len(words))
		r := answer(t, m, note, everySentence)
		if r.Windows != len(windows) || r.Tokens != len(words) {
			t.Fatalf("%d tokens in %d windows, want %d in %d", r.Tokens, r.Windows, len(words), len(windows))
		}
		whole := false // a window has gone with its sentence
		for _, e := range r.Explanations {
			checkSums(t, note, e)
			for _, f := range e.Features {
				first := len(strings.Fields(note[:f.Spans[0][0]]))
				end := len(strings.Fields(note[:f.Spans[0][1]]))
				sum, most, n := 0.0, math.Inf(-1), 0.0
				for _, w := range windows {
					var left []string
					for k := w[0]; k < w[1]; k++ {
						if k < first || k >= end {
							left = append(left, words[k])
						}
					}
					if whole = whole || left == nil; left == nil {
						continue
					}
					logits, _, err := m.Score(strings.Join(left, " "))
					if err != nil {
						t.Fatal(err)
					}
					sum, most, n = sum+logits[e.Index], max(most, logits[e.Index]), n+1
				}
				want := e.Logit - sum/n
				if combine == weights.MaxLogits {
					want = e.Logit - most
				}
				if math.Abs(f.Contribution-want) > 1e-9 {
					t.Errorf("%s, label %d, words %d to %d: contribute %g, want %g", combine, e.Index, first, end, f.Contribution, want)
				}
			}
		}
		if !whole {
			t.Errorf("%s: no window was left empty", combine)
		}
	}
}

// TestTheSentenceThatDecides is found wherever it stands.
func TestTheSentenceThatDecides(t *testing.T) {
	manifest, tensors := invented.Deciding("fever", []string{"A", "B", "C"})
	m, err := openedAs(t, manifest, tensors, reference.NewDevice(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for at := range 12 {
		sentences := slices.Repeat([]string{"mild cough and chest pain."}, 12)
		sentences[at] = "fever and chest pain."
		note := strings.Join(sentences, " ")
		e := answer(t, m, note, classify.Options{Explain: 1}).Explanations[0]
		first := e.Features[0]
		if got := note[first.Spans[0][0]:first.Spans[0][1]]; e.Name != "A" || got != sentences[at] || first.Contribution <= 0 {
			t.Errorf("sentence %d decides: %s for %q, %+g", at, e.Name, got, first.Contribution)
		}
		for _, f := range e.Features[1:] {
			if f.Contribution > 1e-9 { // the others dilute it
				t.Errorf("sentence %d decides, and another contributes %g", at, f.Contribution)
			}
		}
	}
}

// TestExplainingSaysTheSame: labels and figures are those of the note alone, and the
// windows that are read again count.
func TestExplainingSaysTheSame(t *testing.T) {
	m := tiny(t)
	note := strings.Repeat(longNote, 20) + ". " + strings.Repeat(longNote, 20)
	want := answer(t, m, note, classify.Options{})
	j, err := m.Begin(note, classify.Options{Explain: 2, Features: 5})
	if err != nil {
		t.Fatal(err)
	}
	before, total := j.Progress()
	if before != 0 || total <= want.Windows {
		t.Errorf("%d of %d windows, of which the note has %d", before, total, want.Windows)
	}
	for done := false; !done; {
		if done, err = j.Step(); err != nil {
			t.Fatal(err)
		}
		after, of := j.Progress()
		if after <= before || of != total || done != (after == total) || done != (j.Result() != nil) {
			t.Fatalf("from %d to %d of %d, done %v, result %v", before, after, of, done, j.Result() != nil)
		}
		before = after
	}
	got := *j.Result()
	if len(got.Explanations) != 2 || len(got.Explanations[1].Features) != 2 || got.Explanations[1].Name != want.Labels[1].Name {
		t.Errorf("explanations %+v", got.Explanations)
	}
	got.Explanations = nil
	if !reflect.DeepEqual(&got, want) {
		t.Errorf("explained: %+v\nalone: %+v", got, want)
	}
}

// later is a device that has an answer only once it has settled.
type later struct {
	*reference.Device
	asked map[kernels.Buffer]bool // since the last run; nil when it has settled
}

func (d *later) Run(program []kernels.Op) error {
	d.asked = map[kernels.Buffer]bool{}
	return d.Device.Run(program)
}

func (d *later) Read(data []byte, from kernels.Buffer) error {
	if d.asked != nil {
		d.asked[from] = true
		return kernels.ErrPending
	}
	return d.Device.Read(data, from)
}

func TestExplainingOnADeviceThatAnswersLater(t *testing.T) {
	d := &later{Device: reference.NewDevice()}
	m, err := opened(t, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	note := "No fever. " + strings.Repeat(longNote, 10) + ". Mild cough. Chest pain."
	j, err := m.Begin(note, everySentence)
	if err != nil {
		t.Fatal(err)
	}
	waits := 0
	for done := false; !done; {
		if done, err = j.Step(); err != nil || done && j.Pending() {
			t.Fatalf("done %v, pending %v, %v", done, j.Pending(), err)
		}
		if j.Pending() {
			d.asked, waits = nil, waits+1
		}
	}
	if waits < 4 {
		t.Errorf("the device was waited for %d times", waits)
	}
	if want := answer(t, tiny(t), note, everySentence); !reflect.DeepEqual(j.Result(), want) {
		t.Errorf("%+v\nat once: %+v", j.Result(), want)
	}
}

func FuzzEncoderExplains(f *testing.F) {
	for _, note := range append(notes, "\xff. pain \xf0\x9f\x98. 😀 fièvre; \u2028 knee", "患者, 痛。pain", "no. 1, 2.5 of\u0301 a.b.\n.", longNote+longNote+longNote+".") {
		f.Add(note, true)
	}
	m := tiny(f)
	f.Fuzz(func(t *testing.T, note string, in16 bool) {
		o := classify.Options{Explain: 3, Features: classify.MaxFeatures}
		if len(note) > 2000 {
			t.Skip("slow")
		}
		length := len(note)
		if in16 {
			o.Offsets, length = "utf16", len(utf16.Encode([]rune(note)))
		}
		r, err := m.Classify(note, o)
		if err != nil {
			if strings.TrimFunc(note, text.IsSpace) != "" {
				t.Fatalf("%q: %v", note, err)
			}
			return
		}
		for _, e := range r.Explanations {
			if n := len(e.Features); n < 2 || n > 64 {
				t.Fatalf("%q: %d sentences", note, n)
			}
			checkSums(t, note, e)
			var spans [][2]int
			for _, f := range e.Features {
				spans = append(spans, f.Spans[0])
			}
			slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
			at := 0
			for _, s := range spans {
				if s[0] < at || s[1] <= s[0] || s[1] > length {
					t.Fatalf("%q: span %v after %d, of %d", note, s, at, length)
				}
				if !in16 && utf8.ValidString(note) && !utf8.ValidString(note[s[0]:s[1]]) {
					t.Fatalf("%q: span %v cuts a character", note, s)
				}
				at = s[1]
			}
		}
	})
}
