package weights_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"bedside/wasm/encoder/invented"
	"bedside/weights"
)

// encoder is a sound encoder of that shape, cut into shards of the given size.
func encoder(t testing.TB, e weights.Encoder, shard int) (*weights.Manifest, []byte) {
	t.Helper()
	m, tensors := invented.Model(e, weights.MultiLabel, []string{"A", "B", "C"}, 1)
	return seal(t, m, tensors, shard)
}

func TestEncodersAreAccepted(t *testing.T) {
	for name, change := range map[string]func(*weights.Encoder){
		"tiny":             func(*weights.Encoder) {},
		"float16":          func(e *weights.Encoder) { e.Weights = weights.Float16 },
		"float32":          func(e *weights.Encoder) { e.Weights = weights.Float32 },
		"without a pooler": func(e *weights.Encoder) { e.Pooler, e.Pool = false, weights.PoolMean },
		"one of each":      func(e *weights.Encoder) { e.Layers, e.Hidden, e.Heads, e.Intermediate, e.Types = 1, 1, 1, 1, 1 },
		"many layers":      func(e *weights.Encoder) { e.Layers, e.Hidden, e.Intermediate = weights.MaxLayers, 8, 8 },
		"no overlap":       func(e *weights.Encoder) { e.Window = weights.Window{Tokens: 24, Combine: weights.MaxLogits} },
		"half overlap": func(e *weights.Encoder) {
			e.Window = weights.Window{Tokens: 8, Overlap: 3, Combine: weights.MeanPooled}
		},
	} {
		e := invented.Tiny()
		change(&e)
		want, stream := encoder(t, e, 1000)
		got, err := weights.ParseManifest(encode(t, want))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
		if err := covers(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := fill(got, stream).Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// retype makes a manifest claim another type of the same width.
func retype(m *weights.Manifest, name, dtype string) { find(m, name).DType = dtype }

func TestParseManifestRefusesEncoders(t *testing.T) {
	type M = weights.Manifest
	for _, c := range []struct {
		name   string
		change func(*M)
		want   string
	}{
		{"beside a text section", func(m *M) { m.Text.Lowercase = true }, "stands beside text, tfidf or lexicon without linear"},
		{"beside features", func(m *M) { m.TFIDF = &weights.TFIDF{} }, "stands beside text, tfidf or lexicon without linear"},
		{"beside a linear head", func(m *M) { m.Linear = &weights.Linear{} }, "mix stands where encoder stands beside linear"},

		{"nothing in it", func(m *M) { *m.Encoder = weights.Encoder{} }, "encoder: layers 0, want 1 to 64"},
		{"unknown architecture", func(m *M) { m.Encoder.Architecture = "gpt2" }, `encoder: architecture "gpt2" is not supported, want one of ["bert"]`},
		{"a long architecture", func(m *M) { m.Encoder.Architecture = many(1 << 16) }, "is not supported"},
		{"too many layers", func(m *M) { m.Encoder.Layers = weights.MaxLayers + 1 }, "layers 65, want 1 to 64"},
		{"negative layers", func(m *M) { m.Encoder.Layers = math.MinInt }, "layers -9223372036854775808"},
		{"no width", func(m *M) { m.Encoder.Hidden = 0 }, "hidden 0"},
		{"too wide", func(m *M) { m.Encoder.Hidden = weights.MaxHidden + 1 }, "hidden 8193, want 1 to 8192"},
		{"absurdly wide", func(m *M) { m.Encoder.Hidden = math.MaxInt }, "hidden 9223372036854775807"},
		{"no heads", func(m *M) { m.Encoder.Heads = 0 }, "heads 0"},
		{"heads that leave a rest", func(m *M) { m.Encoder.Heads = 3 }, "hidden 20 does not divide into 3 heads"},
		{"more heads than columns", func(m *M) { m.Encoder.Heads = 40 }, "hidden 20 does not divide into 40 heads"},
		{"too wide within", func(m *M) { m.Encoder.Intermediate = weights.MaxIntermediate + 1 }, "intermediate 32769"},
		{"unknown activation", func(m *M) { m.Encoder.Activation = "swish" }, `activation "swish"`},
		{"no epsilon", func(m *M) { m.Encoder.Epsilon = 0 }, "layer_norm_epsilon 0"},
		{"negative epsilon", func(m *M) { m.Encoder.Epsilon = -1e-12 }, "layer_norm_epsilon -1e-12"},
		{"huge epsilon", func(m *M) { m.Encoder.Epsilon = 1e30 }, "layer_norm_epsilon 1e+30"},
		{"few positions", func(m *M) { m.Encoder.Positions = 7 }, "positions 7, want 8 to 8192"},
		{"too many positions", func(m *M) { m.Encoder.Positions = weights.MaxPositions + 1 }, "positions 8193"},
		{"no types", func(m *M) { m.Encoder.Types = 0 }, "types 0"},
		{"too many types", func(m *M) { m.Encoder.Types = weights.MaxTypes + 1 }, "types 65"},
		{"no vocabulary", func(m *M) { m.Encoder.Vocabulary = 0 }, "vocabulary 0"},
		{"too large a vocabulary", func(m *M) { m.Encoder.Vocabulary = weights.MaxVocabulary + 1 }, "vocabulary 1048577"},
		{"unknown pool", func(m *M) { m.Encoder.Pool = "last" }, `pool "last"`},
		{"unknown weights", func(m *M) { m.Encoder.Weights = "int4" }, `weights "int4"`},
		{"unknown tokenizer", func(m *M) { m.Encoder.Tokenizer.Kind = "bpe" }, `tokenizer: kind "bpe"`},
		{"words of no length", func(m *M) { m.Encoder.Tokenizer.MaxWord = 0 }, "max_word 0"},
		{"words without end", func(m *M) { m.Encoder.Tokenizer.MaxWord = weights.MaxWordLength + 1 }, "max_word 10001"},
		{"no window", func(m *M) { m.Encoder.Window = weights.Window{} }, `window: combine ""`},
		{"a window too narrow", func(m *M) { m.Encoder.Window.Tokens = 7 }, "window: tokens 7, want 8 to the 24 positions"},
		{"a window past the positions", func(m *M) { m.Encoder.Window.Tokens = 25 }, "window: tokens 25, want 8 to the 24"},
		{"negative overlap", func(m *M) { m.Encoder.Window.Overlap = -1 }, "overlap -1, want 0 to 7"},
		{"an overlap that hardly moves on", func(m *M) { m.Encoder.Window.Overlap = 8 }, "overlap 8, want 0 to 7"},
		{"an overlap that stands still", func(m *M) { m.Encoder.Window.Overlap = 14 }, "overlap 14"},
		{"unknown combination", func(m *M) { m.Encoder.Window.Combine = "vote" }, `window: combine "vote"`},

		{"rows of another vocabulary", func(m *M) { m.Encoder.Vocabulary++ }, `tensor "encoder.word" is I8 [74 20], want [I8 F16 F32] [75 20]`},
		{"columns of another model", func(m *M) { m.Encoder.Hidden, m.Encoder.Heads = 21, 1 }, `tensor "encoder.word" is I8 [74 20]`},
		{"positions of another model", func(m *M) { m.Encoder.Positions++ }, `tensor "encoder.position" is I8 [24 20]`},
		{"types of another model", func(m *M) { m.Encoder.Types = 1 }, `tensor "encoder.type" is I8 [2 20]`},
		{"a layer without tensors", func(m *M) { m.Encoder.Layers = 3 }, `tensor "encoder.2.qkv.bias" is missing`},
		{"a layer that nobody asked for", func(m *M) { m.Encoder.Layers = 1 }, "64 tensors, this model has 40"},
		{"a pooler that nobody asked for", func(m *M) { m.Encoder.Pooler = false }, "64 tensors, this model has 59"},
		{"another width within", func(m *M) { m.Encoder.Intermediate = 41 }, `tensor "encoder.0.up.bias" is F32 [40], want [F32] [48]`},
		{"another width, the same padded", func(m *M) { m.Encoder.Intermediate = 40 }, `tensor "encoder.0.down.multiplier" is F32 [36], want [F32] [40]`},
		{"weights of another format", func(m *M) { m.Encoder.Weights = weights.Float32 }, `tensor "encoder.0.qkv.weight" is I8 [8 8 8 4], want [F32] [8 20 8]`},
		{"scales without int8", func(m *M) { retype(m, weights.EncoderWord+weights.Scale, weights.I32) }, `tensor "encoder.word.scale" is I32 [74]`},
		{"sums that are floats", func(m *M) { retype(m, "encoder.1.down.sums", weights.F32) }, `tensor "encoder.1.down.sums" is F32 [24], want [I32]`},
		{"a norm that is integers", func(m *M) { retype(m, "encoder.1.down.norm.beta", weights.I32) }, `tensor "encoder.1.down.norm.beta" is I32 [20], want [F32]`},
		{"a head of integers", func(m *M) { retype(m, "head.weight", weights.I32) }, `tensor "head.weight" is I32 [1 20 8], want [F16 F32]`},
		{"a vocabulary of signed bytes", func(m *M) { retype(m, weights.EncoderVocabulary, weights.I8) }, `tensor "encoder.vocabulary" is I8`},
		{"no vocabulary file", func(m *M) { find(m, weights.EncoderVocabulary).Name = "encoder.words" }, `tensor "encoder.vocabulary" is missing`},
		{"a vocabulary of two dimensions", func(m *M) {
			v := find(m, weights.EncoderVocabulary)
			v.Shape = []int{1, v.Shape[0]}
		}, "want one dimension of at most 8388608"},
		{"a vocabulary beyond its limit", func(m *M) {
			v, last := find(m, weights.EncoderVocabulary), &m.Shards[len(m.Shards)-1]
			grown := weights.MaxVocabularyBytes + 1 - v.Size
			v.Size, v.Shape = v.Size+grown, []int{weights.MaxVocabularyBytes + 1}
			for i := range m.Tensors {
				if m.Tensors[i].Offset > v.Offset {
					m.Tensors[i].Offset += grown
				}
			}
			for i := 0; grown > 0; i++ {
				room := min(grown, weights.MaxShardBytes-last.Size)
				last.Size, grown = last.Size+room, grown-room
				last = &m.Shards[i]
			}
		}, "want one dimension of at most 8388608"},
		{"labels of another model", func(m *M) {
			m.Task.Labels = strings.Split("ABCDEFGHI", "")
			m.Task.Kind = weights.MultiClass
			m.Calibration = weights.Calibration{Kind: weights.Temperature, Slope: []float64{1}}
			m.Thresholds = make([]float64, 9)
		}, `tensor "head.bias" is F32 [8], want [F32] [16]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := encoder(t, invented.Tiny(), 10_000)
			c.change(m)
			refused(t, encode(t, m), c.want)
		})
	}
}

func TestOnlyTheVocabularyStaysInMemory(t *testing.T) {
	m, stream := encoder(t, invented.Tiny(), 1000)
	tensors := fill(m, stream)
	held := 0
	for i, x := range m.Tensors {
		at := tensors.At(weights.Segment{Tensor: i, Length: x.Size})
		if m.OnDevice(i) != (at == nil) {
			t.Errorf("%s: on a device: %v, in memory: %v", x.Name, m.OnDevice(i), at != nil)
		}
		held += len(at)
	}
	vocabulary := tensors.Uint8(weights.EncoderVocabulary)
	if held != len(vocabulary) || !strings.HasPrefix(string(vocabulary), "[PAD]\n[UNK]\n") {
		t.Errorf("%d bytes are in memory, the vocabulary is %.20q", held, vocabulary)
	}
	linear, _ := sealed(t, 1000)
	for i := range linear.Tensors {
		if linear.OnDevice(i) {
			t.Errorf("%s of a linear model is on a device", linear.Tensors[i].Name)
		}
	}
}

func TestFloatsThatAreNotFiniteAreNotLaidOut(t *testing.T) {
	for _, v := range []weights.Values{
		weights.Float32s("f32", []float32{0, float32(math.Inf(1)), 0}, 3),
		weights.Float32s("f32", []float32{1, float32(math.NaN()), 0}, 3),
		{Name: "f16", DType: weights.F16, Shape: []int{2}, Data: []byte{0xff, 0x7b, 0x00, 0xfc}},
		{Name: "f16", DType: weights.F16, Shape: []int{2}, Data: []byte{0, 0, 0x01, 0x7e}},
	} {
		var m weights.Manifest
		if _, err := m.Layout([]weights.Values{v}); err == nil || !strings.Contains(err.Error(), v.Name+`": element 1 is infinite or NaN`) {
			t.Errorf("%s: error %v", v.Name, err)
		}
	}
	var m weights.Manifest
	largest := []weights.Values{
		weights.Float32s("f32", []float32{math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}, 3),
		{Name: "f16", DType: weights.F16, Shape: []int{2}, Data: []byte{0xff, 0x7b, 0xff, 0xfb}},
	}
	if _, err := m.Layout(largest); err != nil {
		t.Error(err)
	}
}
