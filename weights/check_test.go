package weights_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"bedside/wasm/encoder/invented"
	"bedside/weights"
)

func TestParseManifestRoundTrip(t *testing.T) {
	want, _ := sealed(t, 100)
	got, err := weights.ParseManifest(encode(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestMultiClassIsAccepted(t *testing.T) {
	m, _ := sealed(t, 1000)
	m.Task.Kind = weights.MultiClass
	m.Calibration = weights.Calibration{Kind: weights.Temperature, Slope: []float64{1.5}}
	if _, err := weights.ParseManifest(encode(t, m)); err != nil {
		t.Error(err)
	}
}

// many repeats a string so that it is just over a limit.
func many(limit int) string { return strings.Repeat("x", limit+1) }

func TestParseManifestRefuses(t *testing.T) {
	type M = weights.Manifest
	for _, c := range []struct {
		name   string
		change func(*M)
		want   string
	}{
		{"unknown format", func(m *M) { m.Format = "zip" }, `format is "zip"`},
		{"no format", func(m *M) { m.Format = "" }, `format is ""`},
		{"later version", func(m *M) { m.Version = 2 }, "version 2 is not supported"},
		{"version 0", func(m *M) { m.Version = 0 }, "version 0 is not supported"},
		{"negative version", func(m *M) { m.Version = -1 }, "version -1 is not supported"},

		{"no name", func(m *M) { m.Name = "" }, `name "" must be`},
		{"name that leaves the directory", func(m *M) { m.Name = "../up" }, `name "../up" must be`},
		{"capitals in the name", func(m *M) { m.Name = "Triage" }, `name "Triage" must be`},
		{"long name", func(m *M) { m.Name = many(64) }, "must be lower-case"},
		{"unknown task", func(m *M) { m.Task.Kind = "regression" }, `task kind "regression"`},
		{"no labels", func(m *M) { m.Task.Labels = nil }, "0 labels"},
		{"too many labels", func(m *M) { m.Task.Labels = make([]string, weights.MaxLabels+1) }, "16385 labels"},
		{"empty label", func(m *M) { m.Task.Labels[1] = "" }, "label 1 is empty"},
		{"long label", func(m *M) { m.Task.Labels[2] = many(weights.MaxNameBytes) }, "label 2 is empty or longer"},
		{"label twice", func(m *M) { m.Task.Labels[2] = "Ward" }, `label "Ward" stands twice`},

		{"unknown preparation", func(m *M) { m.Text.Prepare = "poem" }, `preparation "poem"`},
		{"unknown accents", func(m *M) { m.Text.StripAccents = "ascii" }, `strip_accents "ascii"`},
		{"no features", func(m *M) { m.TFIDF = nil }, "no features"},
		{"no blocks", func(m *M) { m.TFIDF.Blocks = nil }, "0 tfidf blocks"},
		{"too many blocks", func(m *M) { m.TFIDF.Blocks = make([]weights.Block, weights.MaxBlocks+1) }, "9 tfidf blocks"},
		{"unknown analyzer", func(m *M) { m.TFIDF.Blocks[1].Analyzer = "char" }, `tfidf block 1: analyzer "char"`},
		{"n-grams of 0", func(m *M) { m.TFIDF.Blocks[0].MinN = 0 }, "n-grams of 0 to 2"},
		{"n-grams backwards", func(m *M) { m.TFIDF.Blocks[0].MaxN = 0 }, "n-grams of 1 to 0"},
		{"n-grams too long", func(m *M) { m.TFIDF.Blocks[0].MaxN = weights.MaxNGram + 1 }, "n-grams of 1 to 17"},
		{"unknown stop words", func(m *M) { m.TFIDF.Blocks[0].StopWords = "french" }, `stop_words "french"`},
		{"stop words of characters", func(m *M) { m.TFIDF.Blocks[1].StopWords = "english" }, "words only"},
		{"unknown norm", func(m *M) { m.TFIDF.Blocks[0].Norm = "l1" }, `norm "l1"`},
		{"no terms", func(m *M) { m.TFIDF.Blocks[0].Terms = 0 }, "0 terms"},
		{"negative terms", func(m *M) { m.TFIDF.Blocks[0].Terms = -4 }, "-4 terms"},
		{"too many terms", func(m *M) { m.TFIDF.Blocks[0].Terms = weights.MaxTerms + 1 }, "2097153 terms"},
		{"too many terms together", func(m *M) { m.TFIDF.Blocks[0].Terms = weights.MaxTerms }, "2097155 terms, the limit"},

		{"no calibration", func(m *M) { m.Calibration = weights.Calibration{} }, `calibration "" does not fit`},
		{"calibration of the other task", func(m *M) { m.Calibration.Kind = weights.Temperature }, `calibration "temperature" does not fit`},
		{"task of the other calibration", func(m *M) { m.Task.Kind = weights.MultiClass }, `calibration "platt" does not fit`},
		{"slopes missing", func(m *M) { m.Calibration.Slope = m.Calibration.Slope[:2] }, "2 slopes"},
		{"intercepts missing", func(m *M) { m.Calibration.Intercept = nil }, "0 intercepts"},
		{"two temperatures", func(m *M) {
			m.Task.Kind, m.Calibration.Kind = weights.MultiClass, weights.Temperature
			m.Calibration.Intercept = nil
		}, "one slope, no intercepts"},
		{"temperature with intercept", func(m *M) {
			m.Task.Kind = weights.MultiClass
			m.Calibration = weights.Calibration{Kind: weights.Temperature, Slope: []float64{1}, Intercept: []float64{1}}
		}, "one slope, no intercepts"},
		{"temperature with ceiling", func(m *M) {
			m.Task.Kind = weights.MultiClass
			m.Calibration = weights.Calibration{Kind: weights.Temperature, Slope: []float64{1}, Ceiling: .9}
		}, "no ceiling"},
		{"ceiling above 1", func(m *M) { m.Calibration.Ceiling = 1.01 }, "calibration ceiling 1.01"},
		{"ceiling under one half", func(m *M) { m.Calibration.Ceiling = .49 }, "calibration ceiling 0.49"},
		{"negative ceiling", func(m *M) { m.Calibration.Ceiling = -1 }, "calibration ceiling -1"},
		{"thresholds missing", func(m *M) { m.Thresholds = nil }, "0 thresholds for 3 labels"},
		{"huge slope", func(m *M) { m.Calibration.Slope[0] = 1e7 }, "1e+07 is out of range"},
		{"huge intercept", func(m *M) { m.Calibration.Intercept[0] = -1e300 }, "-1e+300 is out of range"},
		{"huge threshold", func(m *M) { m.Thresholds[2] = math.MaxFloat64 }, "is out of range"},

		{"no shards", func(m *M) { m.Shards = nil }, "0 shards"},
		{"too many shards", func(m *M) { m.Shards = make([]weights.Shard, weights.MaxShards+1) }, "1025 shards"},
		{"shard up the tree", func(m *M) { m.Shards[0].File = "../part" }, `file name "../part"`},
		{"shard in a folder", func(m *M) { m.Shards[0].File = "a/part" }, `file name "a/part"`},
		{"shard in a Windows folder", func(m *M) { m.Shards[0].File = `a\part` }, "file name"},
		{"shard at the root", func(m *M) { m.Shards[0].File = "/part" }, `file name "/part"`},
		{"shard at another origin", func(m *M) { m.Shards[0].File = "https://example.org/x" }, "file name"},
		{"shard with a query", func(m *M) { m.Shards[0].File = "part?x=1" }, "file name"},
		{"hidden shard", func(m *M) { m.Shards[0].File = ".part" }, `file name ".part"`},
		{"shard with NUL", func(m *M) { m.Shards[0].File = "part\x00" }, "file name"},
		{"shard of another script", func(m *M) { m.Shards[0].File = "pаrt" }, "file name"},
		{"shard without a name", func(m *M) { m.Shards[0].File = "" }, `file name ""`},
		{"shard with a long name", func(m *M) { m.Shards[0].File = many(64) }, "file name"},
		{"shard twice", func(m *M) { m.Shards[1].File = m.Shards[0].File }, "stands twice"},
		{"empty shard", func(m *M) { m.Shards[0].Size = 0 }, "0 bytes, want 1 to 4194304"},
		{"negative shard", func(m *M) { m.Shards[0].Size = math.MinInt64 }, "-9223372036854775808 bytes"},
		{"large shard", func(m *M) { m.Shards[0].Size = weights.MaxShardBytes + 1 }, "4194305 bytes"},
		{"absurd shard", func(m *M) { m.Shards[0].Size = math.MaxInt64 }, "9223372036854775807 bytes"},
		{"no digest", func(m *M) { m.Shards[0].SHA256 = "" }, "sha256 is not"},
		{"short digest", func(m *M) { m.Shards[0].SHA256 = m.Shards[0].SHA256[:62] }, "sha256 is not"},
		{"long digest", func(m *M) { m.Shards[0].SHA256 += "0" }, "sha256 is not"},
		{"capitals in the digest", func(m *M) { m.Shards[0].SHA256 = strings.Repeat("AB", 32) }, "sha256 is not"},

		{"no tensors", func(m *M) { m.Tensors = nil }, "0 tensors"},
		{"too many tensors", func(m *M) { m.Tensors = make([]weights.Tensor, weights.MaxTensors+1) }, "4097 tensors"},
		{"no room for a header", func(m *M) { m.Tensors[0].Offset = 9 }, "first tensor at offset 9"},
		{"negative offset", func(m *M) { m.Tensors[0].Offset = -8 }, "first tensor at offset -8"},
		{"large header", func(m *M) { m.Tensors[0].Offset = 9 + weights.MaxHeaderBytes }, "first tensor at offset 1048585"},
		{"tensor without a name", func(m *M) { m.Tensors[1].Name = "" }, "tensor 1: name is empty"},
		{"tensor with a long name", func(m *M) { m.Tensors[1].Name = many(weights.MaxNameBytes) }, "tensor 1: name is empty or longer"},
		{"tensor twice", func(m *M) { m.Tensors[1].Name = m.Tensors[0].Name }, "stands twice"},
		{"unknown type", func(m *M) { m.Tensors[0].DType = "F64" }, `dtype "F64"`},
		{"no type", func(m *M) { m.Tensors[0].DType = "" }, `dtype ""`},
		{"high rank", func(m *M) { m.Tensors[0].Shape = []int{1, 1, 1, 1, 4} }, "rank 5"},
		{"empty dimension", func(m *M) { m.Tensors[0].Shape = []int{4, 0} }, "is empty or larger"},
		{"negative dimensions", func(m *M) { m.Tensors[0].Shape = []int{-2, -2} }, "is empty or larger"},
		{"overflowing shape", func(m *M) { m.Tensors[0].Shape = []int{1 << 62, 1 << 62} }, "is empty or larger"},
		{"shape that wraps to the right size", func(m *M) { m.Tensors[0].Shape = []int{1 << 32, 1 << 32, 4} }, "is empty or larger"},
		{"shape beyond the stream", func(m *M) { m.Tensors[0].Shape = []int{weights.MaxStreamBytes} }, "is empty or larger"},
		{"size that does not fit", func(m *M) { m.Tensors[0].Size++ }, "size 33 does not fit its shape, which takes 32"},
		{"gap", func(m *M) { m.Tensors[1].Offset += 8 }, "without gaps"},
		{"overlap", func(m *M) { m.Tensors[1].Offset = m.Tensors[0].Offset }, "without gaps"},
		{"tensors swapped", func(m *M) { m.Tensors[0], m.Tensors[1] = m.Tensors[1], m.Tensors[0] }, "without gaps"},
		{"shards end early", func(m *M) { m.Shards = m.Shards[:1] }, "the shards at 100"},
		{"shards end late", func(m *M) { m.Shards[len(m.Shards)-1].Size++ }, "tensors end at byte"},

		{"no kind of model", func(m *M) { m.Text, m.TFIDF, m.Linear = weights.Text{}, nil, nil }, "no features: want a tfidf section, a lexicon, or an encoder"},
		{"no head", func(m *M) { m.Linear = nil }, "no head"},
		{"terms of another model", func(m *M) { m.TFIDF.Blocks[0].Terms = 5 }, `tensor "tfidf.0.keys" is U64 [4], want [U64] [5]`},
		{"a block without tensors", func(m *M) {
			m.TFIDF.Blocks = append(m.TFIDF.Blocks, m.TFIDF.Blocks[1])
		}, `tensor "tfidf.2.keys" is missing`},
		{"a label without weights", func(m *M) {
			m.Task.Labels = append(m.Task.Labels, "Lab")
			m.Calibration.Slope = append(m.Calibration.Slope, 1)
			m.Calibration.Intercept = append(m.Calibration.Intercept, 0)
			m.Thresholds = append(m.Thresholds, 1)
		}, `tensor "linear.weight" is I8 [7 3], want [I8 F32] [7 4]`},
		{"weights laid out the other way", func(m *M) { find(m, weights.LinearWeight).Shape = []int{3, 7} }, "is I8 [3 7]"},
		{"bias of another name", func(m *M) { find(m, weights.LinearBias).Name = "linear.offset" }, `tensor "linear.bias" is missing`},
		{"scale of another name", func(m *M) { find(m, weights.LinearScale).Name = "linear.step" }, `tensor "linear.scale" is missing`},
		{"idf of another name", func(m *M) { find(m, weights.IDFTensor(0)).Name = "idf" }, `tensor "tfidf.0.idf" is missing`},
		{"keys as weights", func(m *M) {
			find(m, weights.KeysTensor(0)).Name, find(m, weights.IDFTensor(0)).Name = weights.IDFTensor(0), weights.KeysTensor(0)
		}, `tensor "tfidf.0.keys" is F32`},
		{"tensor nobody asked for", func(m *M) {
			last := m.Tensors[len(m.Tensors)-1]
			m.Tensors = append(m.Tensors, weights.Tensor{Name: "extra", DType: weights.I8, Shape: []int{1}, Offset: last.Offset + last.Size, Size: 1})
			m.Shards[len(m.Shards)-1].Size++
		}, "8 tensors, this model has 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := sealed(t, 100)
			c.change(m)
			refused(t, encode(t, m), c.want)
		})
	}
}

// lexical is the model with a lexicon beside its n-grams, or with nothing else.
func lexical(t testing.TB, alone bool) *weights.Manifest {
	t.Helper()
	m, tensors := model()
	m.Lexicon = &weights.Lexicon{MaxN: 4, Phrases: 2, Entries: 3, Concepts: 3, Unit: .045}
	if alone {
		m.TFIDF, m.Linear, tensors = nil, nil, tensors[1:3]
	} else {
		tensors[0] = weights.Int8s(weights.LinearWeight, make([]int8, 10*3), 10, 3)
	}
	sealed, _ := seal(t, m, append(tensors,
		weights.Uint64s(weights.LexiconKeys, []uint64{4, 1 << 50}),
		weights.Int32s(weights.LexiconEnds, []int32{1, 3}, 2),
		weights.Int32s(weights.LexiconConcepts, []int32{0, 1, 2}, 3),
		weights.Bytes(weights.LexiconLevels, []byte{1, 2, 255})), 100)
	return sealed
}

func TestLexicons(t *testing.T) {
	for _, alone := range []bool{false, true} {
		want := lexical(t, alone)
		got, err := weights.ParseManifest(encode(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
	}
}

func TestLexiconsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name   string
		alone  bool
		change func(*weights.Manifest)
		want   string
	}{
		{"no words", true, func(m *weights.Manifest) { m.Lexicon.MaxN = 0 }, "phrases of 0 words"},
		{"long phrases", true, func(m *weights.Manifest) { m.Lexicon.MaxN = 17 }, "phrases of 17 words"},
		{"no phrases", true, func(m *weights.Manifest) { m.Lexicon.Phrases = 0 }, "0 phrases"},
		{"too many phrases", true, func(m *weights.Manifest) { m.Lexicon.Phrases = weights.MaxTerms + 1 }, "2097153 phrases"},
		{"fewer entries than phrases", true, func(m *weights.Manifest) { m.Lexicon.Entries = 1 }, "1 entries of 2 phrases"},
		{"too many entries", true, func(m *weights.Manifest) { m.Lexicon.Entries = weights.MaxEntries + 1 }, "4194305 entries"},
		{"no concepts", true, func(m *weights.Manifest) { m.Lexicon.Concepts = 0 }, "0 concepts"},
		{"too many concepts", true, func(m *weights.Manifest) { m.Lexicon.Concepts = weights.MaxConcepts + 1 }, "65537 concepts"},
		{"a unit of 0", true, func(m *weights.Manifest) { m.Lexicon.Unit = 0 }, "unit 0"},
		{"a huge unit", true, func(m *weights.Manifest) { m.Lexicon.Unit = 1e9 }, "unit 1e+09"},
		{"other concepts than labels", true, func(m *weights.Manifest) { m.Lexicon.Concepts = 4 }, "4 concepts for 3 labels"},
		{"linear beside a lexicon alone", true, func(m *weights.Manifest) { m.Linear = &weights.Linear{} }, "linear stands beside a lexicon alone"},
		{"no linear beside n-grams", false, func(m *weights.Manifest) { m.Linear = nil }, "no head"},
		{"concepts without weights", false, func(m *weights.Manifest) { m.Lexicon.Concepts = 4 }, "want [I8 F32] [11 3]"},
		{"phrases without keys", false, func(m *weights.Manifest) { m.Lexicon.Phrases = 3 }, `"lexicon.keys" is U64 [2], want [U64] [3]`},
		{"entries without levels", true, func(m *weights.Manifest) { m.Lexicon.Entries = 4 }, `"lexicon.concepts" is I32 [3], want [I32] [4]`},
		{"tensors of no lexicon", false, func(m *weights.Manifest) { m.Lexicon = nil }, "want [I8 F32] [7 3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := lexical(t, c.alone)
			c.change(m)
			refused(t, encode(t, m), c.want)
		})
	}
}

func find(m *weights.Manifest, name string) *weights.Tensor {
	for i := range m.Tensors {
		if m.Tensors[i].Name == name {
			return &m.Tensors[i]
		}
	}
	panic("no tensor " + name)
}

func TestParseManifestRefusesText(t *testing.T) {
	m, _ := sealed(t, 100)
	sound := string(encode(t, m))
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "not readable as JSON"},
		{"null", "null", "want an object"},
		{"not JSON", "PK\x03\x04", "not readable as JSON"},
		{"an array", "[" + sound + "]", "not readable as JSON"},
		{"cut short", sound[:len(sound)-1], "not readable as JSON"},
		{"a second value", sound + "{}", "more than one JSON value"},
		{"trailing text", sound + "x", "more than one JSON value"},
		{"trailing NUL", sound + "\x00", "more than one JSON value"},
		{"byte order mark", "\ufeff" + sound, "not readable as JSON"},
		{"deeply nested", strings.Repeat("[", 100_000), "not readable as JSON"},
		{"larger than the limit", sound + strings.Repeat(" ", weights.MaxManifestBytes), "the limit is 4194304"},
		{"unknown field", swap(t, sound, `"name":`, `"nickname":`), `unknown field "nickname"`},
		{"unknown inner field", swap(t, sound, `"lowercase":true`, `"lowercase":true,"stem":true`), `unknown field "stem"`},
		{"unknown field with a long name", swap(t, sound, `"name":`, `"`+many(1<<20)+`":`), "unknown field"},
		{"long number", swap(t, sound, `"size":100`, `"size":1`+strings.Repeat("0", 1<<20)), "not readable"},
		{"NaN", swap(t, sound, `"thresholds":[0.5`, `"thresholds":[NaN`), "not readable as JSON"},
		{"beyond float64", swap(t, sound, `"thresholds":[0.5`, `"thresholds":[1e999`), "not readable"},
		{"size beyond int64", swap(t, sound, `"size":100`, `"size":9223372036854775808`), "not readable"},
		{"size as fraction", swap(t, sound, `"size":100`, `"size":100.5`), "not readable"},
		{"size as text", swap(t, sound, `"size":100`, `"size":"100"`), "not readable"},
		{"dimension beyond int", swap(t, sound, `"shape":[4]`, `"shape":[1e30]`), "not readable"},
		{"version as text", swap(t, sound, `"version":1`, `"version":"1"`), "not readable as JSON"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, []byte(c.text), c.want) })
	}
	if _, err := weights.ParseManifest([]byte(sound + " \n")); err != nil {
		t.Errorf("white space at the end: %v", err)
	}
}

func swap(t *testing.T, s, old, replacement string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("the manifest holds no %s", old)
	}
	return strings.Replace(s, old, replacement, 1)
}

func refused(t *testing.T, text []byte, want string) {
	t.Helper()
	m, err := weights.ParseManifest(text)
	switch {
	case err == nil:
		t.Errorf("accepted, want an error with %q", want)
	case m != nil:
		t.Error("both a manifest and an error")
	case !errors.Is(err, weights.ErrManifest):
		t.Errorf("%v is no ErrManifest", err)
	case !strings.Contains(err.Error(), want):
		t.Errorf("error %q, want %q in it", err, want)
	case len(err.Error()) > 1024:
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func FuzzParseManifest(f *testing.F) {
	m, _ := sealed(f, 100)
	f.Add(encode(f, m))
	m, _ = encoder(f, invented.Tiny(), 1000)
	f.Add(encode(f, m))
	m, _ = mix(f, 1000)
	f.Add(encode(f, m))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := weights.ParseManifest(text)
		if err != nil {
			if !errors.Is(err, weights.ErrManifest) {
				t.Fatalf("%v is no ErrManifest", err)
			}
			return
		}
		if total := m.StreamBytes(); total < 1 || total > weights.MaxStreamBytes {
			t.Fatalf("a stream of %d bytes", total)
		}
		if err := covers(m); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		second, err := weights.ParseManifest(again)
		if err != nil {
			t.Fatalf("written out, it is refused: %v", err)
		}
		if third, err := json.Marshal(second); err != nil || !bytes.Equal(again, third) {
			t.Fatalf("written out twice, it differs: %v", err)
		}
	})
}

// covers requires the plan to visit the stream's bytes in order, each once, and to fill
// the header and each tensor from end to end.
func covers(m *weights.Manifest) error {
	var starts []int64
	at := int64(0)
	for _, s := range m.Shards {
		starts = append(starts, at)
		at += s.Size
	}
	next, filled := int64(0), map[int]int64{}
	for _, s := range m.Plan() {
		if s.Length < 1 || starts[s.Shard]+s.ShardOffset != next || s.ShardOffset+s.Length > m.Shards[s.Shard].Size {
			return fmt.Errorf("segment %+v after %d bytes", s, next)
		}
		if s.TensorOffset != filled[s.Tensor] {
			return fmt.Errorf("segment %+v after %d bytes of its tensor", s, filled[s.Tensor])
		}
		filled[s.Tensor] += s.Length
		next += s.Length
	}
	if next != m.StreamBytes() || filled[weights.Header] != m.HeaderBytes() {
		return fmt.Errorf("the plan covers %d of %d bytes, %d of %d of the header", next, m.StreamBytes(), filled[weights.Header], m.HeaderBytes())
	}
	for i, t := range m.Tensors {
		if filled[i] != t.Size {
			return fmt.Errorf("the plan fills %d of %d bytes of %s", filled[i], t.Size, t.Name)
		}
	}
	return nil
}
