package vectors

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bedside/kernels/reference"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"
)

var notes = []string{
	"Chest pain and fever since the morning.", "No cough.", "",
	"The left knee, again: pain of the left knee, no fever, mild cough, and the right knee aches at night.", "No cough.", "\u200b",
}

// write makes a bundle of a tiny encoder.
func write(t *testing.T, task string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "encoder")
	m, tensors := invented.Model(invented.Tiny(), task, []string{"A", "B", "C"}, 1)
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, dir string, o Options) *Encoder {
	t.Helper()
	e, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func vectors(t *testing.T, e *Encoder, notes []string) (v [][]float32, read int) {
	t.Helper()
	v, err := e.Vectors(t.Context(), notes, func(done, total int) {
		if read++; done != read {
			t.Errorf("note %d is said to be number %d of %d", read, done, total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return v, read
}

// TestVectors holds them to the encoder's own.
func TestVectors(t *testing.T) {
	dir, cache := write(t, weights.MultiClass), t.TempDir()
	got, read := vectors(t, open(t, dir, Options{Reference, cache}), notes)
	if read != 5 {
		t.Errorf("%d notes read, want the 5 distinct ones", read)
	}
	e := open(t, dir, Options{Reference, t.TempDir()})
	network, err := e.load(t.Context(), reference.NewDevice())
	if err != nil {
		t.Fatal(err)
	}
	for i, note := range notes {
		job, err := network.Begin(note)
		for done := false; err == nil && !done; {
			done, err = job.Step()
		}
		if err != nil {
			t.Fatal(err)
		}
		want := job.Results()[0]
		if len(got[i]) != want.Windows*e.Width() || (got[i] == nil) != (want.Tokens == 0) {
			t.Errorf("note %d of %d tokens: %d numbers for %d windows of %d", i, want.Tokens, len(got[i]), want.Windows, e.Width())
			continue
		}
		for c, p := range want.Pooled {
			sum := 0.0
			for at := c; at < len(got[i]); at += e.Width() {
				sum += float64(got[i][at])
			}
			if mean := sum / float64(want.Windows); math.Abs(mean-float64(p)) > 1e-6 {
				t.Errorf("note %d, element %d: the windows' mean is %g, want %g", i, c, mean, p)
			}
		}
	}
	if simd, _ := vectors(t, open(t, dir, Options{SIMD, cache}), notes); reflect.DeepEqual(simd, got) {
		t.Error("SIMD took the reference's vectors from the cache")
	}
}

// TestCache reads again, and what was not there.
func TestCache(t *testing.T) {
	dir, cache := write(t, weights.MultiLabel), t.TempDir()
	o := Options{SIMD, cache}
	first, _ := vectors(t, open(t, dir, o), notes)
	e := open(t, dir, o)
	if again, read := vectors(t, e, notes); read > 0 || !reflect.DeepEqual(again, first) {
		t.Errorf("%d notes are read again, vectors %v, want %v", read, again, first)
	}
	if _, read := vectors(t, e, append(slices.Clone(notes), "Fever.")); read != 1 {
		t.Errorf("%d notes read, want the new one", read)
	}
	if _, read := vectors(t, open(t, write(t, weights.MultiClass), o), notes); read != 5 {
		t.Errorf("%d notes read by another encoder, want 5", read)
	}
	// What is damaged is read again.
	files := 0
	err := filepath.WalkDir(cache, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, error %v", path, info.Mode(), err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, word := range []string{"knee", "cough", "Chest", "fever"} {
			if bytes.Contains(content, []byte(word)) || strings.Contains(path, word) {
				t.Errorf("%s holds %q", path, word)
			}
		}
		return os.WriteFile(path, [][]byte{{}, content[:len(content)/2], bytes.Repeat([]byte{0xff}, len(content)+3)}[files%3], 0o600)
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, error %v", files, err)
	}
	if again, read := vectors(t, open(t, dir, o), notes); read < 4 || !reflect.DeepEqual(again, first) {
		t.Errorf("%d notes read again, vectors %v, want %v", read, again, first)
	}
}

// TestTensors writes the encoder anew, with its head taken from elsewhere.
func TestTensors(t *testing.T) {
	e := open(t, write(t, weights.MultiClass), Options{Reference, t.TempDir()})
	got, err := e.Tensors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, all := invented.Model(invented.Tiny(), weights.MultiClass, []string{"A", "B", "C"}, 1)
	names := map[string]weights.Values{}
	for _, v := range got {
		names[v.Name] = v
	}
	for _, want := range all {
		v, ok := names[want.Name]
		if ok == strings.HasPrefix(want.Name, "head") || ok && !reflect.DeepEqual(v, want) {
			t.Errorf("tensor %s: there %t", want.Name, ok)
		}
	}
}

func TestRefuses(t *testing.T) {
	dir := write(t, weights.MultiClass)
	hub, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	for _, path := range []string{filepath.Join(hub, "config.json"), file} {
		if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, ofLinear := invented.Linear(weights.MultiClass, []string{"A", "B", "C"}, 1)
	m, ofEncoder := invented.Model(invented.Tiny(), weights.MultiClass, []string{"A", "B", "C"}, 1)
	mix := filepath.Join(t.TempDir(), "mix")
	m, tensors := invented.Mix(l, ofLinear, m, ofEncoder)
	if err := bundle.Write(mix, m, tensors); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir string
		o         Options
		err       string
	}{
		{"a device", dir, Options{"abacus", t.TempDir()}, `device "abacus"`},
		{"nothing", t.TempDir(), Options{SIMD, t.TempDir()}, "manifest"},
		{"a checkpoint", hub, Options{SIMD, t.TempDir()}, "bedside import"},
		{"a linear model", "../../weights/specialty", Options{SIMD, t.TempDir()}, "has no encoder"},
		{"a mix", mix, Options{SIMD, t.TempDir()}, "is a mix of an encoder and a linear model: name the bundle of the encoder alone"},
		{"no place", dir, Options{SIMD, file}, "choose another place"},
	} {
		if _, err := Open(c.dir, c.o); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
	}
	e := open(t, dir, Options{Reference, t.TempDir()})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := e.Vectors(ctx, notes, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: error %v", err)
	}
	if v, read := vectors(t, e, notes); read != 5 || v[0] == nil {
		t.Errorf("after that, %d notes read", read)
	}
	if err := os.Truncate(filepath.Join(dir, "00000.shard"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Vectors(t.Context(), []string{"Another fever."}, nil); !errors.Is(err, bundle.ErrShard) {
		t.Errorf("a damaged shard: error %v", err)
	}
}
