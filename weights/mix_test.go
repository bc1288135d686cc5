package weights_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"bedside/wasm/encoder/invented"
	"bedside/weights"
)

// mix is a sound model of a linear head and an encoder.
func mix(t testing.TB, shard int) (*weights.Manifest, []byte) {
	t.Helper()
	labels := []string{"A", "B", "C"}
	linear, ofLinear := invented.Linear(weights.MultiLabel, labels, 1)
	encoder, ofEncoder := invented.Model(invented.Tiny(), weights.MultiLabel, labels, 1)
	m, tensors := invented.Mix(linear, ofLinear, encoder, ofEncoder)
	return seal(t, m, tensors, shard)
}

func TestMixesAreAccepted(t *testing.T) {
	for _, share := range []float64{.4, math.SmallestNonzeroFloat64, math.Nextafter(1, 0)} {
		want, stream := mix(t, 1000)
		want.Mix.Encoder = share
		got, err := weights.ParseManifest(encode(t, want))
		if err != nil {
			t.Fatalf("a share of %g: %v", share, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("a share of %g:\n got %+v\nwant %+v", share, got, want)
		}
		if err := covers(got); err != nil {
			t.Error(err)
		}
		if err := fill(got, stream).Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestParseManifestRefusesMixes(t *testing.T) {
	type M = weights.Manifest
	const misplaced, range01 = "mix stands where encoder stands beside linear, and there alone", "want more than 0 and less than 1"
	for _, c := range []struct {
		name   string
		change func(*M)
		want   string
	}{
		{"both and no mix", func(m *M) { m.Mix = nil }, misplaced},
		{"mix without an encoder", func(m *M) { m.Encoder = nil }, misplaced},
		{"mix without linear", func(m *M) { m.Linear = nil }, misplaced},
		{"mix of nothing", func(m *M) { m.Encoder, m.Linear = nil, nil }, misplaced},
		{"features that nothing weighs", func(m *M) { m.Mix, m.Linear = nil, nil }, "encoder stands beside text, tfidf or lexicon without linear"},
		{"a share of nothing", func(m *M) { m.Mix.Encoder = 0 }, "mix: encoder 0, " + range01},
		{"all of it", func(m *M) { m.Mix.Encoder = 1 }, "mix: encoder 1, " + range01},
		{"more than all", func(m *M) { m.Mix.Encoder = 1.5 }, "mix: encoder 1.5, " + range01},
		{"a negative share", func(m *M) { m.Mix.Encoder = -.1 }, "mix: encoder -0.1, " + range01},
		{"linear without features", func(m *M) { m.TFIDF = nil }, "no features"},
		{"a lexicon alone", func(m *M) {
			m.TFIDF, m.Lexicon = nil, &weights.Lexicon{MaxN: 1, Phrases: 1, Entries: 1, Concepts: 3, Unit: 1}
		}, "linear stands beside a lexicon alone"},
		{"hostile features", func(m *M) { m.TFIDF.Blocks[0].Terms = -1 }, "-1 terms"},
		{"a hostile encoder", func(m *M) { m.Encoder.Hidden = math.MaxInt }, "encoder: hidden 9223372036854775807"},
		{"no linear head", func(m *M) { find(m, weights.LinearBias).Name = "linear.rest" }, `tensor "linear.bias" is missing`},
		{"no head", func(m *M) { find(m, weights.Head+weights.Bias).Name = "head.rest" }, `tensor "head.bias" is missing`},
		{"a layer that nobody asked for", func(m *M) { m.Encoder.Layers = 1 }, "71 tensors, this model has 47"},
		{"a head of fewer labels", func(m *M) { x := find(m, weights.LinearScale); x.Name = "linear.spare" }, `tensor "linear.scale" is missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := mix(t, 10_000)
			c.change(m)
			refused(t, encode(t, m), c.want)
		})
	}
	m, _ := mix(t, 10_000)
	for _, share := range []string{"NaN", "1e400", `"0.4"`, "null", "[0.4]", `0.4,"linear":0.6`, `0.4,"encoder":0.4`} {
		text := strings.Replace(string(encode(t, m)), `"mix":{"encoder":0.4}`, `"mix":{"encoder":`+share+`}`, 1)
		refused(t, []byte(text), "not readable")
	}
	for _, text := range []string{`"mix":null`, `"mix":0.4`, `"mix":{}`} {
		if _, err := weights.ParseManifest([]byte(strings.Replace(string(encode(t, m)), `"mix":{"encoder":0.4}`, text, 1))); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

func TestALinearPartStaysInMemory(t *testing.T) {
	m, stream := mix(t, 1000)
	tensors := fill(m, stream)
	for i, x := range m.Tensors {
		linear := strings.HasPrefix(x.Name, "tfidf.") || strings.HasPrefix(x.Name, "linear.")
		if held := tensors.At(weights.Segment{Tensor: i, Length: x.Size}) != nil; held != (linear || x.Name == weights.EncoderVocabulary) || held == m.OnDevice(i) {
			t.Errorf("%s: in memory: %v, on a device: %v", x.Name, held, m.OnDevice(i))
		}
	}
	at := find(m, weights.LinearBias).Offset
	copy(stream[at:], []byte{0, 0, 0xc0, 0x7f})
	if err := fill(m, stream).Check(); err == nil || !strings.Contains(err.Error(), "tensor linear.bias: element 0 is NaN") {
		t.Errorf("error %v", err)
	}
}
