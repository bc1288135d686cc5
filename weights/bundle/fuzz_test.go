package bundle_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"runtime"
	"testing"
	"testing/fstest"

	"bedside/weights"
	"bedside/weights/bundle"
)

// FuzzOpenAndLoad reads hostile bundles of one or two shards. With seal, the manifest
// is made to vouch for the shards, so that what lies behind the digests is reached too.
func FuzzOpenAndLoad(f *testing.F) {
	files := write(f, 5, 3)
	f.Add(files[bundle.ManifestFile].Data, files["00000.shard"].Data, []byte{}, false)
	files = writeEncoder(f, smallest())
	f.Add(files[bundle.ManifestFile].Data, files["00000.shard"].Data, []byte{}, false)
	files = writeMix(f, smallest())
	f.Add(files[bundle.ManifestFile].Data, files["00000.shard"].Data, []byte{}, false)
	f.Fuzz(func(t *testing.T, manifest, first, second []byte, seal bool) {
		if len(first)+len(second) > 1<<20 {
			return
		}
		files := fstest.MapFS{"00000.shard": {Data: first}, "00001.shard": {Data: second}}
		if seal {
			manifest = vouch(manifest, first, second)
		}
		files[bundle.ManifestFile] = &fstest.MapFile{Data: manifest}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b, err := bundle.Open(files)
		if err != nil {
			if !errors.Is(err, weights.ErrManifest) {
				t.Fatalf("%v is no ErrManifest", err)
			}
			return
		}
		tensors, err := b.Load(t.Context())
		runtime.ReadMemStats(&after)
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+64*len(manifest)+4*(len(first)+len(second))); got > limit {
			t.Fatalf("%d bytes are allocated for a manifest of %d and shards of %d and %d", got, len(manifest), len(first), len(second))
		}
		if err != nil {
			return
		}
		for i, x := range b.Manifest.Tensors {
			got := map[string]int{
				weights.U64: 8 * len(tensors.Uint64(x.Name)), weights.F32: 4 * len(tensors.Float32(x.Name)),
				weights.I8: len(tensors.Int8(x.Name)), weights.U8: len(tensors.Uint8(x.Name)),
			}[x.DType]
			want := x.Size
			if b.Manifest.OnDevice(i) {
				want = 0
			}
			if int64(got) != want {
				t.Fatalf("%s has %d bytes in memory, want %d", x.Name, got, want)
			}
		}
	})
}

// vouch puts the shards' true sizes and digests into a manifest.
func vouch(manifest []byte, shards ...[]byte) []byte {
	var m weights.Manifest
	if json.Unmarshal(manifest, &m) != nil {
		return manifest
	}
	for i, data := range shards {
		if i < len(m.Shards) {
			sum := sha256.Sum256(data)
			m.Shards[i].Size, m.Shards[i].SHA256 = int64(len(data)), hex.EncodeToString(sum[:])
		}
	}
	out, err := json.Marshal(m)
	if err != nil {
		return manifest
	}
	return out
}
