package quantize

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bedside/kernels/reference"
	"bedside/tools/checkpoint"
	"bedside/tools/quantize/clinical"
	"bedside/weights"
)

// encoderOf describes a checkpoint as a bundle does.
func encoderOf(m *checkpoint.Model, format string) weights.Manifest {
	return weights.Manifest{Task: m.Task, Encoder: &weights.Encoder{
		Architecture: weights.BERT, Layers: m.Config.Layers, Hidden: m.Config.Hidden, Heads: m.Config.Heads,
		Intermediate: m.Config.Intermediate, Activation: m.Config.Activation, Epsilon: m.Config.Epsilon,
		Positions: m.Config.Positions, Types: m.Config.Types, Vocabulary: m.Tokenizer.Tokens,
		Pooler: m.Pooler, Pool: m.Pool, Weights: format, Tokenizer: m.Tokenizer.Tokenizer,
		Window: weights.Window{Tokens: min(m.Config.Positions, 512), Combine: weights.MeanPooled},
	}}
}

// tokenized are texts to calibrate on and to compare on.
func tokenized(t testing.TB, m *checkpoint.Model) (calibration, probes [][]int32) {
	t.Helper()
	w, err := m.Tokenizer.New()
	if err != nil {
		t.Fatal(err)
	}
	window := min(m.Config.Positions, 128)
	calibration, _, err = Pieces(w, clinical.Calibration, window, 3072)
	if err != nil {
		t.Fatal(err)
	}
	if probes, err = Starts(w, clinical.Probes, window); err != nil {
		t.Fatal(err)
	}
	return calibration, probes
}

// TestConvert runs each checkpoint, converted to each format, on the reference device, and
// holds the answers against torch's.
func TestConvert(t *testing.T) {
	tests := []struct {
		format string
		logit  float64 // largest difference
		cosine float64 // smallest
	}{
		{weights.Float32, 2e-5, 1 - 1e-9},
		{weights.Float16, 4e-3, 1 - 1e-5},
		{weights.Int8, 0.12, 0.998},
	}
	for _, name := range names(t) {
		for _, test := range tests {
			t.Run(name+"/"+test.format, func(t *testing.T) {
				m, g := openGolden(t, name)
				o := Options{Weights: test.format}
				o.Calibration, _ = tokenized(t, m)
				var want []Answer
				for _, c := range g.Cases {
					o.Probes = append(o.Probes, c.IDs)
					a := Answer{Pooled: c.Pooled}
					for _, z := range c.Exact {
						a.Logits = append(a.Logits, float32(z))
					}
					want = append(want, a)
				}
				r, err := Convert(t.Context(), m, o)
				if err != nil {
					t.Fatal(err)
				}
				got, err := Run(t.Context(), encoderOf(m, test.format), r.Tensors, reference.NewDevice(), o.Probes)
				if err != nil {
					t.Fatal(err)
				}
				c := Compare(want, got)
				if !(c.Logit <= test.logit) || !(c.Cosine >= test.cosine) {
					t.Errorf("%+v, want logits within %g and cosines of %g", c, test.logit, test.cosine)
				}
			})
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	t.Run("int8 without text", func(t *testing.T) {
		m, _ := openGolden(t, "whole")
		_, err := Convert(t.Context(), m, Options{Weights: weights.Int8})
		wants(t, err, "int8 weights need calibration text")
	})
	t.Run("an ended context", func(t *testing.T) {
		m, g := openGolden(t, "whole")
		ctx, cancel := context.WithCancel(t.Context())
		o := Options{Weights: weights.Int8, Calibration: [][]int32{g.Cases[0].IDs}, Progress: func(string, int, int) { cancel() }}
		if _, err := Convert(ctx, m, o); err != context.Canceled {
			t.Errorf("error %v", err)
		}
	})
	for _, test := range []struct {
		name, tensor, format, err string
		value                     float32
	}{
		{"not a number", "bert.encoder.layer.1.output.dense.weight", weights.Int8, "tensor bert.encoder.layer.1.output.dense.weight: element 7 is NaN", float32(math.NaN())},
		{"infinite", "classifier.weight", weights.Float32, "tensor classifier.weight: element 7 is +Inf", float32(math.Inf(1))},
		{"too large for half precision", "bert.pooler.dense.weight", weights.Float16, "tensor encoder.pooler.weight: element 7 is 100000, more than float16 holds", 1e5},
		{"too large for half precision, in a table", "bert.embeddings.word_embeddings.weight", weights.Float16, "tensor encoder.word: element 7 is 100000", 1e5},
		{"too large to compute with", "bert.encoder.layer.0.attention.self.value.weight", weights.Int8, "overflow", 3e38},
		{"too large to compute with, in float32", "classifier.weight", weights.Float32, "the answer to a probe overflows", 3e38},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := spoilt(t, test.tensor, test.value)
			calibration, probes := tokenized(t, m)
			_, err := Convert(t.Context(), m, Options{Weights: test.format, Calibration: calibration[:8], Probes: probes})
			wants(t, err, test.err)
		})
	}
}

// spoilt is the checkpoint "whole" with the values of a tensor's first elements changed, or
// with its eighth alone where the value is no weight.
func spoilt(t *testing.T, tensor string, value float32) *checkpoint.Model {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(goldens, "whole"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "model.safetensors")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin := find(t, data, tensor)
	elements := []int{7}
	if value == 3e38 {
		elements = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}
	}
	for _, i := range elements {
		bits := math.Float32bits(value)
		copy(data[begin+4*i:], []byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)})
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := checkpoint.Open(dir, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// find is where a tensor of a safetensors file begins.
func find(t *testing.T, data []byte, tensor string) int {
	t.Helper()
	header := 8 + int(data[0]) + int(data[1])<<8 + int(data[2])<<16
	_, entry, _ := strings.Cut(string(data[8:header]), `"`+tensor+`"`)
	_, offsets, _ := strings.Cut(entry, `"data_offsets":[`)
	begin := -1
	if _, err := fmt.Sscanf(offsets, "%d", &begin); err != nil {
		t.Fatalf("%s is not in the file: %v", tensor, err)
	}
	return header + begin
}

func wants(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}

// drawn is a layer, and rows for it, of normal numbers.
func drawn(rows, in, out int) (x []float32, d dense) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
		return v
	}
	return draw(rows * in), dense{weight: draw(in * out), bias: draw(out), in: in, out: out}
}

// TestSmoothingKeepsTheFunction: before anything is rounded, a smoothed layer answers as it
// did, whether inputs are multiplied or the layer before is divided.
func TestSmoothingKeepsTheFunction(t *testing.T) {
	x, d := drawn(40, 24, 10)
	want := d.apply(x)
	s := smoothing{factors: factors(columnMaxima(x, d.in), columnMaxima(d.weight, d.in), 0.5)}
	y := slices.Clone(x)
	scaleColumns(y, inverse(s.factors))
	if e := furthest(s.apply(d).apply(y), want); e > 1e-5 {
		t.Errorf("with inputs multiplied, outputs differ by %g", e)
	}
	_, before := drawn(1, 6, 30)
	z, _ := drawn(40, 6, 1)
	hidden, divided := before.apply(z), s.divideOutputs(before, 6).apply(z)
	for r := range 40 {
		for c := range 30 {
			want := hidden[r*30+c]
			if c >= 6 {
				want /= s.factors[c-6]
			}
			if math.Abs(float64(divided[r*30+c]-want)) > 1e-5 {
				t.Fatalf("row %d, output %d: %g, want %g", r, c, divided[r*30+c], want)
			}
		}
	}
}

// TestSmooth plants channels of 20 times the others' range: rounding ruins the layer, and
// smoothing mends it.
func TestSmooth(t *testing.T) {
	x, d := drawn(200, 96, 48)
	plain, err := smooth(x, d)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x {
		if i%d.in%31 == 3 {
			x[i] *= 20
		}
	}
	s, err := smooth(x, d)
	if err != nil {
		t.Fatal(err)
	}
	if s.alpha == 0 || s.after > s.before/2 || s.before < 1.5*plain.before {
		t.Errorf("planted: error %.4f with alpha %g, %.4f without; plain %.4f", s.after, s.alpha, s.before, plain.before)
	}
	if plain.after > 1.05*plain.before || plain.after > 0.02 {
		t.Errorf("plain: error %.4f with alpha %g, %.4f without", plain.after, plain.alpha, plain.before)
	}
}

// TestShift gives inputs a large mean, whose rounded product is wrong by as much in all rows:
// the shift takes that back, on rows it was not measured on too.
func TestShift(t *testing.T) {
	x, d := drawn(300, 64, 32)
	for i := range x {
		x[i] = 0.2*x[i] + float32(i%d.in%5)
	}
	known, others := x[:100*d.in], x[100*d.in:]
	s, err := smooth(known, d)
	if err != nil {
		t.Fatal(err)
	}
	exact := make([]float32, 200*d.out)
	product(others, d, exact)
	y := slices.Clone(others)
	scaleColumns(y, inverse(s.factors))
	wrong := func(d dense) (sum float64) {
		for i, v := range d.apply(roundedRows(y, d.in)) {
			e := float64(v) - float64(exact[i])
			sum += e * e
		}
		return sum
	}
	rounded := s.apply(d).rounded()
	rounded.bias = make([]float32, d.out)
	without := wrong(rounded)
	rounded.bias = s.shift
	if with := wrong(rounded); with > without/2 {
		t.Errorf("squared error %.4g with the shift, %.4g without", with, without)
	}
}

func TestFactorsOfQuietChannels(t *testing.T) {
	f := factors([]float64{1, 1, 0, 1e9}, []float64{1, 0, 1, 1}, 0.5)
	for k, v := range f {
		if !(v > 0) || math.IsInf(float64(v), 0) || !(1/v > 0) {
			t.Errorf("factor %d is %g", k, v)
		}
	}
	if f[2] < f[0]/4 {
		t.Errorf("a channel without activations has the factor %g, others %g", f[2], f[0])
	}
}

func TestInt8Rows(t *testing.T) {
	values := []float32{1, -2, 0.5, 0, 0, 0, 1e-38, 0, -1e-38, 3e38, -3e38, 1}
	q, scales := int8Rows(values, 3)
	if want := []int8{64, -127, 32, 0, 0, 0, 0, 0, 0, 127, -127, 0}; !slices.Equal(q, want) {
		t.Errorf("got %v, want %v", q, want)
	}
	for r, s := range scales {
		if !(s > 0) || math.IsInf(float64(s), 0) {
			t.Errorf("scale %d is %g", r, s)
		}
	}
	x, _ := drawn(50, 77, 1)
	q, scales = int8Rows(x, 77)
	for i, v := range x {
		if s := scales[i/77]; math.Abs(float64(v)-float64(q[i])*float64(s)) > float64(s)*0.5001 {
			t.Fatalf("element %d, %g, is %d steps of %g", i, v, q[i], s)
		}
	}
}

// TestHalf rounds every half to itself, and what lies between two to the nearer, or to the
// even one.
func TestHalf(t *testing.T) {
	for bits := range uint16(0x7c00) {
		for _, sign := range []uint16{0, 0x8000} {
			if got, ok := half(reference.Half(bits | sign)); !ok || got != bits|sign {
				t.Fatalf("%#04x becomes %#04x, %t", bits|sign, got, ok)
			}
		}
		if bits == 0x7bff {
			break
		}
		low, high := reference.Half(bits), reference.Half(bits+1)
		middle := (low + high) / 2
		even := bits + bits&1
		for _, x := range []struct {
			value float32
			want  uint16
		}{
			{math.Nextafter32(middle, 0), bits}, {middle, even}, {math.Nextafter32(middle, 1e9), bits + 1},
		} {
			if got, ok := half(x.value); !ok || got != x.want {
				t.Fatalf("%g, between %#04x and the next, becomes %#04x, want %#04x", x.value, bits, got, x.want)
			}
		}
	}
	for _, x := range []float32{65520, 1e6, float32(math.Inf(1)), float32(math.NaN()), -65520} {
		if _, ok := half(x); ok {
			t.Errorf("%g is taken for a half", x)
		}
	}
	if got, ok := half(65519.9); !ok || got != 0x7bff {
		t.Errorf("65519.9 becomes %#04x, %t", got, ok)
	}
}

func TestCompare(t *testing.T) {
	want := []Answer{{[]float32{1, 0}, []float32{0, 3, 1}}, {[]float32{0, 2}, []float32{1, 0.75, -1}}}
	got := []Answer{{[]float32{2, 0}, []float32{0, 3.5, 1}}, {[]float32{2, 2}, []float32{0.9, 1, -1}}}
	c := Compare(want, got)
	if c.Texts != 2 || c.Logit != 0.5 || c.SameTop != 1 || c.ChangedMargin != 0.25 || c.Spread != 2.5 || math.Abs(c.Cosine-math.Sqrt(0.5)) > 1e-9 {
		t.Errorf("%+v", c)
	}
}

func TestPieces(t *testing.T) {
	m, _ := openGolden(t, "whole")
	w, err := m.Tokenizer.New()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("fever ", 200)
	for _, test := range []struct {
		name           string
		texts          []string
		window, enough int
		lengths        []int
		used           int
	}{
		{"lengths in turn", []string{long, " ", "pain", long}, 512, 300, []int{10, 3, 18, 66, 34, 10, 130, 18, 26}, 3},
		{"all that there is", []string{long, "pain"}, 512, 1000, []int{10, 3, 18, 66, 34, 10, 74}, 2},
		{"many long texts", slices.Repeat([]string{long}, 9), 20, 150, []int{10, 20, 18, 20, 20, 10, 20, 18, 20}, 9},
		{"a narrow window", []string{long}, 20, 60, []int{10, 20, 18, 20}, 1},
		{"enough at once", []string{long, long}, 512, 1, []int{10}, 1},
		{"no text", []string{"", "\n"}, 512, 100, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			pieces, used, err := Pieces(w, test.texts, test.window, test.enough)
			var lengths []int
			for _, p := range pieces {
				lengths = append(lengths, len(p))
				if p[0] != w.Special().Class || p[len(p)-1] != w.Special().Separator || slices.Contains(p[1:len(p)-1], w.Special().Class) {
					t.Errorf("piece %v", p)
				}
			}
			if err != nil || used != test.used || !slices.Equal(lengths, test.lengths) {
				t.Errorf("lengths %v of %d texts, error %v; want %v of %d", lengths, used, err, test.lengths, test.used)
			}
		})
	}
	halves := strings.Repeat("fever ", 100) + strings.Repeat("pain ", 100)
	pieces, _, err := Pieces(w, []string{halves, halves, halves}, 12, 25)
	if err != nil || len(pieces) != 3 || slices.Equal(pieces[0][1:9], pieces[2][1:9]) || pieces[0][1] != pieces[1][1] {
		t.Errorf("pieces %v of long texts, error %v", pieces, err)
	}
	starts, err := Starts(w, []string{"fever", "", long}, 20)
	if err != nil || len(starts) != 2 || len(starts[0]) != 3 || len(starts[1]) != 20 {
		t.Errorf("starts %v, error %v", starts, err)
	}
}
