package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"bedside/wasm/classify"
	"bedside/wasm/tfidf"
	"bedside/weights"
	"bedside/weights/bundle"
)

// realHost runs the embedded module, or skips where the program was built without it.
func realHost(t testing.TB, instances int) *Host {
	t.Helper()
	return realHostOn(t, "", instances)
}

func realHostOn(t testing.TB, device string, instances int) *Host {
	t.Helper()
	if _, err := EmbeddedModule(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	h, err := New(t.Context(), Options{Instances: instances, CacheDir: cacheDir(t), Device: device})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// cacheDir is one directory for all tests of this process's user: compiling takes seconds.
func cacheDir(t testing.TB) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return base + "/bedside-test"
}

// colours is a bundle that knows three words, one for each label.
func colours(t testing.TB) fstest.MapFS {
	block := weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 1}
	var keys []uint64
	label := map[uint64]int{}
	tfidf.NewAnalyzer(block, 0).Each([]byte("amber blue cyan"), func(g tfidf.Gram) {
		label[g.Key] = len(keys)
		keys = append(keys, g.Key)
	})
	slices.Sort(keys) // as a bundle has them
	return tinyBundle(t, keys, label[keys[0]], label[keys[1]], label[keys[2]])
}

func native(t testing.TB, files fs.FS, note string, o classify.Options) []byte {
	t.Helper()
	opened, err := bundle.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := opened.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := classify.New(opened.Manifest, tensors)
	if err != nil {
		t.Fatal(err)
	}
	result, err := m.Classify(note, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestClassify(t *testing.T) {
	h, files := realHost(t, 1), colours(t)
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Manifest().Title; got != "Tiny" {
		t.Errorf("the manifest's title is %q", got)
	}
	for _, test := range []struct {
		note, label string
		options     classify.Options
	}{
		{"The lamp was blue.", "blue", classify.Options{}},
		{"Amber light, AMBER sky.", "amber", classify.Options{Explain: 1, Features: 3}},
		{"😀 cyan \x00 \u202ecyan\xff", "cyan", classify.Options{Explain: 3, Offsets: "utf16"}},
	} {
		r, err := m.Classify(t.Context(), test.note, test.options)
		if err != nil {
			t.Fatalf("%q: %v", test.note, err)
		}
		if !r.Sure || r.Labels[0].Name != test.label {
			t.Errorf("%q: sure %v, first %+v, want %s", test.note, r.Sure, r.Labels[0], test.label)
		}
		got, err := m.ClassifyJSON(t.Context(), test.note, test.options)
		if err != nil {
			t.Fatal(err)
		}
		if want := native(t, files, test.note, test.options); !bytes.Equal(got, want) {
			t.Errorf("%q:\nmodule %s\nnative %s", test.note, got, want)
		}
	}
	for _, test := range []struct {
		note    string
		options classify.Options
		code    string
	}{
		{"", classify.Options{}, CodeEmptyNote},
		{" \n\t", classify.Options{}, CodeEmptyNote},
		{"blue", classify.Options{Offsets: "furlongs"}, CodeBadOptions},
		{"blue", classify.Options{Explain: -1}, CodeBadOptions},
		{strings.Repeat("blue ", classify.MaxNoteBytes/5+1), classify.Options{}, CodeNoteTooLarge},
	} {
		_, err := m.Classify(t.Context(), test.note, test.options)
		wantCode(t, err, test.code)
	}
	if r, err := m.Classify(t.Context(), strings.Repeat("blue ", classify.MaxNoteBytes/5), classify.Options{}); err != nil || r.Labels[0].Name != "blue" {
		t.Errorf("a note of %d bytes: %v", classify.MaxNoteBytes, err)
	}
}

// TestOptionsAsText gives the module options as another host might write them.
func TestOptionsAsText(t *testing.T) {
	h := realHost(t, 1)
	m, err := h.Load(t.Context(), colours(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ options, code string }{
		{"", ""},
		{"{}", ""},
		{` {"offsets": "utf16", "explain": 1} `, ""},
		{`{"explain":1,"tone":"kind"}`, CodeBadOptions},
		{`{"Explain":1}`, CodeBadOptions},
		{`{"explain":"all"}`, CodeBadOptions},
		{`{"explain":1}{}`, CodeBadOptions},
		{"null", CodeBadOptions},
		{"\x00\xff", CodeBadOptions},
		{strings.Repeat("[", 1<<20), CodeBadOptions},
	} {
		err := h.with(t.Context(), m, func(ctx context.Context, in *instance) error {
			_, err := in.classify(ctx, in.handles[m], "blue", test.options)
			return err
		})
		if test.code != "" {
			wantCode(t, err, test.code)
		} else if err != nil {
			t.Errorf("%q: %v", test.options, err)
		}
	}
}

func TestManyCallersGetTheirOwnAnswers(t *testing.T) {
	h := realHost(t, 3)
	first, err := h.Load(t.Context(), colours(t))
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.Load(t.Context(), colours(t))
	if err != nil {
		t.Fatal(err)
	}
	labels := []string{"amber", "blue", "cyan"}
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			want := labels[i%3]
			m := []*Model{first, second}[i%2]
			for j := range 20 {
				r, err := m.Classify(t.Context(), fmt.Sprintf("note %d %d is %s", i, j, want), classify.Options{Explain: 1})
				if err != nil || r.Labels[0].Name != want {
					t.Errorf("caller %d: %v, want %s", i, err, want)
					return
				}
			}
		})
	}
	group.Wait()
	if n := len(h.idle); n > 3 {
		t.Errorf("%d instances, want at most 3", n)
	}
	first.Close()
	for _, in := range h.idle {
		if _, open := in.handles[first]; open {
			t.Error("an instance still holds a closed model")
		}
	}
	if _, err := first.Classify(t.Context(), "blue", classify.Options{}); !errors.Is(err, ErrClosed) {
		t.Errorf("classifying with a closed model: %v", err)
	}
	if _, err := second.Classify(t.Context(), "blue", classify.Options{}); err != nil {
		t.Errorf("closing one model broke the other: %v", err)
	}
}

func TestCloseDuringCalls(t *testing.T) {
	h, files := realHost(t, 2), colours(t)
	for range 10 {
		m, err := h.Load(t.Context(), files)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 10 {
					if _, err := m.Classify(t.Context(), "blue", classify.Options{}); err != nil && !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
				}
			})
		}
		m.Close()
		group.Wait()
		for _, in := range h.idle {
			if len(in.handles) != 0 {
				t.Fatal("an idle instance holds a closed model")
			}
		}
	}
}

func TestCancelledCallLeavesTheHostUsable(t *testing.T) {
	h, files := realHost(t, 1), colours(t)
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("amber blue cyan ", classify.MaxNoteBytes/16)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		start := time.Now()
		_, err := m.Classify(ctx, long, classify.Options{Explain: 3, Features: 1000})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline's", err)
		}
		if took := time.Since(start); took > promptly {
			t.Errorf("the call ended after %v", took)
		}
		if r, err := m.Classify(t.Context(), "blue", classify.Options{}); err != nil || r.Labels[0].Name != "blue" {
			t.Fatalf("after a cancelled call: %v", err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Classify(ended, "blue", classify.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestDamagedBundles(t *testing.T) {
	h := realHost(t, 1)
	sound, err := h.Load(t.Context(), colours(t))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) func(fstest.MapFS) {
		return func(files fstest.MapFS) {
			text := files["manifest.json"].Data
			if !bytes.Contains(text, []byte(old)) {
				t.Fatalf("the manifest does not hold %s", old)
			}
			files["manifest.json"].Data = bytes.Replace(text, []byte(old), []byte(new), 1)
		}
	}
	shard := func(change func([]byte) []byte) func(fstest.MapFS) {
		return func(files fstest.MapFS) { files["00000.shard"].Data = change(files["00000.shard"].Data) }
	}
	tests := []struct {
		name   string
		damage func(fstest.MapFS)
		code   string
	}{
		{"shard with a flipped bit", shard(func(b []byte) []byte { b[len(b)/2] ^= 4; return b }), CodeBadShard},
		{"shard truncated", shard(func(b []byte) []byte { return b[:len(b)-1] }), CodeBadShard},
		{"shard empty", shard(func(b []byte) []byte { return nil }), CodeBadShard},
		{"shard too long", shard(func(b []byte) []byte { return append(b, 0) }), CodeBadShard},
		{"shard swapped for another file", func(f fstest.MapFS) { f["00000.shard"] = f["manifest.json"] }, CodeBadShard},
		{"shard missing", func(f fstest.MapFS) { delete(f, "00000.shard") }, CodeBadShard},
		{"shard is a directory", func(f fstest.MapFS) { f["00000.shard"].Mode = fs.ModeDir | 0o755 }, CodeBadShard},
		{"shard is a device", func(f fstest.MapFS) { f["00000.shard"].Mode = fs.ModeDevice }, CodeBadShard},
		{"manifest missing", func(f fstest.MapFS) { delete(f, "manifest.json") }, CodeBadManifest},
		{"manifest empty", func(f fstest.MapFS) { f["manifest.json"].Data = nil }, CodeBadManifest},
		{"manifest binary", func(f fstest.MapFS) { f["manifest.json"].Data = f["00000.shard"].Data }, CodeBadManifest},
		{"manifest of 8 MiB", func(f fstest.MapFS) { f["manifest.json"].Data = bytes.Repeat([]byte(" "), 8<<20) }, CodeBadManifest},
		{"unknown version", edit(`"version": 1`, `"version": 2`), CodeBadManifest},
		{"unknown format", edit(weights.Format, "other-bundle"), CodeBadManifest},
		{"shard outside the bundle", edit("00000.shard", "../00000.shard"), CodeBadManifest},
		{"absurd number of terms", edit(`"terms": 3`, `"terms": 3000000000`), CodeBadManifest},
		{"duplicate label", edit(`"blue"`, `"cyan"`), CodeBadManifest},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := colours(t)
			test.damage(files)
			_, err := h.Load(t.Context(), files)
			wantCode(t, err, test.code)
			if r, err := sound.Classify(t.Context(), "blue", classify.Options{}); err != nil || r.Labels[0].Name != "blue" {
				t.Errorf("afterwards a sound model fails: %v", err)
			}
		})
	}
	if n := len(h.idle[0].handles); n != 1 {
		t.Errorf("the instance holds %d models, want the sound one alone", n)
	}
}

func TestTensorsAreCheckedByTheModule(t *testing.T) {
	h := realHost(t, 1)
	// Keys must ascend; the shard's digest is right, so only the module can tell.
	_, err := h.Load(t.Context(), tinyBundle(t, []uint64{3, 2, 1}))
	wantCode(t, err, CodeBadTensors)
}

func TestLoadDirDoesNotBlockOnAPipe(t *testing.T) {
	h, dir := realHost(t, 1), t.TempDir()
	if err := syscall.Mkfifo(dir+"/manifest.json", 0o600); err != nil {
		t.Skip(err)
	}
	_, err := h.LoadDir(t.Context(), dir)
	wantCode(t, err, CodeBadManifest)
}

func TestBundleThatChangesAfterLoading(t *testing.T) {
	h, files := realHost(t, 2), colours(t)
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	files["00000.shard"].Data[0] ^= 1
	h.idle[0].broken = true
	h.giveBack(h.takeIdle(m)) // the next call needs a fresh instance, which reads the bundle again
	_, err = m.Classify(t.Context(), "blue", classify.Options{})
	wantCode(t, err, CodeBadShard)
}

func TestInstancesSeeNothingOfTheProcess(t *testing.T) {
	h := realHost(t, 1)
	for _, f := range h.compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if module != "wasi_snapshot_preview1" && module != "bedside_device" && module != "bedside_gpu" {
			t.Errorf("the module imports %s.%s", module, name)
		}
		if strings.HasPrefix(name, "sock_") || strings.HasPrefix(name, "path_") {
			t.Logf("the module links %s, which has nothing to act on", name)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	h := realHost(b, 1)
	m, err := h.Load(b.Context(), colours(b))
	if err != nil {
		b.Fatal(err)
	}
	note := strings.Repeat("The lamp over the bed was blue and the wall grey. ", 50)
	b.SetBytes(int64(len(note)))
	for b.Loop() {
		if _, err := m.ClassifyJSON(b.Context(), note, classify.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
