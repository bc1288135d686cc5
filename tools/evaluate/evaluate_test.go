package evaluate

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"bedside/kernels/reference"
	"bedside/tools/dataset"
	"bedside/tools/metrics"
	"bedside/tools/train"
	"bedside/tools/train/invented"
	"bedside/wasm/classify"
	random "bedside/wasm/encoder/invented"
	"bedside/wasm/host"
	"bedside/weights"
	"bedside/weights/bundle"
)

// trained is a small model of invented notes.
func trained(t *testing.T, multiLabel bool) (weights.Manifest, []weights.Values) {
	t.Helper()
	notes := invented.Notes(150, 1)
	if !multiLabel {
		notes = invented.Single(notes)
	}
	features, err := train.FindFeatures([]string{"word+char"})
	if err != nil {
		t.Fatal(err)
	}
	model, err := train.Train(t.Context(), read(t, notes), train.Settings{
		MultiLabel: multiLabel, Features: features, Families: []string{train.LogisticRegression}, Cs: []float64{1}, Folds: 3, Seed: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	m, values := model.Bundle(train.Int8)
	m.Name = "invented"
	return m, values
}

func read(t *testing.T, notes []invented.Note) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Read(bytes.NewReader(invented.CSV(notes)), nil, dataset.Options{Text: "note", Label: "label", Separator: invented.Separator})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func written(t *testing.T, m weights.Manifest, values []weights.Values) fs.FS {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bundle")
	if err := bundle.Write(dir, m, values); err != nil {
		t.Fatal(err)
	}
	return os.DirFS(dir)
}

func trainedNative(t *testing.T, multiLabel bool) (Engine, *weights.Manifest) {
	t.Helper()
	m, values := trained(t, multiLabel)
	engine, manifest, err := Native(t.Context(), written(t, m, values), nil)
	if err != nil {
		t.Fatal(err)
	}
	return engine, manifest
}

// newHost runs the module that this program was built with, or compiles it.
func newHost(t *testing.T) *host.Host {
	t.Helper()
	module, err := host.EmbeddedModule()
	if err != nil {
		file := filepath.Join(t.TempDir(), "bedside.wasm")
		build := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, "bedside/wasm/module")
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if module, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	h, err := host.New(t.Context(), host.Options{Module: module, Instances: 1, CacheDir: cacheDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close(context.Background()) })
	return h
}

// cacheDir outlives the test: compiling takes seconds.
func cacheDir(t *testing.T) string {
	base, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	return filepath.Join(base, "bedside-test")
}

// odd are notes that engines could disagree about.
func odd() []dataset.Example {
	var examples []dataset.Example
	for i, text := range []string{
		"", " \t\n", "\u2003\u00a0", "\x00", "zzz qqq", "Fever\xff and \xc3rash", "RÁSH sëizure İ ẞ", "murmur\u200b murmur",
		strings.Repeat("murmur and edema; no rash. ", 20000), "心臓 murmur 🫀 rash",
	} {
		examples = append(examples, dataset.Example{Row: 1000 + i, Text: text, Labels: []int{i % 5}})
	}
	return examples
}

func TestEnginesAgree(t *testing.T) {
	h := newHost(t)
	for _, multiLabel := range []bool{false, true} {
		m, values := trained(t, multiLabel)
		files := written(t, m, values)
		d := read(t, invented.Notes(60, 2))
		d.Examples = append(d.Examples, odd()...)
		d.Labels = append(d.Labels, "Zoology")
		d.Examples[3].Labels, d.Examples[4].Labels = []int{5}, append(d.Examples[4].Labels, 5)

		native, manifest, err := Native(t.Context(), files, nil)
		if err != nil {
			t.Fatal(err)
		}
		inMemory, err := InMemory(m, values)
		if err != nil {
			t.Fatal(err)
		}
		wazero, loaded, err := Wazero(t.Context(), h, files)
		if err != nil {
			t.Fatal(err)
		}
		want := measured(t, native, manifest, d)
		if want.N != 66 || want.UnknownLabels != 1 {
			t.Errorf("%d notes and %d unknown labels, want 66 (of 60, 1 unknown, and 10, 3 blank) and 1", want.N, want.UnknownLabels)
		}
		if !reflect.DeepEqual(manifest, loaded) {
			t.Error("the manifests differ")
		}
		if got := measured(t, inMemory, &m, d); !reflect.DeepEqual(got, want) {
			t.Errorf("in memory:\n%+v, written:\n%+v", got, want)
		}
		if got := measured(t, wazero, loaded, d); !reflect.DeepEqual(got, want) {
			t.Errorf("wazero:\n%+v, native:\n%+v", got, want)
		}
		for _, e := range d.Examples {
			checkSameAnswer(t, native, wazero, e)
		}
	}
}

// TestEncodersInMemory: an encoder answers the same before and after it is written.
func TestEncodersInMemory(t *testing.T) {
	m, values := random.Model(random.Tiny(), weights.MultiLabel, invented.Labels, 1)
	native, manifest, err := Native(t.Context(), written(t, m, values), reference.NewDevice())
	if err != nil {
		t.Fatal(err)
	}
	inMemory, err := OnDevice(m, values, reference.NewDevice())
	if err != nil {
		t.Fatal(err)
	}
	d := read(t, invented.Notes(20, 9))
	d.Examples = append(d.Examples, odd()[:7]...)
	if got, want := measured(t, inMemory, &m, d), measured(t, native, manifest, d); !reflect.DeepEqual(got, want) {
		t.Errorf("in memory:\n%+v, written:\n%+v", got, want)
	}
	for _, e := range d.Examples {
		checkSameAnswer(t, native, inMemory, e)
	}
	values[3].Shape[0]--
	if _, err := OnDevice(m, values, reference.NewDevice()); err == nil {
		t.Error("a tensor of another shape is taken")
	}
}

// checkSameAnswer wants answers equal to the last bit.
func checkSameAnswer(t *testing.T, a, b Engine, e dataset.Example) {
	t.Helper()
	x, errX := a(t.Context(), e.Text)
	y, errY := b(t.Context(), e.Text)
	if errors.Is(errX, classify.ErrEmptyNote) != errors.Is(errY, classify.ErrEmptyNote) || (errX == nil) != (errY == nil) {
		t.Errorf("row %d: native fails with %v, wazero with %v", e.Row, errX, errY)
	}
	if !reflect.DeepEqual(x, y) {
		t.Errorf("row %d: native answers %+v, wazero %+v", e.Row, x, y)
	}
}

// measured is the report without the times.
func measured(t *testing.T, engine Engine, m *weights.Manifest, d *dataset.Dataset) metrics.Report {
	t.Helper()
	r, err := Run(t.Context(), engine, m, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.LatencyMS <= 0 {
		t.Errorf("latency %g ms", r.LatencyMS)
	}
	r.LatencyMS = 0
	return r
}

func TestUnknownLabelsAreLeftOut(t *testing.T) {
	engine, m := trainedNative(t, true)
	known := read(t, invented.Notes(40, 3))
	want := measured(t, engine, m, known)

	d := &dataset.Dataset{Labels: append([]string{"Alchemy"}, append(slices.Clone(known.Labels), "Zoology")...)}
	for i, e := range known.Examples {
		labels := []int{}
		if i%3 == 0 {
			labels = append(labels, 0) // beside labels that are known
		}
		for _, l := range e.Labels {
			labels = append(labels, l+1)
		}
		d.Examples = append(d.Examples, dataset.Example{Row: e.Row, Text: e.Text, Labels: labels})
	}
	d.Examples = append(d.Examples, dataset.Example{Text: "rash", Labels: []int{len(d.Labels) - 1}})
	got := measured(t, engine, m, d)
	if got.UnknownLabels != 2 {
		t.Errorf("%d unknown labels, want 2", got.UnknownLabels)
	}
	got.UnknownLabels = 0
	if !reflect.DeepEqual(got, want) {
		t.Errorf("with unknown labels:\n%+v, without:\n%+v", got, want)
	}
}

func TestOneLabelModelOnNotesWithSeveral(t *testing.T) {
	engine, m := trainedNative(t, false)
	single := measured(t, engine, m, read(t, invented.Single(invented.Notes(60, 4))))
	several := measured(t, engine, m, read(t, invented.Notes(60, 4)))
	if single.MicroF1 != single.Accuracy {
		t.Errorf("one label a note: micro-F1 %g, accuracy %g", single.MicroF1, single.Accuracy)
	}
	if several.N != 60 || several.Top1InSet < single.Top1InSet || several.MicroF1 >= 1 || several.RecallAt3 <= 0 {
		t.Errorf("several labels a note: %+v", several)
	}
}

// TestShare wants of several engines what one answers, in the same order.
func TestShare(t *testing.T) {
	engine, m := trainedNative(t, true)
	d := read(t, invented.Notes(50, 8))
	d.Examples[20].Text = ""
	want, _, err := Collect(t.Context(), engine, m, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 3, 20} {
		seen := 0
		got, times, err := Share(t.Context(), slices.Repeat([]Engine{engine}, n), m, d, func(done, total int) {
			if seen++; done != seen || total != 50 {
				t.Errorf("%d of %d after %d", done, total, seen-1)
			}
		})
		if err != nil || !reflect.DeepEqual(got, want) || len(times) != 49 || seen != 50 {
			t.Errorf("%d engines: %d times, %d steps, error %v, other answers", n, len(times), seen, err)
		}
	}
	broken := errors.New("out of order")
	bad := func(context.Context, string) (*classify.Result, error) { return nil, broken }
	if _, _, err := Share(t.Context(), []Engine{engine, bad, bad}, m, d, nil); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if a, times, err := Share(t.Context(), []Engine{engine}, m, &dataset.Dataset{}, nil); err != nil || len(a.Truth)+len(times) > 0 {
		t.Errorf("of nothing: %+v (%v)", a, err)
	}
}

func TestNotesWithoutText(t *testing.T) {
	engine, m := trainedNative(t, false)
	d := read(t, invented.Single(invented.Notes(20, 5)))
	want := measured(t, engine, m, d)
	d.Examples = append([]dataset.Example{{Text: " \r\n", Labels: []int{0}}, {Labels: []int{0, 1}}}, d.Examples...)
	if got := measured(t, engine, m, d); !reflect.DeepEqual(got, want) {
		t.Errorf("with empty notes:\n%+v, without:\n%+v", got, want)
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	engine, m := trainedNative(t, false)
	d := read(t, invented.Single(invented.Notes(10, 6)))
	d.Examples[9].Text = "" // even where the last note is left out
	var seen []int
	if _, err := Run(t.Context(), engine, m, d, func(done, total int) { seen = append(seen, done, total) }); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 20 || seen[0] != 1 || seen[18] != 10 || seen[19] != 10 {
		t.Errorf("progress %v", seen)
	}
}

func TestRunFails(t *testing.T) {
	engine, m := trainedNative(t, false)
	broken := errors.New("out of order")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	const secret = "bananas under the bed"
	tests := []struct {
		name, want string
		ctx        context.Context
		engine     Engine
		data       *dataset.Dataset
	}{
		{"nothing to measure", "no example to measure", t.Context(), engine, &dataset.Dataset{}},
		{"only unknown labels", "1 of 1 labels unknown", t.Context(), engine,
			&dataset.Dataset{Labels: []string{"x"}, Examples: []dataset.Example{{Text: secret, Labels: []int{0}}}}},
		{"a broken engine", "row 7: out of order", t.Context(),
			func(context.Context, string) (*classify.Result, error) { return nil, broken },
			&dataset.Dataset{Labels: m.Task.Labels, Examples: []dataset.Example{{Row: 7, Text: secret, Labels: []int{0}}}}},
		{"a note too large", "row 8: the note is larger", t.Context(), engine,
			&dataset.Dataset{Labels: m.Task.Labels, Examples: []dataset.Example{{Row: 8, Text: strings.Repeat(secret, 1<<20), Labels: []int{0}}}}},
		{"interrupted", "context canceled", ended, engine,
			&dataset.Dataset{Labels: m.Task.Labels, Examples: []dataset.Example{{Text: secret, Labels: []int{0}}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Run(test.ctx, test.engine, m, test.data, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %.200v, want one with %q", err, test.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error quotes the note: %.200v", err)
			}
		})
	}
}

func TestEnginesServeManyAtOnce(t *testing.T) {
	native, _ := trainedNative(t, true)
	notes := invented.Notes(20, 7)
	var want []*classify.Result
	for _, n := range notes {
		r, err := native(t.Context(), n.Text)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, r)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i, n := range notes {
				if r, err := native(t.Context(), n.Text); err != nil || !reflect.DeepEqual(r, want[i]) {
					t.Errorf("note %d: %v", i, err)
				}
			}
		})
	}
	wait.Wait()
}

func TestDamagedBundles(t *testing.T) {
	if _, _, err := Native(t.Context(), os.DirFS(t.TempDir()), nil); !errors.Is(err, weights.ErrManifest) {
		t.Errorf("an empty directory: error %v", err)
	}
	m, values := trained(t, false)
	values[1].Shape[0]--
	if _, err := InMemory(m, values); err == nil {
		t.Error("a tensor of another shape is taken")
	}
}

func TestFiguresOfAReport(t *testing.T) {
	r := metrics.Report{N: 3, Accuracy: .1, MacroF1: .2, MicroF1: .3, Top1InSet: .4, RecallAt3: .5, LRAP: .6, MAP: .7, ECE: .8, Coverage: .9, RightIfSure: .95}
	e := Evaluation("a protocol", r)
	got := map[string]float64{}
	for _, f := range e.Figures {
		got[f.Name] = f.Value
	}
	want := map[string]float64{"exactly right": .1, "macro-F1": .2, "micro-F1": .3, "top label right": .4, "recall at 3": .5, "LRAP": .6,
		"mean average precision": .7, "calibration error (ECE)": .8, "coverage (something asserted)": .9, "top asserted label right": .95}
	if !reflect.DeepEqual(got, want) || e.Protocol != "a protocol" || e.N != 3 {
		t.Errorf("%+v", e)
	}
}
