package bundle_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"bedside/weights"
	"bedside/weights/bundle"
)

// model is a sound model with random tensors: terms words, labels labels.
func model(terms, labels int) (weights.Manifest, []weights.Values) {
	random := rand.New(rand.NewPCG(uint64(terms), uint64(labels)))
	m := weights.Manifest{
		Name: "triage", Title: "Triage", Question: "Where should this note go?",
		Task:        weights.Task{Kind: weights.MultiLabel},
		Text:        weights.Text{Lowercase: true},
		TFIDF:       &weights.TFIDF{Blocks: []weights.Block{{Analyzer: weights.Word, MinN: 1, MaxN: 1, Norm: "l2", Terms: terms}}},
		Linear:      &weights.Linear{Family: "lr", C: 1},
		Calibration: weights.Calibration{Kind: weights.Platt},
	}
	for l := range labels {
		m.Task.Labels = append(m.Task.Labels, fmt.Sprintf("Label <%d> & é", l))
		m.Calibration.Slope = append(m.Calibration.Slope, 1)
		m.Calibration.Intercept = append(m.Calibration.Intercept, 0)
		m.Thresholds = append(m.Thresholds, .5)
	}
	keys, idf := make([]uint64, terms), make([]float32, terms)
	for i := range keys {
		keys[i], idf[i] = random.Uint64(), random.Float32()
	}
	slices.Sort(keys)
	weight := make([]int8, terms*labels)
	for i := range weight {
		weight[i] = int8(random.IntN(255) - 127)
	}
	ones := make([]float32, labels)
	return m, []weights.Values{
		weights.Int8s(weights.LinearWeight, weight, terms, labels),
		weights.Float32s(weights.LinearScale, ones, labels),
		weights.Float32s(weights.LinearBias, ones, labels),
		weights.Uint64s(weights.KeysTensor(0), keys),
		weights.Float32s(weights.IDFTensor(0), idf, terms),
	}
}

// write makes a bundle and answers its files.
func write(t testing.TB, terms, labels int) fstest.MapFS {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "b")
	m, tensors := model(terms, labels)
	return written(t, dir, m, tensors)
}

func written(t testing.TB, dir string, m weights.Manifest, tensors []weights.Values) fstest.MapFS {
	t.Helper()
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for name, data := range contents(t, dir) {
		files[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return files
}

func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	return out
}

func open(t testing.TB, files fstest.MapFS) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	for _, c := range []struct{ terms, labels, shards int }{
		{1, 1, 1}, {13, 3, 1}, {100_000, 50, 2}, {100_000, 80, 3},
	} {
		files := write(t, c.terms, c.labels)
		b := open(t, files)
		if !bytes.Equal(b.Raw, files[bundle.ManifestFile].Data) {
			t.Error("Raw is not the manifest as it stands")
		}
		if got := len(b.Manifest.Shards); got != c.shards {
			t.Errorf("%d terms, %d labels: %d shards, want %d", c.terms, c.labels, got, c.shards)
		}
		for i, s := range b.Manifest.Shards {
			if i < len(b.Manifest.Shards)-1 && s.Size != weights.MaxShardBytes {
				t.Errorf("shard %d of %d has %d bytes", i, len(b.Manifest.Shards), s.Size)
			}
		}
		tensors, err := b.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, want := model(c.terms, c.labels)
		if got := tensors.Int8(weights.LinearWeight); !bytes.Equal(weights.Int8s("", got).Data, want[0].Data) {
			t.Error("the weights differ")
		}
		if got := tensors.Uint64(weights.KeysTensor(0)); !bytes.Equal(weights.Uint64s("", got).Data, want[3].Data) {
			t.Error("the keys differ")
		}
		if got := tensors.Float32(weights.IDFTensor(0)); !bytes.Equal(weights.Float32s("", got).Data, want[4].Data) {
			t.Error("the idf differs")
		}
	}
}

// TestShardsTogetherAreSafetensors reads `cat *.shard` by the safetensors description
// alone: an 8-byte length, a JSON header, then the data without gaps.
func TestShardsTogetherAreSafetensors(t *testing.T) {
	files := write(t, 100_000, 80)
	var stream []byte
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range files {
			if name != bundle.ManifestFile && !yield(name) {
				return
			}
		}
	}) {
		stream = append(stream, files[name].Data...)
	}
	n := binary.LittleEndian.Uint64(stream)
	if n > uint64(len(stream)-8) || n%8 != 0 || stream[8] != '{' {
		t.Fatalf("a header of %d bytes that begins with %q", n, stream[8])
	}
	var header map[string]struct {
		DType   string    `json:"dtype"`
		Shape   []int     `json:"shape"`
		Offsets [2]uint64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(stream[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	data := stream[8+n:]
	_, tensors := model(100_000, 80)
	covered := 0
	for _, want := range tensors {
		got, ok := header[want.Name]
		if !ok || got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
			t.Errorf("%s: header says %+v", want.Name, got)
			continue
		}
		if !bytes.Equal(data[got.Offsets[0]:got.Offsets[1]], want.Data) {
			t.Errorf("%s: the data differ", want.Name)
		}
		covered += len(want.Data)
	}
	if covered != len(data) || len(header) != len(tensors) {
		t.Errorf("%d tensors cover %d of %d bytes", len(header), covered, len(data))
	}
}

func TestBentShardsAreRefused(t *testing.T) {
	const first, last = "00000.shard", "00002.shard"
	sound := write(t, 100_000, 80)
	for _, c := range []struct {
		name  string
		bend  func(fstest.MapFS)
		shard int
		want  string
	}{
		{"truncated", func(f fstest.MapFS) { f[last].Data = f[last].Data[:100] }, 2, last},
		{"empty", func(f fstest.MapFS) { f[first].Data = nil }, 0, first},
		{"longer by a byte", func(f fstest.MapFS) { f[last].Data = append(f[last].Data, 0) }, 2, last},
		{"much longer", func(f fstest.MapFS) { f[last].Data = append(f[last].Data, f[first].Data...) }, 2, last},
		{"one bit flipped", func(f fstest.MapFS) { f[first].Data[weights.MaxShardBytes/2] ^= 0x10 }, 0, "SHA-256"},
		{"the last bit flipped", func(f fstest.MapFS) { f[last].Data[len(f[last].Data)-1] ^= 1 }, 2, "SHA-256"},
		{"swapped", func(f fstest.MapFS) { f[first], f["00001.shard"] = f["00001.shard"], f[first] }, 0, "SHA-256"},
		{"missing", func(f fstest.MapFS) { delete(f, last) }, 2, last},
		{"a directory", func(f fstest.MapFS) { delete(f, last); f[last+"/x"] = &fstest.MapFile{} }, 2, last},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, file := range sound {
				files[name] = &fstest.MapFile{Data: bytes.Clone(file.Data)}
			}
			c.bend(files)
			b := open(t, files)
			for i := range b.Manifest.Shards {
				_, err := b.ReadShard(i, nil)
				if i == c.shard {
					wantShard(t, err, c.want)
				} else if err != nil && c.name != "swapped" {
					t.Errorf("shard %d is sound: %v", i, err)
				}
			}
			_, err := b.Load(t.Context())
			wantShard(t, err, c.want)
		})
	}
}

func wantShard(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.Is(err, bundle.ErrShard) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want an ErrShard with %q", err, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"an empty directory", fstest.MapFS{}, "manifest.json"},
		{"a directory in the manifest's place", fstest.MapFS{"manifest.json/x": {}}, "manifest.json"},
		{"an empty manifest", fstest.MapFS{"manifest.json": {}}, "not readable as JSON"},
		{"a large manifest", fstest.MapFS{"manifest.json": {Data: make([]byte, weights.MaxManifestBytes+1)}}, "more than 4194304 bytes"},
		{"another program's manifest", fstest.MapFS{"manifest.json": {Data: []byte(`{"start_url":"/"}`)}}, `format is ""`},
	} {
		b, err := bundle.Open(c.files)
		if b != nil || !errors.Is(err, weights.ErrManifest) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want an ErrManifest with %q", c.name, err, c.want)
		}
	}
}

func TestLoadRefusesWhatTheHeaderContradicts(t *testing.T) {
	files := write(t, 13, 3)
	files[bundle.ManifestFile].Data = []byte(strings.NewReplacer(
		weights.LinearScale, weights.LinearBias, weights.LinearBias, weights.LinearScale,
	).Replace(string(files[bundle.ManifestFile].Data)))
	_, err := open(t, files).Load(t.Context())
	if !errors.Is(err, weights.ErrManifest) || !strings.Contains(err.Error(), "header does not match") {
		t.Errorf("error %v", err)
	}
}

func TestLoadStopsWhenCancelled(t *testing.T) {
	b := open(t, write(t, 13, 3))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestLoadNeedsTheModelAndOneShard counts what Load allocates in all, which bounds its peak.
func TestLoadNeedsTheModelAndOneShard(t *testing.T) {
	b := open(t, write(t, 100_000, 150))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tensors, err := b.Load(t.Context())
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	const slack = 1 << 20
	got, limit := int64(after.TotalAlloc-before.TotalAlloc), b.Manifest.StreamBytes()+weights.MaxShardBytes+slack
	if got > limit {
		t.Errorf("loading %d bytes takes %d, want at most %d", b.Manifest.StreamBytes(), got, limit)
	}
	runtime.KeepAlive(tensors)
}

// TestPromisesAreNotAllocated gives a manifest that names 4 GiB beside shards of a few bytes.
func TestPromisesAreNotAllocated(t *testing.T) {
	b := open(t, promises(t))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := b.Load(t.Context())
	runtime.ReadMemStats(&after)
	wantShard(t, err, "the manifest says 4194304")
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes are allocated for what is not there", got)
	}
}

// promises is a bundle whose manifest claims nearly 4 GiB, beside files of a few bytes.
func promises(t testing.TB) fstest.MapFS {
	t.Helper()
	const terms, labels = 1 << 18, 1<<14 - 100
	m, _ := model(1, labels)
	m.Format, m.Version = weights.Format, weights.Version
	m.TFIDF.Blocks[0].Terms = terms
	at := int64(1024)
	for _, x := range []weights.Tensor{
		{Name: weights.KeysTensor(0), DType: weights.U64, Shape: []int{terms}, Size: 8 * terms},
		{Name: weights.IDFTensor(0), DType: weights.F32, Shape: []int{terms}, Size: 4 * terms},
		{Name: weights.LinearScale, DType: weights.F32, Shape: []int{labels}, Size: 4 * (labels)},
		{Name: weights.LinearBias, DType: weights.F32, Shape: []int{labels}, Size: 4 * (labels)},
		{Name: weights.LinearWeight, DType: weights.I8, Shape: []int{terms, labels}, Size: terms * (labels)},
	} {
		x.Offset = at
		at += x.Size
		m.Tensors = append(m.Tensors, x)
	}
	files := fstest.MapFS{}
	for ; at > 0; at -= weights.MaxShardBytes {
		s := weights.Shard{File: fmt.Sprintf("s%d", at), Size: min(at, weights.MaxShardBytes), SHA256: strings.Repeat("0", 64)}
		m.Shards = append(m.Shards, s)
		files[s.File] = &fstest.MapFile{Data: []byte("short")}
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	files[bundle.ManifestFile] = &fstest.MapFile{Data: text}
	return files
}
