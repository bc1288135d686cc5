package bundle_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"testing/fstest"

	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"
)

// smallest is an encoder of few bytes.
func smallest() weights.Encoder {
	e := invented.Tiny()
	e.Layers, e.Hidden, e.Heads, e.Intermediate, e.Positions, e.Window = 1, 2, 1, 2, 8, weights.Window{Tokens: 8, Combine: weights.MeanLogits}
	return e
}

func writeEncoder(t testing.TB, e weights.Encoder) fstest.MapFS {
	t.Helper()
	m, tensors := invented.Model(e, weights.MultiClass, []string{"A", "B"}, 1)
	return written(t, filepath.Join(t.TempDir(), "b"), m, tensors)
}

func writeMix(t testing.TB, e weights.Encoder) fstest.MapFS {
	t.Helper()
	linear, ofLinear := invented.Linear(weights.MultiClass, []string{"A", "B"}, 1)
	encoder, ofEncoder := invented.Model(e, weights.MultiClass, []string{"A", "B"}, 1)
	m, tensors := invented.Mix(linear, ofLinear, encoder, ofEncoder)
	return written(t, filepath.Join(t.TempDir(), "b"), m, tensors)
}

// wide is an encoder of some 14 MB, which takes several shards.
func wide() weights.Encoder {
	e := invented.Tiny()
	e.Layers, e.Hidden, e.Heads, e.Intermediate, e.Weights = 1, 512, 8, 2048, weights.Float32
	return e
}

func TestEncoderRoundTrip(t *testing.T) {
	for _, e := range []weights.Encoder{smallest(), wide()} {
		b := open(t, writeEncoder(t, e))
		_, want := invented.Model(e, weights.MultiClass, []string{"A", "B"}, 1)
		got := map[string][]byte{}
		err := b.Each(t.Context(), func(s weights.Segment, data []byte) error {
			if s.Tensor != weights.Header {
				name := b.Manifest.Tensors[s.Tensor].Name
				if int64(len(got[name])) != s.TensorOffset || int64(len(data)) != s.Length {
					return fmt.Errorf("segment %+v of %d bytes after %d", s, len(data), len(got[name]))
				}
				got[name] = append(got[name], data...)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range want {
			if !bytes.Equal(got[v.Name], v.Data) {
				t.Errorf("%s: %d bytes differ from the %d written", v.Name, len(got[v.Name]), len(v.Data))
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d tensors, want %d", len(got), len(want))
		}
	}
}

func TestValuesAreAllThatWasWritten(t *testing.T) {
	linear, ofLinear := invented.Linear(weights.MultiClass, []string{"A", "B"}, 1)
	encoder, ofEncoder := invented.Model(wide(), weights.MultiClass, []string{"A", "B"}, 1)
	_, want := invented.Mix(linear, ofLinear, encoder, ofEncoder)
	files := writeMix(t, wide())
	got, err := open(t, files).Values(t.Context())
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d tensors (%v), want %d", len(got), err, len(want))
	}
	for _, v := range want {
		i := slices.IndexFunc(got, func(x weights.Values) bool { return x.Name == v.Name })
		if i < 0 || !reflect.DeepEqual(got[i], v) {
			t.Errorf("%s differs from what was written", v.Name)
		}
	}
	files["00001.shard"].Data = nil
	_, err = open(t, files).Values(t.Context())
	wantShard(t, err, "00001.shard")
}

func TestEachStopsWhereItIsTold(t *testing.T) {
	b, stop := open(t, writeEncoder(t, smallest())), errors.New("enough")
	calls := 0
	err := b.Each(t.Context(), func(weights.Segment, []byte) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}

// TestLoadLeavesADevicesTensorsOut counts what loading an encoder allocates: a shard and
// little more, for its numbers go elsewhere.
func TestLoadLeavesADevicesTensorsOut(t *testing.T) {
	b := open(t, writeEncoder(t, wide()))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tensors, err := b.Load(t.Context())
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if len(tensors.Uint8(weights.EncoderVocabulary)) == 0 {
		t.Error("there is no vocabulary")
	}
	const slack = 1 << 20
	if got := after.TotalAlloc - before.TotalAlloc; got > weights.MaxShardBytes+slack {
		t.Errorf("%d bytes are allocated for a bundle of %d", got, b.Manifest.StreamBytes())
	}
}

// TestBentEncoderShardsAreRefused: a digest guards what goes to a device too.
func TestBentEncoderShardsAreRefused(t *testing.T) {
	files := writeEncoder(t, wide())
	const bent = "00002.shard"
	files[bent].Data[weights.MaxShardBytes/2] ^= 1
	_, err := open(t, files).Load(t.Context())
	wantShard(t, err, bent)
}

// TestWriteTakesLittleMoreThanAShard: a model of several hundred megabytes is not copied.
func TestWriteTakesLittleMoreThanAShard(t *testing.T) {
	m, tensors := invented.Model(wide(), weights.MultiClass, []string{"A", "B"}, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := bundle.Write(filepath.Join(t.TempDir(), "b"), m, tensors)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 3*weights.MaxShardBytes {
		t.Errorf("writing allocates %d bytes", got)
	}
}
