package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"bedside/wasm/classify"
	"bedside/wasm/host"
	"bedside/weights"
	"bedside/weights/bundle"
)

const shipped = "../weights/specialty"

// shippedFiles holds the shipped bundle in memory, so that tests can damage it.
func shippedFiles(t testing.TB) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	entries, err := os.ReadDir(shipped)
	if err != nil {
		missing(t, "no shipped bundle (make model trains it)", err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(shipped + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = &fstest.MapFile{Data: data}
	}
	return files
}

func embedded(t testing.TB, instances int) *host.Host {
	t.Helper()
	module, err := host.EmbeddedModule()
	if err != nil {
		missing(t, "no module (run make module)", err)
	}
	return newHost(t, module, instances)
}

// nativeModel is the same bundle in native Go.
func nativeModel(t testing.TB, files fs.FS) *classify.Model {
	t.Helper()
	b, err := bundle.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := classify.New(b.Manifest, tensors)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModuleAnswersAsNativeGoDoes(t *testing.T) {
	files := shippedFiles(t)
	native := nativeModel(t, files)
	m, err := embedded(t, 1).Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	options := []classify.Options{
		{},
		{Explain: 1, Offsets: "utf16"},
		{Explain: 3, Features: 1000, Offsets: "utf8"},
		{Explain: 100, Features: 2},
	}
	for _, n := range append(notes(), invalid()...) {
		t.Run(n.name, func(t *testing.T) {
			for _, o := range options {
				result, err := native.Classify(n.text, o)
				if err != nil {
					t.Fatal(err)
				}
				want, err := json.Marshal(result)
				if err != nil {
					t.Fatal(err)
				}
				got, err := m.ClassifyJSON(t.Context(), n.text, o)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) {
					t.Errorf("with %+v:\nmodule %s\nnative %s", o, brief(string(got)), brief(string(want)))
				}
			}
		})
	}
}

func TestModuleRefusesAsNativeGoDoes(t *testing.T) {
	files := shippedFiles(t)
	native := nativeModel(t, files)
	m, err := embedded(t, 1).Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, note string
		options    classify.Options
		code       string
	}{
		{"empty", "", classify.Options{}, host.CodeEmptyNote},
		{"blank", " \t\r\n\u00a0\u2003", classify.Options{}, host.CodeEmptyNote},
		{"too large", strings.Repeat("a ", classify.MaxNoteBytes/2+1), classify.Options{}, host.CodeNoteTooLarge},
		{"unknown offsets", "pain", classify.Options{Offsets: "utf32"}, host.CodeBadOptions},
	} {
		if _, err := native.Classify(test.note, test.options); err == nil {
			t.Errorf("%s: native Go takes it", test.name)
		}
		_, err := m.Classify(t.Context(), test.note, test.options)
		var typed *host.Error
		if !errors.As(err, &typed) || typed.Code != test.code {
			t.Errorf("%s: %v, want code %s", test.name, err, test.code)
		}
	}
}

func TestDamagedShippedBundleIsRefused(t *testing.T) {
	h := embedded(t, 1)
	sound, err := h.Load(t.Context(), shippedFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	shards := func(f fstest.MapFS) []string {
		b, err := bundle.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range b.Manifest.Shards {
			names = append(names, s.File)
		}
		return names
	}
	manifest := func(old, new string) func(fstest.MapFS) {
		return func(f fstest.MapFS) {
			text := string(f[bundleManifest].Data)
			if !strings.Contains(text, old) {
				t.Fatalf("the manifest does not hold %s", old)
			}
			f[bundleManifest].Data = []byte(strings.Replace(text, old, new, 1))
		}
	}
	for _, test := range []struct {
		name   string
		damage func(fstest.MapFS)
		code   string
	}{
		{"bit flipped at the start", func(f fstest.MapFS) { f[shards(f)[0]].Data[9] ^= 1 }, host.CodeBadShard},
		{"bit flipped at the end", func(f fstest.MapFS) {
			names := shards(f)
			last := f[names[len(names)-1]].Data
			last[len(last)-1] ^= 128
		}, host.CodeBadShard},
		{"truncated", func(f fstest.MapFS) { s := f[shards(f)[0]]; s.Data = s.Data[:len(s.Data)/2] }, host.CodeBadShard},
		{"too long", func(f fstest.MapFS) { s := f[shards(f)[0]]; s.Data = append(s.Data, 'x') }, host.CodeBadShard},
		{"missing", func(f fstest.MapFS) { delete(f, shards(f)[0]) }, host.CodeBadShard},
		{"swapped for the manifest", func(f fstest.MapFS) { f[shards(f)[0]].Data = f[bundleManifest].Data }, host.CodeBadShard},
		{"no manifest", func(f fstest.MapFS) { delete(f, bundleManifest) }, host.CodeBadManifest},
		{"manifest cut", func(f fstest.MapFS) { m := f[bundleManifest]; m.Data = m.Data[:len(m.Data)/2] }, host.CodeBadManifest},
		{"unknown version", manifest(`"version": 1`, `"version": 99`), host.CodeBadManifest},
		{"unknown task", manifest(`"kind": "`+weights.MultiLabel, `"kind": "horoscope`), host.CodeBadManifest},
		{"path traversal", manifest(`"00000.shard"`, `"../specialty/00000.shard"`), host.CodeBadManifest},
		{"absurd shard", manifest(`"size": 1`, `"size": 999999999991`), host.CodeBadManifest},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := shippedFiles(t)
			test.damage(files)
			_, err := h.Load(t.Context(), files)
			var typed *host.Error
			if !errors.As(err, &typed) || typed.Code != test.code {
				t.Fatalf("%v, want code %s", err, test.code)
			}
			t.Log(err)
			if _, err := sound.Classify(t.Context(), "chest pain", classify.Options{}); err != nil {
				t.Errorf("afterwards the sound model fails: %v", err)
			}
		})
	}
}

const bundleManifest = bundle.ManifestFile
