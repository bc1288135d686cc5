package classify_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/wasm/classify"
	"bedside/wasm/encoder"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
)

const longNote = "no fever "

// opened loads a tiny encoder on the device, after a change to its tensors' bytes.
func opened(t testing.TB, device kernels.Device, change func(name string, data []byte)) (*classify.Model, error) {
	t.Helper()
	m, tensors := invented.Model(invented.Tiny(), weights.MultiClass, []string{"A", "B", "C"}, 3)
	return openedAs(t, m, tensors, device, change)
}

func openedAs(t testing.TB, m weights.Manifest, tensors []weights.Values, device kernels.Device, change func(name string, data []byte)) (*classify.Model, error) {
	t.Helper()
	stream, err := m.Layout(tensors)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		for _, x := range m.Tensors {
			change(x.Name, stream[x.Offset:x.Offset+x.Size])
		}
	}
	m.Shards = []weights.Shard{{Size: int64(len(stream))}}
	loading, err := classify.Open(&m, device)
	if err != nil {
		return nil, err
	}
	for _, s := range m.Plan() {
		if err := loading.Write(s, stream[s.ShardOffset:s.ShardOffset+s.Length]); err != nil {
			t.Fatal(err)
		}
	}
	return loading.Ready()
}

func tiny(t testing.TB) *classify.Model {
	t.Helper()
	m, err := opened(t, reference.NewDevice(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEncoderAnswers(t *testing.T) {
	m := tiny(t)
	for _, c := range []struct {
		name, note             string
		terms, tokens, windows int
		reason                 string
	}{
		{"known words", "chest pain", 2, 2, 1, ""},
		{"letters", "xyz", 3, 3, 1, ""},
		{"one window, filled", strings.Repeat("no ", 14), 14, 14, 1, ""},
		{"one token more", strings.Repeat("no ", 15), 15, 15, 2, ""},
		{"long", strings.Repeat(longNote, 50), 100, 100, 10, ""},
		{"nothing but a control character", "\x00", 0, 0, 0, classify.NoKnownTerms},
		{"unknown words only", "患者 ☂", 0, 3, 1, classify.NoKnownTerms},
		{"known and unknown", "患 chest", 1, 2, 1, ""},
	} {
		r := answer(t, m, c.note, classify.Options{})
		if r.Terms != c.terms || r.Tokens != c.tokens || r.Windows != c.windows {
			t.Errorf("%s: %d terms, %d tokens, %d windows, want %d, %d, %d", c.name, r.Terms, r.Tokens, r.Windows, c.terms, c.tokens, c.windows)
		}
		if known := c.reason == ""; known != (r.Reason != classify.NoKnownTerms) || !known && r.Sure {
			t.Errorf("%s: reason %q, sure %v", c.name, r.Reason, r.Sure)
		}
		sum := 0.0
		for _, label := range r.Labels {
			sum += label.Probability
		}
		if math.Abs(sum-1) > 1e-12 || len(r.Labels) != 3 {
			t.Errorf("%s: %d probabilities sum to %g", c.name, len(r.Labels), sum)
		}
		if r.Explanations != nil || r.Unexplained != "" {
			t.Errorf("%s: explained without being asked: %+v", c.name, r)
		}
	}
}

func TestEncoderScoresAsItClassifies(t *testing.T) {
	m := tiny(t)
	for _, note := range append(notes, strings.Repeat(longNote, 30), "\x00") {
		r := answer(t, m, note, classify.Options{})
		logits, probabilities, err := m.Score(note)
		if err != nil {
			t.Fatal(err)
		}
		for _, label := range r.Labels {
			if label.Logit != logits[label.Index] || label.Probability != probabilities[label.Index] {
				t.Errorf("%.20q: label %+v, scored %g and %g", note, label, logits[label.Index], probabilities[label.Index])
			}
		}
	}
}

// TestJobsTakeTurns runs two jobs of one model step by step, in turn.
func TestJobsTakeTurns(t *testing.T) {
	m := tiny(t)
	texts := []string{strings.Repeat(longNote, 40), strings.Repeat("mild cough, ", 25)}
	var jobs []*classify.Job
	var want []*classify.Result
	for _, note := range texts {
		want = append(want, answer(t, m, note, classify.Options{}))
	}
	for _, note := range texts {
		j, err := m.Begin(note, classify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if done, total := j.Progress(); done != 0 || total < 5 || j.Result() != nil {
			t.Errorf("before the first step: %d of %d windows, result %v", done, total, j.Result())
		}
		jobs = append(jobs, j)
	}
	for left := len(jobs); left > 0; {
		for i, j := range jobs {
			if j.Result() != nil {
				continue
			}
			before, _ := j.Progress()
			done, err := j.Step()
			if err != nil {
				t.Fatal(err)
			}
			after, total := j.Progress()
			if after <= before || done != (after == total) || done != (j.Result() != nil) {
				t.Fatalf("job %d: from %d to %d of %d, done: %v", i, before, after, total, done)
			}
			if done {
				left--
			}
		}
	}
	for i, j := range jobs {
		if !reflect.DeepEqual(j.Result(), want[i]) {
			t.Errorf("job %d in turn: %+v, alone: %+v", i, j.Result(), want[i])
		}
		if done, err := j.Step(); !done || err != nil {
			t.Errorf("a step after the last: %v, %v", done, err)
		}
	}
}

func TestLinearJobsAreDoneAtOnce(t *testing.T) {
	m := random(weights.MultiLabel, 3, words).model(t)
	j, err := m.Begin(notes[0], classify.Options{Explain: 1})
	if err != nil {
		t.Fatal(err)
	}
	answer(t, m, notes[1], classify.Options{}) // must not reach into the job
	done, err := j.Step()
	if !done || err != nil || !reflect.DeepEqual(j.Result(), answer(t, m, notes[0], classify.Options{Explain: 1})) {
		t.Errorf("done %v, error %v, result %+v", done, err, j.Result())
	}
	if done, total := j.Progress(); done != 1 || total != 1 {
		t.Errorf("%d of %d", done, total)
	}
}

func TestEncoderRefuses(t *testing.T) {
	overflowing := func(name string, data []byte) {
		if name == weights.Head+weights.Weight {
			for i := 0; i < len(data); i += 4 {
				sign := byte(i*7/4) & 0x80 // lest they cancel out
				copy(data[i:], []byte{0xff, 0xff, 0x7f, 0x7f | sign})
			}
		}
	}
	m, err := opened(t, reference.NewDevice(), overflowing)
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range []string{"chest pain", strings.Repeat(longNote, 20)} {
		if r, err := m.Classify(note, classify.Options{}); r != nil || !errors.Is(err, encoder.ErrNotFinite) {
			t.Errorf("%.20q: error %v, want ErrNotFinite", note, err)
		}
	}
	if _, err := opened(t, &reference.Device{Limit: 1000}, nil); !errors.Is(err, kernels.ErrMemory) {
		t.Errorf("a device of 1000 bytes: error %v, want ErrMemory", err)
	}
	if _, err := opened(t, nil, nil); err == nil {
		t.Error("opened without a device")
	}
	manifest, _ := invented.Model(invented.Tiny(), weights.MultiClass, []string{"A"}, 1)
	if _, err := classify.New(&manifest, weights.Tensors{}); err == nil {
		t.Error("an encoder is made without a device")
	}
	for _, note := range []string{"", " \n", strings.Repeat("x", classify.MaxNoteBytes+1)} {
		if _, err := tiny(t).Begin(note, classify.Options{}); !errors.Is(err, classify.ErrEmptyNote) && !errors.Is(err, classify.ErrNoteTooLarge) {
			t.Errorf("a note of %d bytes: error %v", len(note), err)
		}
	}
}
