package train

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bedside/kernels"
	"bedside/tools/dataset"
	heads "bedside/tools/fit/head"
	quantized "bedside/tools/quantize"
	"bedside/weights"
)

// Head is the family of heads on the vectors of a frozen encoder.
const Head = "head"

// Vectors names those in place of a feature set.
var Vectors = FeatureSet{Name: "vectors"}

// validation is the share of the examples trained on that says when to stop, as 1 in so many.
const validation = 10

// Frozen describes the encoder whose vectors a head reads.
type Frozen struct {
	Width   int    // of a window's vector; 0 where every note has one window
	Weights string // what a hidden layer's become: weights.Int8, Float16 or Float32
}

// TrainHead is Train for heads on vectors, for each example those of its windows, one behind
// the other: it chooses among s.Hidden and s.Cs. In every fold a part of what is trained on
// is kept aside to stop by; the head on all examples takes as many epochs as folds did in
// the middle.
//
// A head is fitted on the mean of a note's windows. With a hidden layer it scores each window,
// since a bundle's pooler does so: held-out scores, of which all else comes, are such.
func TrainHead(ctx context.Context, d *dataset.Dataset, vectors [][]float32, s Settings) (*Model, error) {
	s.Features, s.Families = []FeatureSet{Vectors}, []string{Head}
	if len(s.Hidden) == 0 {
		s.Hidden = []int{0}
	}
	if err := check(d, s); err != nil {
		return nil, err
	}
	t := &trainer{Settings: s, data: d, targets: targets(d, s.MultiLabel), fold: folds(d, s.Folds, s.Seed)}
	t.steps = len(s.Hidden)*len(s.Cs)*s.Folds + 1
	notes, err := t.noted(vectors)
	if err != nil {
		return nil, err
	}
	var trials []Trial
	var epochs [][]int // by trial and fold
	for _, hidden := range s.Hidden {
		for _, c := range s.Cs {
			trial := Trial{Candidate: Candidate{Vectors, Head, c, hidden}, scores: make([]float64, len(d.Examples)*t.targets.Labels)}
			took, err := t.tryHead(ctx, notes, trial)
			if err != nil {
				return nil, err
			}
			trial.asserted = t.assert(trial.scores)
			trial.MacroF1, trial.MicroF1 = f1(trial.asserted, t.targets)
			trials, epochs = append(trials, trial), append(epochs, took)
		}
	}
	best := choose(trials, t.targets, s.Slack, s.Seed)
	chosen, took := trials[best], slices.Sorted(slices.Values(epochs[best]))
	m := &Model{Labels: d.Labels, MultiLabel: s.MultiLabel, Best: chosen, Trials: trials}
	o := heads.Options{C: chosen.Candidate.C, Hidden: chosen.Candidate.Hidden, Epochs: max(1, took[len(took)/2]), Seed: s.Seed}
	if m.Head, err = heads.Fit(ctx, notes.Examples, heads.Examples{}, o); err != nil {
		return nil, err
	}
	if m.Hidden, err = hiddenLayer(m.Head, s.Frozen.Weights, slices.Concat(notes.windows...)); err != nil {
		return nil, err
	}
	t.step("fitted " + chosen.Candidate.String())
	m.Calibration, m.Thresholds = Settle(chosen.scores, t.targets)
	return m, nil
}

// noted is what the encoder made of the notes.
type noted struct {
	heads.Examples             // each the mean of its windows
	windows        [][]float32 // by example
}

func (t *trainer) noted(vectors [][]float32) (noted, error) {
	n := noted{heads.Examples{Targets: t.targets, Width: t.Frozen.Width}, vectors}
	if len(vectors) != len(t.data.Examples) {
		return n, fmt.Errorf("%d vectors for %d examples", len(vectors), len(t.data.Examples))
	}
	if n.Width == 0 {
		n.Width = len(vectors[0])
	}
	for i, v := range vectors {
		if len(v) == 0 || len(v)%n.Width != 0 || t.Frozen.Width == 0 && len(v) != n.Width {
			return n, fmt.Errorf("row %d: a vector of %d, others have %d", t.data.Examples[i].Row, len(v), n.Width)
		}
		n.Vectors = append(n.Vectors, mean(v, n.Width)...)
	}
	for _, h := range t.Hidden {
		if h < 0 || h > n.Width {
			return n, fmt.Errorf("a hidden layer of %d units: want 0, for none, to %d, the numbers of a vector", h, n.Width)
		}
	}
	return n, nil
}

// mean is the mean of rows, to the bit as encoders take it.
func mean(rows []float32, columns int) []float32 {
	sums, out := make([]float64, columns), make([]float32, columns)
	share := 1 / float64(len(rows)/columns)
	for i, v := range rows {
		sums[i%columns] += float64(float64(v) * share)
	}
	for c, sum := range sums {
		out[c] = float32(sum)
	}
	return out
}

// tryHead fills in a trial's held-out scores, and answers the epochs that each fold took.
func (t *trainer) tryHead(ctx context.Context, all noted, trial Trial) (epochs []int, err error) {
	for k := range t.Folds {
		held, seen := part(t.fold, k)
		stop, learn := part(folds(t.only(seen), validation, t.Seed), 0)
		if len(learn) == 0 { // there is one note alone
			stop, learn = nil, stop
		}
		head, err := heads.Fit(ctx, all.Select(named(seen, learn)), all.Select(named(seen, stop)),
			heads.Options{C: trial.Candidate.C, Hidden: trial.Candidate.Hidden, Epochs: heads.MaxEpochs, Seed: t.Seed})
		if err != nil {
			return nil, fmt.Errorf("fold %d: %w", k, err)
		}
		var known []float32
		for _, i := range seen {
			known = append(known, all.windows[i]...)
		}
		hidden, err := hiddenLayer(head, t.Frozen.Weights, known)
		if err != nil {
			return nil, fmt.Errorf("fold %d: %w", k, err)
		}
		epochs = append(epochs, head.Epochs)
		for _, i := range held {
			copy(trial.scores[i*t.targets.Labels:], scores(head, hidden, all.windows[i]))
		}
		t.step(fmt.Sprintf("fold %d of %d, %s", k+1, t.Folds, trial.Candidate))
	}
	return epochs, nil
}

// hiddenLayer is a head's hidden layer as it ships, rounded for vectors like the known ones:
// the encoder's pooler, whose other units are 0. It is nil where the head has none.
func hiddenLayer(h *heads.Head, format string, known []float32) (*quantized.Dense, error) {
	if len(h.Layers) == 1 {
		return nil, nil
	}
	l := h.Layers[0]
	weight, bias := make([]float32, l.In*l.In), make([]float32, l.In)
	copy(weight, l.Weight)
	copy(bias, l.Bias)
	return quantized.NewDense(weights.EncoderPooler, format, weight, bias, known)
}

// Scores are those of a note by the vectors of its windows, as the bundle of a head gives them.
func (m *Model) Scores(windows []float32) []float64 { return scores(m.Head, m.Hidden, windows) }

func scores(h *heads.Head, hidden *quantized.Dense, windows []float32) []float64 {
	width := h.Layers[0].In
	if hidden == nil {
		return h.Scores(mean(windows, width))
	}
	units := hidden.Apply(windows)
	for i, v := range units {
		units[i] = float32(math.Tanh(float64(v)))
	}
	last := h.Layers[1]
	return (&heads.Head{Layers: []heads.Layer{last}}).Scores(mean(units, width)[:last.In])
}

// part gives the places of fold k, and those of the others.
func part(fold []int, k int) (in, out []int) {
	for i, f := range fold {
		if f == k {
			in = append(in, i)
		} else {
			out = append(out, i)
		}
	}
	return in, out
}

// named are the examples at the places.
func named(examples, places []int) []int {
	out := make([]int, len(places))
	for k, at := range places {
		out[k] = examples[at]
	}
	return out
}

// only is the data with the named examples alone.
func (t *trainer) only(examples []int) *dataset.Dataset {
	d := &dataset.Dataset{Labels: t.data.Labels}
	for _, i := range examples {
		d.Examples = append(d.Examples, t.data.Examples[i])
	}
	return d
}

// headTensors are those of an encoder's head, always in float32, and of the pooler that its
// hidden layer is.
func (m *Model) headTensors() []weights.Values {
	l, in := m.Head.Layers[len(m.Head.Layers)-1], m.Head.Layers[0].In
	weight := make([]float32, l.Out*in)
	for o := range l.Out {
		copy(weight[o*in:][:l.In], l.Weight[o*l.In:])
	}
	tensors := packedHead(weight, l.Bias, in)
	if m.Hidden == nil {
		return tensors
	}
	return append(slices.Clone(m.Hidden.Tensors), tensors...)
}

// packedHead are the tensors of an encoder's head with weights [labels][in].
func packedHead(weight, bias []float32, in int) []weights.Values {
	const width = kernels.PanelWidth
	outs := kernels.Padded(len(bias), width)
	padded := make([]float32, outs)
	copy(padded, bias)
	return []weights.Values{
		weights.Float32s(weights.Head+weights.Weight, kernels.PackPanels(weight, in, len(bias)), outs/width, in, width),
		weights.Float32s(weights.Head+weights.Bias, padded, outs),
	}
}
