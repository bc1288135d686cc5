package weights

import (
	"fmt"
	"slices"

	"bedside/kernels"
)

func (e *Encoder) check() error {
	for _, n := range []struct {
		name       string
		is         int
		least, all int
	}{
		{"layers", e.Layers, 1, MaxLayers},
		{"hidden", e.Hidden, 1, MaxHidden},
		{"heads", e.Heads, 1, MaxHidden},
		{"intermediate", e.Intermediate, 1, MaxIntermediate},
		{"positions", e.Positions, MinWindow, MaxPositions},
		{"types", e.Types, 1, MaxTypes},
		{"vocabulary", e.Vocabulary, 1, MaxVocabulary},
		{"tokenizer: max_word", e.Tokenizer.MaxWord, 1, MaxWordLength},
	} {
		if n.is < n.least || n.is > n.all {
			return fmt.Errorf("%s %d, want %d to %d", n.name, n.is, n.least, n.all)
		}
	}
	for _, c := range []struct {
		name, is string
		known    []string
	}{
		{"architecture", e.Architecture, []string{BERT}},
		{"activation", e.Activation, []string{GELU, GELUTanh, ReLU}},
		{"pool", e.Pool, []string{PoolFirst, PoolMean}},
		{"weights", e.Weights, []string{Int8, Float16, Float32}},
		{"tokenizer: kind", e.Tokenizer.Kind, []string{WordPiece}},
		{"window: combine", e.Window.Combine, []string{MeanPooled, MeanLogits, MaxLogits}},
	} {
		if !slices.Contains(c.known, c.is) {
			return fmt.Errorf("%s %.64q is not supported, want one of %q", c.name, c.is, c.known)
		}
	}
	switch {
	case e.Hidden%e.Heads != 0:
		return fmt.Errorf("hidden %d does not divide into %d heads", e.Hidden, e.Heads)
	case !(e.Epsilon >= 1e-16 && e.Epsilon <= 1):
		return fmt.Errorf("layer_norm_epsilon %g, want 1e-16 to 1", e.Epsilon)
	}
	return e.Window.check(e.Positions)
}

func (w Window) check(positions int) error {
	if w.Tokens < MinWindow || w.Tokens > positions {
		return fmt.Errorf("window: tokens %d, want %d to the %d positions", w.Tokens, MinWindow, positions)
	}
	if most := (w.Tokens - 2) / 2; w.Overlap < 0 || w.Overlap > most {
		return fmt.Errorf("window: overlap %d, want 0 to %d: each window reads at least as much new text as old", w.Overlap, most)
	}
	return nil
}

// wantEncoder asks for the tensors that encoder.go lists.
func (m *Manifest) wantEncoder(found *inventory) {
	e := m.Encoder
	found.vocabulary()
	found.table(EncoderWord, e.Vocabulary, e.Hidden)
	found.table(EncoderPosition, e.Positions, e.Hidden)
	found.table(EncoderType, e.Types, e.Hidden)
	found.norm(EncoderNorm, e.Hidden)
	for n := range e.Layers {
		found.dense(LayerTensor(n, "qkv"), e.Hidden, 3*e.Hidden, e.Weights)
		found.dense(LayerTensor(n, "output"), e.Hidden, e.Hidden, e.Weights)
		found.norm(LayerTensor(n, "output.norm"), e.Hidden)
		found.dense(LayerTensor(n, "up"), e.Hidden, e.Intermediate, e.Weights)
		found.dense(LayerTensor(n, "down"), e.Intermediate, e.Hidden, e.Weights)
		found.norm(LayerTensor(n, "down.norm"), e.Hidden)
	}
	if e.Pooler {
		found.dense(EncoderPooler, e.Hidden, e.Hidden, e.Weights)
	}
	found.dense(Head, e.Hidden, len(m.Task.Labels), "")
}

// inventory asks for tensors by name. The first one that is missing, or of another
// shape or type, is its error.
type inventory struct {
	tensors map[string]Tensor
	asked   int
	err     error
}

func newInventory(tensors []Tensor) inventory {
	v := inventory{tensors: make(map[string]Tensor, len(tensors))}
	for _, t := range tensors {
		v.tensors[t.Name] = t
	}
	return v
}

func (v *inventory) want(name string, shape []int, dtypes ...string) {
	if v.err != nil {
		return
	}
	v.asked++
	if t, ok := v.tensors[name]; !ok {
		v.err = bad("tensor %q is missing", name)
	} else {
		v.err = t.is(shape, dtypes)
	}
}

// vocabulary is of any length, within its limit.
func (v *inventory) vocabulary() {
	shape := v.tensors[EncoderVocabulary].Shape
	v.want(EncoderVocabulary, shape, U8)
	if v.err == nil && (len(shape) != 1 || shape[0] > MaxVocabularyBytes) {
		v.err = bad("tensor %q has shape %v, want one dimension of at most %d", EncoderVocabulary, shape, MaxVocabularyBytes)
	}
}

func (v *inventory) table(name string, rows, columns int) {
	v.want(name, []int{rows, columns}, I8, F16, F32)
	if v.tensors[name].DType == I8 {
		v.want(name+Scale, []int{rows}, F32)
	}
}

func (v *inventory) norm(name string, columns int) {
	v.want(name+Gamma, []int{columns}, F32)
	v.want(name+Beta, []int{columns}, F32)
}

// dense asks for a layer in a weight format; "" means F16 or F32.
func (v *inventory) dense(name string, in, out int, format string) {
	const width, depth = kernels.PanelWidth, kernels.GroupDepth
	outs := kernels.Padded(out, width)
	v.want(name+Bias, []int{outs}, F32)
	panels := []int{outs / width, in, width}
	switch format {
	case Int8:
		v.want(name+Weight, []int{outs / width, kernels.Padded(in, kernels.PackedDepth) / depth, width, depth}, I8)
		v.want(name+Scale, []int{outs}, F32)
		v.want(name+Sums, []int{outs}, I32)
		v.want(name+Multiplier, []int{in}, F32)
	case Float16:
		v.want(name+Weight, panels, F16)
	case Float32:
		v.want(name+Weight, panels, F32)
	default:
		v.want(name+Weight, panels, F16, F32)
	}
}
