package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"bedside/kernels"
	"bedside/tools/dataset"
	"bedside/tools/metrics"
	"bedside/tools/train/invented"
	"bedside/weights"
)

// vectorsOf makes a vector of each example: a number for each label, and what means nothing.
func vectorsOf(d *dataset.Dataset, noise float64) [][]float32 {
	random := rand.New(rand.NewPCG(5, 6))
	vectors := make([][]float32, len(d.Examples))
	for i, e := range d.Examples {
		vectors[i] = make([]float32, len(d.Labels)+7)
		for j := range vectors[i] {
			vectors[i][j] = float32(noise * random.NormFloat64())
		}
		for _, l := range e.Labels {
			vectors[i][l] += 2
		}
	}
	return vectors
}

func headSettings(multiLabel bool) Settings {
	return Settings{MultiLabel: multiLabel, Cs: []float64{0.1, 10}, Folds: 3, Seed: 1}
}

func TestTrainHead(t *testing.T) {
	for _, multiLabel := range []bool{true, false} {
		notes := invented.Notes(240, 7)
		if !multiLabel {
			notes = invented.Single(notes)
		}
		d := load(t, notes, false)
		vectors, s := vectorsOf(d, 0.5), headSettings(multiLabel)
		last := 0
		s.Progress = func(_ string, done, total int) {
			if last++; done != last || total != 7 {
				t.Errorf("step %d of %d after %d", done, total, last-1)
			}
		}
		m, err := TrainHead(t.Context(), d, vectors, s)
		if err != nil {
			t.Fatal(err)
		}
		if last != 7 || len(m.Trials) != 2 || m.Trials[1].Candidate.String() != "vectors, head, C=10" {
			t.Errorf("%d steps, trials %v", last, m.Trials)
		}
		if m.Best.MacroF1 < 0.9 || m.Head.Epochs < 1 {
			t.Errorf("multi-label %t: macro-F1 %.3f after %d epochs", multiLabel, m.Best.MacroF1, m.Head.Epochs)
		}
		checkCalibrated(t, m, d)
		s.Progress = nil
		again, err := TrainHead(t.Context(), d, vectors, s)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("the same seed gives another model, error %v", err)
		}
	}
}

// checkCalibrated measures what held-out scores become.
func checkCalibrated(t *testing.T, m *Model, d *dataset.Dataset) {
	t.Helper()
	a := metrics.Answers{Labels: m.Labels, MultiClass: !m.MultiLabel, Probabilities: Probabilities(m.Calibration, m.Best.scores, len(m.Labels))}
	for i, e := range d.Examples {
		asserted := []int{}
		for l := range m.Labels {
			if a.Probabilities[i*len(m.Labels)+l] >= m.Thresholds[l] {
				asserted = append(asserted, l)
			}
		}
		a.Truth, a.Asserted = append(a.Truth, e.Labels), append(a.Asserted, asserted)
	}
	if r, err := metrics.Measure(a); err != nil || r.ECE > 0.05 || r.MacroF1 < 0.9 {
		t.Errorf("calibration error %.3f, macro-F1 %.3f, error %v", r.ECE, r.MacroF1, err)
	}
}

// TestHeadsAreNotMeasuredOnWhatTheySaw has labels that nothing speaks for.
func TestHeadsAreNotMeasuredOnWhatTheySaw(t *testing.T) {
	d := load(t, invented.Single(invented.Notes(200, 8)), false)
	vectors := vectorsOf(d, 1)
	for _, v := range vectors {
		clear(v[:len(d.Labels)])
	}
	m, err := TrainHead(t.Context(), d, vectors, headSettings(false))
	if err != nil {
		t.Fatal(err)
	}
	if m.Best.MacroF1 > 0.35 {
		t.Errorf("macro-F1 %.3f of five labels drawn at random", m.Best.MacroF1)
	}
}

// TestHeadBundles takes the head's tensors apart again.
func TestHeadBundles(t *testing.T) {
	d := load(t, invented.Notes(60, 9), false)
	m, err := TrainHead(t.Context(), d, vectorsOf(d, 0.5), headSettings(true))
	if err != nil {
		t.Fatal(err)
	}
	manifest, tensors := m.Bundle("")
	if manifest.TFIDF != nil || manifest.Linear != nil || manifest.Text != (weights.Text{}) || manifest.Task.Kind != weights.MultiLabel {
		t.Errorf("manifest %+v", manifest)
	}
	l, width := m.Head.Layers[0], kernels.PanelWidth
	if len(tensors) != 2 || !reflect.DeepEqual(tensors[0].Shape, []int{1, l.In, width}) || !reflect.DeepEqual(tensors[1].Shape, []int{width}) {
		t.Fatalf("tensors %v", tensors)
	}
	want := make([]float32, l.In*width)
	for o := range l.Out {
		for i := range l.In {
			want[i*width+o] = l.Weight[o*l.In+i]
		}
	}
	if !reflect.DeepEqual(tensors[0], weights.Float32s("head.weight", want, 1, l.In, width)) {
		t.Error("the weights lie elsewhere")
	}
	for o, b := range l.Bias {
		if got := weights.Float32s("", []float32{b}).Data; string(got) != string(tensors[1].Data[4*o:4*o+4]) {
			t.Errorf("bias %d is another", o)
		}
	}
}

// exclusive are notes whose label is whether two numbers of their vectors have the same sign,
// which no head without a hidden layer can tell. A third of the notes have two windows.
func exclusive(t *testing.T, n int) (*dataset.Dataset, [][]float32) {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 8))
	notes, vectors := make([]invented.Note, n), make([][]float32, n)
	for i := range notes {
		a, b := float32(2*random.IntN(2)-1), float32(2*random.IntN(2)-1)
		label := "alike"
		if a != b {
			label = "unlike"
		}
		notes[i] = invented.Note{Text: fmt.Sprintf("note %d", i), Labels: []string{label}}
		for range 1 + i%3/2 {
			v := make([]float32, 16)
			v[0], v[1], v[9] = a+float32(0.2*random.NormFloat64()), 4*float32(random.NormFloat64()), b+3+float32(0.2*random.NormFloat64())
			vectors[i] = append(vectors[i], v...)
		}
	}
	return load(t, notes, false), vectors
}

func TestHiddenLayer(t *testing.T) {
	d, vectors := exclusive(t, 240)
	held := map[string][]float64{}
	for _, test := range []struct {
		format string
		logit  float64 // largest difference from the fitted head's
	}{{weights.Float32, 1e-5}, {weights.Int8, 0.4}} {
		s := headSettings(false)
		s.Cs = []float64{100}
		s.Hidden, s.Frozen = []int{0, 12}, Frozen{16, test.format}
		m, err := TrainHead(t.Context(), d, vectors, s)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Trials) != 2 || m.Trials[0].MacroF1 > 0.65 || m.Best.MacroF1 < 0.95 || m.Best.Candidate.Hidden != 12 {
			t.Errorf("%s: chosen is %v with %.3f, one without hidden layer has %.3f", test.format, m.Best.Candidate, m.Best.MacroF1, m.Trials[0].MacroF1)
		}
		checkCalibrated(t, m, d)
		largest, alike := 0.0, 0
		for i, v := range vectors {
			got, want := m.Scores(v), m.Head.Scores(v[:16])
			if len(v) > 16 { // the bundle's logits are the mean of its windows'
				for l, z := range m.Head.Scores(v[16:]) {
					want[l] = (want[l] + z) / 2
				}
			}
			for l, z := range want {
				largest = max(largest, math.Abs(got[l]-z))
			}
			if (got[0] > got[1]) == (want[0] > want[1]) {
				alike++
			}
			if i == 0 && reflect.DeepEqual(got, want) {
				t.Errorf("%s: nothing is rounded", test.format)
			}
		}
		if !(largest <= test.logit) || alike < len(vectors)-1 {
			t.Errorf("%s: logits are %g off, %d of %d labels are the fitted head's", test.format, largest, alike, len(vectors))
		}
		held[test.format] = m.Best.scores
		if test.format != weights.Int8 {
			continue
		}
		if again, err := TrainHead(t.Context(), d, vectors, s); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("the same seed gives another model, error %v", err)
		}
		only, err := TrainHead(t.Context(), d, vectors, s.Only(m.Best.Candidate))
		if err != nil || !reflect.DeepEqual(only.Head, m.Head) || !reflect.DeepEqual(only.Hidden, m.Hidden) {
			t.Errorf("the chosen settings alone give another model, error %v", err)
		}
	}
	if reflect.DeepEqual(held[weights.Float32], held[weights.Int8]) {
		t.Error("held-out scores are not those of int8")
	}
}

// TestHiddenBundles finds the padded units silent in what a bundle holds.
func TestHiddenBundles(t *testing.T) {
	d, vectors := exclusive(t, 60)
	s := headSettings(false)
	s.Hidden, s.Frozen = []int{3}, Frozen{16, weights.Float32}
	m, err := TrainHead(t.Context(), d, vectors, s)
	if err != nil {
		t.Fatal(err)
	}
	_, tensors := m.Bundle("")
	shapes := map[string][]int{}
	for _, v := range tensors {
		shapes[v.Name] = v.Shape
	}
	if want := map[string][]int{"encoder.pooler.weight": {2, 16, 8}, "encoder.pooler.bias": {16}, "head.weight": {1, 16, 8}, "head.bias": {8}}; !reflect.DeepEqual(shapes, want) {
		t.Fatalf("tensors %v, want %v", shapes, want)
	}
	hidden, last := m.Head.Layers[0], m.Head.Layers[1]
	pooler, head := make([]float32, 2*16*8), make([]float32, 16*8)
	for i := range 16 {
		for o := range hidden.Out {
			pooler[8*i+o] = hidden.Weight[16*o+i]
		}
		for o := range last.Out {
			if i < last.In {
				head[8*i+o] = last.Weight[last.In*o+i]
			}
		}
	}
	for _, v := range tensors {
		for name, want := range map[string][]float32{"encoder.pooler.weight": pooler, "head.weight": head} {
			if v.Name == name && !reflect.DeepEqual(v.Data, weights.Float32s("", want).Data) {
				t.Errorf("%s holds other numbers", name)
			}
		}
	}
}

// TestFewNotes has folds with one note each, and labels with one.
func TestFewNotes(t *testing.T) {
	d := load(t, []invented.Note{
		{Text: "knee", Labels: []string{"a"}}, {Text: "knee", Labels: []string{"b"}},
		{Text: "fever", Labels: []string{"b"}},
	}, false)
	s := headSettings(false)
	s.Folds = 2
	m, err := TrainHead(t.Context(), d, vectorsOf(d, 0.1), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range m.Head.Scores(vectorsOf(d, 0.1)[0]) {
		if math.IsNaN(v) {
			t.Error("a score is no number")
		}
	}
}

func TestTrainHeadRefuses(t *testing.T) {
	d := load(t, invented.Notes(60, 10), false)
	vectors := vectorsOf(d, 1)
	ragged := append([][]float32{}, vectors...)
	ragged[5] = ragged[5][:3]
	frozen := func(width int, hidden []int) Settings {
		s := headSettings(true)
		s.Frozen.Width, s.Hidden = width, hidden
		return s
	}
	for _, c := range []struct {
		name    string
		vectors [][]float32
		s       Settings
		err     string
	}{
		{"vectors missing", vectors[:7], headSettings(true), "7 vectors for 60 examples"},
		{"another length", ragged, headSettings(true), "row 5: a vector of 3, others have 12"},
		{"several labels", vectors, headSettings(false), "train with --multi-label"},
		{"windows cut short", ragged, frozen(12, nil), "row 5: a vector of 3, others have 12"},
		{"too many units", vectors, frozen(12, []int{0, 13}), "a hidden layer of 13 units: want 0, for none, to 12"},
		{"fewer units than none", vectors, frozen(12, []int{-1}), "a hidden layer of -1 units"},
		{"no format of weights", vectors, frozen(12, []int{4}), `tensor encoder.pooler.weight: weights "": want int8`},
		{"no C", vectors, Settings{MultiLabel: true, Folds: 2}, "0 values of C"},
	} {
		if _, err := TrainHead(t.Context(), d, c.vectors, c.s); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := TrainHead(ctx, d, vectors, headSettings(true)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: error %v", err)
	}
}
