package bundle_test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bedside/weights"
	"bedside/weights/bundle"
)

func TestWriteReplacesABundle(t *testing.T) {
	for _, suffix := range []string{"", "/", "/.", "/../b"} {
		dir := filepath.Join(t.TempDir(), "deep", "b")
		for _, labels := range []int{3, 5} {
			m, tensors := model(4, labels)
			if err := bundle.Write(dir+suffix, m, tensors); err != nil {
				t.Fatalf("with %q at the end: %v", suffix, err)
			}
			b, err := bundle.Open(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			if got := len(b.Manifest.Task.Labels); got != labels {
				t.Errorf("with %q at the end: %d labels, want %d", suffix, got, labels)
			}
		}
		onlyEntry(t, filepath.Dir(dir), "b")
	}
}

func TestWriteFillsAnEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	m, tensors := model(4, 3)
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Open(os.DirFS(dir)); err != nil {
		t.Error(err)
	}
}

func TestWriteReplacesALaterVersion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	put(t, dir, map[string]string{"manifest.json": `{"format":"bedside-bundle","version":9}`, "00000.shard": "?", "CARD.md": "?"})
	m, tensors := model(4, 3)
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
}

func TestWriteRefusesToReplace(t *testing.T) {
	for name, held := range map[string]map[string]string{
		"notes":              {"notes.csv": "text,label"},
		"a web page":         {"manifest.json": `{"name":"page","start_url":"/"}`, "index.html": "<p>"},
		"a broken manifest":  {"manifest.json": `{"format":"bedside-`},
		"a shard by itself":  {"00000.shard": "x"},
		"a hidden file only": {".gitignore": "*"},
	} {
		dir := filepath.Join(t.TempDir(), "b")
		put(t, dir, held)
		m, tensors := model(4, 3)
		err := bundle.Write(dir, m, tensors)
		if err == nil || !strings.Contains(err.Error(), "is not a bundle; choose another directory") {
			t.Errorf("%s: error %v", name, err)
		}
		if got := contents(t, dir); !maps.Equal(got, held) {
			t.Errorf("%s: the directory now holds %v", name, got)
		}
		onlyEntry(t, filepath.Dir(dir), "b")
	}
}

func TestWriteKeepsWhatIsNotItsOwn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	m, tensors := model(4, 3)
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	put(t, dir, map[string]string{"notes.csv": "text,label"})
	held := contents(t, dir)
	for _, err := range []error{bundle.CanWrite(dir), bundle.Write(dir, m, tensors)} {
		if err == nil || !strings.Contains(err.Error(), "holds notes.csv") {
			t.Errorf("error %v", err)
		}
	}
	if !maps.Equal(contents(t, dir), held) {
		t.Error("the directory has changed")
	}
}

func TestWriteRefusesAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.csv")
	if err := os.WriteFile(file, []byte("text,label"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, tensors := model(4, 3)
	if err := bundle.Write(file, m, tensors); err == nil || !strings.Contains(err.Error(), "cannot be replaced") {
		t.Errorf("error %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "text,label" {
		t.Errorf("the file now holds %q, %v", data, err)
	}
	onlyEntry(t, filepath.Dir(file), "notes.csv")
}

func TestFailedWriteLeavesTheOldBundle(t *testing.T) {
	for _, c := range []struct {
		name string
		bend func(*weights.Manifest, []weights.Values)
		want string
	}{
		{"label twice", func(m *weights.Manifest, _ []weights.Values) { m.Task.Labels[1] = m.Task.Labels[0] }, "stands twice"},
		{"no name", func(m *weights.Manifest, _ []weights.Values) { m.Name = "" }, "name"},
		{"threshold of NaN", func(m *weights.Manifest, _ []weights.Values) { m.Thresholds[0] = math.NaN() }, "NaN"},
		{"tensor short", func(_ *weights.Manifest, v []weights.Values) { v[0].Data = v[0].Data[1:] }, "linear.weight"},
		{"tensor of another model", func(_ *weights.Manifest, v []weights.Values) { v[0].Shape = []int{3, 4} }, "linear.weight"},
		{"tensor missing", func(_ *weights.Manifest, v []weights.Values) { v[0].Name = "other" }, "linear.weight"},
		{"tensor twice", func(_ *weights.Manifest, v []weights.Values) { v[2] = v[1] }, "stands twice"},
		{"bias of NaN", func(_ *weights.Manifest, v []weights.Values) {
			v[2] = weights.Float32s(weights.LinearBias, []float32{0, float32(math.NaN()), 0}, 3)
		}, "element 1 is infinite or NaN"},
	} {
		dir := filepath.Join(t.TempDir(), "b")
		m, tensors := model(4, 3)
		if err := bundle.Write(dir, m, tensors); err != nil {
			t.Fatal(err)
		}
		before := contents(t, dir)
		m, tensors = model(4, 3)
		c.bend(&m, tensors)
		if err := bundle.Write(dir, m, tensors); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
		if !maps.Equal(before, contents(t, dir)) {
			t.Errorf("%s: the old bundle has changed", c.name)
		}
		onlyEntry(t, filepath.Dir(dir), "b")
	}
}

// TestWriteIsDeterministic matters to whoever compares a rebuilt model with the shipped one.
func TestWriteIsDeterministic(t *testing.T) {
	first, second := write(t, 50, 4), write(t, 50, 4)
	for name, file := range first {
		if string(file.Data) != string(second[name].Data) {
			t.Errorf("%s differs", name)
		}
	}
}

func TestSetCard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	m, tensors := model(4, 3)
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	before := contents(t, dir)
	card := weights.Card{Summary: "Another.", Evaluations: []weights.Evaluation{{
		Protocol: "spring", N: 3, Figures: []weights.Figure{{Name: "LRAP", Value: .5, Low: .25, High: .75}},
		Curve: []weights.Point{{Confidence: .5, Answered: 1, Accuracy: .5}}, Pairs: []weights.Pair{{Missed: "a", Given: "b", Count: 2, Chance: .5}},
	}}}
	if err := bundle.SetCard(dir, card); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(b.Manifest.Card, card) {
		t.Errorf("the card is %+v", b.Manifest.Card)
	}
	if _, err := b.Load(t.Context()); err != nil {
		t.Error(err)
	}
	after := contents(t, dir)
	delete(before, "manifest.json")
	delete(after, "manifest.json")
	if !maps.Equal(before, after) {
		t.Errorf("%d files beside the manifest, now %d, or others", len(before), len(after))
	}
	card.Evaluations[0].Figures[0].Value = math.NaN()
	if bundle.SetCard(dir, card) == nil {
		t.Error("a card that is not JSON was written")
	}
	if err := bundle.SetCard(t.TempDir(), card); err == nil {
		t.Error("what is no bundle has a card now")
	}
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// onlyEntry requires that nothing temporary is left beside a bundle.
func onlyEntry(t *testing.T, dir, want string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != want {
		t.Errorf("%s holds %v, want %s alone", dir, entries, want)
	}
}

func ExampleWrite() {
	dir, err := os.MkdirTemp("", "bundle")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	// One word, "fever", and two labels.
	m := weights.Manifest{
		Name: "fever", Title: "Fever", Question: "Does the note speak of fever?",
		Task:        weights.Task{Kind: weights.MultiClass, Labels: []string{"no", "yes"}},
		Text:        weights.Text{Lowercase: true},
		TFIDF:       &weights.TFIDF{Blocks: []weights.Block{{Analyzer: weights.Word, MinN: 1, MaxN: 1, Terms: 1}}},
		Linear:      &weights.Linear{Family: "lr", C: 1},
		Calibration: weights.Calibration{Kind: weights.Temperature, Slope: []float64{1}},
		Thresholds:  []float64{.5, .5},
	}
	err = bundle.Write(filepath.Join(dir, "fever"), m, []weights.Values{
		weights.Uint64s(weights.KeysTensor(0), []uint64{0x49394efed13dd0ce}),
		weights.Float32s(weights.IDFTensor(0), []float32{1}, 1),
		weights.Int8s(weights.LinearWeight, []int8{-127, 127}, 1, 2),
		weights.Float32s(weights.LinearScale, []float32{.02, .02}, 2),
		weights.Float32s(weights.LinearBias, []float32{1, -1}, 2),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := bundle.Open(os.DirFS(filepath.Join(dir, "fever")))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(b.Manifest.Title, b.Manifest.Task.Labels, b.Manifest.StreamBytes(), "bytes")
	// Output:
	// Fever [no yes] 366 bytes
}
