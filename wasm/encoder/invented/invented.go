// Package invented makes encoders of random numbers, for tests.
package invented

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"

	"bedside/kernels"
	"bedside/weights"
)

// Words are the vocabulary's whole words. Every lower-case word of ASCII letters is known
// too, letter by letter.
var Words = []string{"chest", "pain", "fever", "cough", "knee", "left", "right", "no", "mild", "the", "of", "and", "##ing", ".", ",", "-", "'"}

// Tiny is a small encoder that reads notes in windows of 16 tokens, with int8 weights.
// Its sizes are no multiples of what kernels work in.
func Tiny() weights.Encoder {
	return weights.Encoder{
		Architecture: weights.BERT, Layers: 2, Hidden: 20, Heads: 2, Intermediate: 36, Activation: weights.GELU,
		Epsilon: 1e-12, Positions: 24, Types: 2, Pooler: true, Pool: weights.PoolFirst, Weights: weights.Int8,
		Tokenizer: weights.Tokenizer{Kind: weights.WordPiece, Lowercase: true, StripAccents: true, MaxWord: 100},
		Window:    weights.Window{Tokens: 16, Overlap: 4, Combine: weights.MeanLogits},
	}
}

// Model is a sound model of that shape and task (weights.MultiClass or MultiLabel), but for
// its shards. The size of the vocabulary is set here. The same seed gives the same numbers.
func Model(e weights.Encoder, task string, labels []string, seed uint64) (weights.Manifest, []weights.Values) {
	file := vocabulary()
	e.Vocabulary = strings.Count(file, "\n")
	m := weights.Manifest{
		Format: weights.Format, Version: weights.Version,
		Name: "invented", Title: "Invented", Question: "Which letter does the note deserve?",
		Task:        weights.Task{Kind: task, Labels: labels},
		Encoder:     &e,
		Calibration: weights.Calibration{Kind: weights.Temperature, Slope: []float64{1}},
	}
	if task == weights.MultiLabel {
		m.Calibration = weights.Calibration{Kind: weights.Platt, Slope: make([]float64, len(labels)), Intercept: make([]float64, len(labels))}
		for l := range labels {
			m.Calibration.Slope[l] = 1
		}
	}
	for range labels {
		m.Thresholds = append(m.Thresholds, .5)
	}
	d := drawer{Rand: rand.New(rand.NewPCG(seed, 1))}
	d.add(weights.Bytes(weights.EncoderVocabulary, []byte(file)))
	d.table(weights.EncoderWord, e.Vocabulary, e.Hidden, e.Weights)
	d.table(weights.EncoderPosition, e.Positions, e.Hidden, e.Weights)
	d.table(weights.EncoderType, e.Types, e.Hidden, e.Weights)
	d.norm(weights.EncoderNorm, e.Hidden)
	for n := range e.Layers {
		d.dense(weights.LayerTensor(n, "qkv"), e.Hidden, 3*e.Hidden, e.Weights)
		d.dense(weights.LayerTensor(n, "output"), e.Hidden, e.Hidden, e.Weights)
		d.norm(weights.LayerTensor(n, "output.norm"), e.Hidden)
		d.dense(weights.LayerTensor(n, "up"), e.Hidden, e.Intermediate, e.Weights)
		d.dense(weights.LayerTensor(n, "down"), e.Intermediate, e.Hidden, e.Weights)
		d.norm(weights.LayerTensor(n, "down.norm"), e.Hidden)
	}
	if e.Pooler {
		d.dense(weights.EncoderPooler, e.Hidden, e.Hidden, e.Weights)
	}
	head := e.Weights
	if head == weights.Int8 {
		head = weights.Float32
	}
	d.dense(weights.Head, e.Hidden, len(labels), head)
	return m, d.tensors
}

func vocabulary() string {
	tokens := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	for letter := 'a'; letter <= 'z'; letter++ {
		tokens = append(tokens, string(letter), "##"+string(letter))
	}
	return strings.Join(append(tokens, Words...), "\n") + "\n"
}

// drawer draws tensors.
type drawer struct {
	*rand.Rand
	tensors []weights.Values
}

func (d *drawer) add(v ...weights.Values) { d.tensors = append(d.tensors, v...) }

// around gives n numbers with that mean and deviation.
func (d *drawer) around(mean, deviation float64, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(mean + deviation*d.NormFloat64())
	}
	return out
}

func (d *drawer) int8s(n int) []int8 {
	out := make([]int8, n)
	for i := range out {
		out[i] = int8(d.IntN(255) - 127)
	}
	return out
}

// floats is a tensor in F16 or F32.
func floats(name, format string, v []float32, shape ...int) weights.Values {
	if format == weights.Float32 {
		return weights.Float32s(name, v, shape...)
	}
	data := make([]byte, 0, 2*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint16(data, half(x))
	}
	return weights.Values{Name: name, DType: weights.F16, Shape: shape, Data: data}
}

// half cuts a float32 to IEEE half precision; what is smaller than its normal numbers
// becomes 0, what is larger its largest.
func half(x float32) uint16 {
	bits := math.Float32bits(x)
	exponent, mantissa := int(bits>>23&0xff)-127+15, uint16(bits>>13&0x3ff)
	switch {
	case exponent <= 0:
		exponent, mantissa = 0, 0
	case exponent >= 31:
		exponent, mantissa = 30, 0x3ff
	}
	return uint16(bits>>16&0x8000) | uint16(exponent)<<10 | mantissa
}

func (d *drawer) table(name string, rows, columns int, format string) {
	if format != weights.Int8 {
		d.add(floats(name, format, d.around(0, .5, rows*columns), rows, columns))
		return
	}
	d.add(weights.Int8s(name, d.int8s(rows*columns), rows, columns),
		weights.Float32s(name+weights.Scale, d.around(.01, .001, rows), rows))
}

func (d *drawer) norm(name string, columns int) {
	d.add(weights.Float32s(name+weights.Gamma, d.around(1, .1, columns), columns),
		weights.Float32s(name+weights.Beta, d.around(0, .1, columns), columns))
}

func (d *drawer) dense(name string, in, out int, format string) {
	outs := kernels.Padded(out, kernels.PanelWidth)
	bias := make([]float32, outs)
	copy(bias, d.around(0, .1, out))
	d.add(weights.Float32s(name+weights.Bias, bias, outs))
	if format == weights.Int8 {
		d.packed(name, in, out)
		return
	}
	const width = kernels.PanelWidth
	panels := make([]float32, outs*in)
	for n := range out {
		for k, w := range d.around(0, .2, in) {
			panels[(n/width*in+k)*width+n%width] = w
		}
	}
	d.add(floats(name+weights.Weight, format, panels, outs/width, in, width))
}

// packed draws weights for kernels.Packed.
func (d *drawer) packed(name string, in, out int) {
	const width, depth = kernels.PanelWidth, kernels.GroupDepth
	outs, ins := kernels.Padded(out, width), kernels.Padded(in, kernels.PackedDepth)
	packed, sums, scale := make([]int8, outs*ins), make([]int32, outs), make([]float32, outs)
	copy(scale, d.around(.003, .0003, out))
	for n := range out {
		for k, q := range d.int8s(in) {
			packed[((n/width*(ins/depth)+k/depth)*width+n%width)*depth+k%depth] = q
			sums[n] += int32(q)
		}
	}
	d.add(weights.Int8s(name+weights.Weight, packed, outs/width, ins/depth, width, depth),
		weights.Float32s(name+weights.Scale, scale, outs),
		weights.Int32s(name+weights.Sums, sums, outs),
		weights.Float32s(name+weights.Multiplier, d.around(1, .1, in), in))
}

// Deciding is a model that looks for one of Words: the larger its share of a window, the
// higher the logit of the first label, while those of the others stay 0. Layers do nothing.
func Deciding(word string, labels []string) (weights.Manifest, []weights.Values) {
	e := Tiny()
	e.Pooler, e.Pool = false, weights.PoolMean
	m, tensors := Model(e, weights.MultiClass, labels, 1)
	row := strings.Count(vocabulary()[:strings.Index(vocabulary(), "\n"+word+"\n")+1], "\n")
	var signs []float32
	for _, t := range tensors {
		switch {
		case t.Name == weights.EncoderWord:
			for _, q := range t.Data[row*e.Hidden:][:e.Hidden] {
				signs = append(signs, 5*float32(1-2*int(q>>7)))
			}
		case t.Name == weights.EncoderWord+weights.Scale:
			clear(t.Data[:4*row])
			clear(t.Data[4*(row+1):])
		case strings.HasSuffix(t.Name, weights.Scale), strings.HasSuffix(t.Name, weights.Bias), strings.HasSuffix(t.Name, weights.Beta):
			clear(t.Data)
		case t.Name == weights.Head+weights.Weight:
			clear(t.Data)
			for k, sign := range signs {
				binary.LittleEndian.PutUint32(t.Data[4*k*kernels.PanelWidth:], math.Float32bits(sign))
			}
		}
	}
	return m, tensors
}
