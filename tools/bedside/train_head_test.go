package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bedside/kernels/reference"
	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/train"
	"bedside/tools/train/invented"
	"bedside/tools/vectors"
	random "bedside/wasm/encoder/invented"
	"bedside/wasm/host"
	"bedside/weights"
	"bedside/weights/bundle"
)

// TestTrainHeadInterrupted stops while notes are read: what was read is kept.
func TestTrainHeadInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	m, tensors := random.Model(random.Tiny(), weights.MultiClass, []string{"A", "B"}, 1)
	if err := bundle.Write(at("encoder"), m, tensors); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("notes.csv"), invented.CSV(invented.Single(invented.Notes(400, 1))), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"train", "--data", at("notes.csv"), "--text", "note", "--label", "label",
		"--family", "head", "--encoder", at("encoder"), "--cache", at("cache"), "--out", at("m")}
	stderr := &stopper{stop: stop}
	var stdout bytes.Buffer
	code := run(ctx, args, streams{strings.NewReader(""), &stdout, stderr, true})
	if code != exitInterrupted || !strings.HasSuffix(stderr.text.String(), "bedside: interrupted\n") || stdout.Len() > 0 {
		t.Errorf("exit code %d, message %q, printed %q", code, stderr.text.String(), stdout.String())
	}
	if _, err := os.Stat(at("m")); err == nil {
		t.Error("a bundle is left")
	}
	kept, err := filepath.Glob(at("cache/*/*"))
	if err != nil || len(kept) == 0 || len(kept) == 400 {
		t.Errorf("%d vectors kept, error %v", len(kept), err)
	}
}

// TestTrainHidden asks bundles with a hidden layer what the head that they are made of scores.
func TestTrainHidden(t *testing.T) {
	dir := t.TempDir()
	at := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	if err := os.WriteFile(at("notes.csv"), invented.CSV(invented.Single(invented.Notes(60, 1))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		format string
		logit  float64 // largest difference
	}{{weights.Float32, 1e-4}, {weights.Float16, 0.02}, {weights.Int8, 0.15}} {
		t.Run(test.format, func(t *testing.T) {
			shape := random.Tiny()
			shape.Pooler, shape.Weights = false, test.format
			m, tensors := random.Model(shape, weights.MultiClass, []string{"A", "B"}, 1)
			encoder, out := at(test.format), at(test.format+"-model")
			if err := bundle.Write(encoder, m, tensors); err != nil {
				t.Fatal(err)
			}
			args := []string{"train", "--data", at("notes.csv"), "--text", "note", "--label", "label", "--family", "head", "--folds", "2",
				"--hidden", "12", "--C", "30", "--encoder", encoder, "--cache", at("cache"), "--out"}
			if code, _, errs := bedside(t, append(args, out)...); code != exitOK {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			head := refit(t, at("notes.csv"), encoder, at("cache"))
			checkHidden(t, out, encoder, at("cache"), head, test.logit)
		})
	}
}

// refit is the head that the command fitted.
func refit(t *testing.T, data, encoder, cache string) *train.Model {
	t.Helper()
	d, err := dataset.Load(data, "", dataset.Options{Text: "note", Label: "label"})
	if err != nil {
		t.Fatal(err)
	}
	e := openVectors(t, encoder, vectors.SIMD, cache)
	notes := make([]string, len(d.Examples))
	for i, x := range d.Examples {
		notes[i] = x.Text
	}
	read, err := e.Vectors(t.Context(), notes, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := train.TrainHead(t.Context(), d, read, train.Settings{
		Cs: []float64{30}, Hidden: []int{12}, Folds: 2, Seed: 1, Frozen: train.Frozen{Width: e.Width(), Weights: e.Manifest.Encoder.Weights},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func openVectors(t *testing.T, encoder, device, cache string) *vectors.Encoder {
	t.Helper()
	e, err := vectors.Open(encoder, vectors.Options{Device: device, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// checkHidden holds the bundle, on the reference and under wazero, to the head of whose windows
// it takes the mean, as it was fitted and as it was rounded.
func checkHidden(t *testing.T, out, encoder, cache string, m *train.Model, most float64) {
	t.Helper()
	device := reference.NewDevice()
	native, manifest, err := evaluate.Native(t.Context(), os.DirFS(out), device)
	if err != nil {
		t.Fatal(err)
	}
	if e := manifest.Encoder; !e.Pooler || !strings.Contains(manifest.Card.Training, "a hidden layer of 12 units (tanh)") {
		t.Errorf("pooler %t, the card says %q", e.Pooler, manifest.Card.Training)
	}
	engines := map[string]evaluate.Engine{vectors.Reference: native} // by what computes them
	if _, err := host.EmbeddedModule(); err == nil {
		h, err := host.New(t.Context(), host.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close(context.WithoutCancel(t.Context()))
		if engines[vectors.SIMD], _, err = evaluate.Wazero(t.Context(), h, os.DirFS(out)); err != nil {
			t.Fatal(err)
		}
	}
	for name, engine := range engines {
		e := openVectors(t, encoder, name, cache)
		fitted, shipped, alike, notes := 0.0, 0.0, 0, invented.Notes(60, 2)
		for _, note := range notes {
			read, err := e.Vectors(t.Context(), []string{note.Text}, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := engine(t.Context(), note.Text)
			if err != nil {
				t.Fatal(err)
			}
			want := make([]float64, len(m.Labels))
			windows := slices.Collect(slices.Chunk(read[0], e.Width()))
			for _, w := range windows {
				for l, z := range m.Head.Scores(w) {
					want[l] += z / float64(len(windows))
				}
			}
			top := 0
			for _, l := range r.Labels {
				fitted = max(fitted, math.Abs(l.Logit-want[l.Index]))
				shipped = max(shipped, math.Abs(l.Logit-m.Scores(read[0])[l.Index]))
				if want[l.Index] > want[top] {
					top = l.Index
				}
			}
			if r.Labels[0].Index == top {
				alike++
			}
		}
		if !(fitted <= most) || !(shipped <= 1e-5) || 10*alike < 9*len(notes) {
			t.Errorf("%s: logits differ by %g from the fitted head's, by %g from the rounded one's; %d of %d top labels alike", name, fitted, shipped, alike, len(notes))
		}
	}
}
