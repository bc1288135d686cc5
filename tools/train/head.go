package train

import (
	"context"
	"fmt"
	"slices"

	"bedside/kernels"
	"bedside/tools/dataset"
	heads "bedside/tools/fit/head"
	"bedside/weights"
)

// Head is the family of heads on the vectors of a frozen encoder.
const Head = "head"

// Vectors names those in place of a feature set.
var Vectors = FeatureSet{Name: "vectors"}

// validation is the share of the examples trained on that says when to stop, as 1 in so many.
const validation = 10

// TrainHead is Train for heads on vectors, a row of them for each example: it chooses among
// s.Cs. In every fold a part of what is trained on is kept aside to stop by; the head on all
// examples takes as many epochs as folds did in the middle.
func TrainHead(ctx context.Context, d *dataset.Dataset, vectors [][]float32, s Settings) (*Model, error) {
	s.Features, s.Families = []FeatureSet{Vectors}, []string{Head}
	if err := check(d, s); err != nil {
		return nil, err
	}
	t := &trainer{Settings: s, data: d, targets: targets(d, s.MultiLabel), fold: folds(d, s.Folds, s.Seed)}
	t.steps = len(s.Cs)*s.Folds + 1
	examples, err := t.examples(vectors)
	if err != nil {
		return nil, err
	}
	var trials []Trial
	var epochs [][]int // by trial and fold
	for _, c := range s.Cs {
		trial := Trial{Candidate: Candidate{Vectors, Head, c}, scores: make([]float64, len(d.Examples)*t.targets.Labels)}
		took, err := t.tryHead(ctx, examples, trial)
		if err != nil {
			return nil, err
		}
		trial.asserted = t.assert(trial.scores)
		trial.MacroF1, trial.MicroF1 = f1(trial.asserted, t.targets)
		trials, epochs = append(trials, trial), append(epochs, took)
	}
	best := choose(trials, t.targets, s.Slack, s.Seed)
	chosen, took := trials[best], slices.Sorted(slices.Values(epochs[best]))
	head, err := heads.Fit(ctx, examples, heads.Examples{}, heads.Options{C: chosen.Candidate.C, Epochs: max(1, took[len(took)/2]), Seed: s.Seed})
	if err != nil {
		return nil, err
	}
	t.step("fitted " + chosen.Candidate.String())
	m := &Model{Labels: d.Labels, MultiLabel: s.MultiLabel, Best: chosen, Trials: trials, Head: head}
	m.Calibration = Calibrate(chosen.scores, t.targets)
	m.Thresholds = Thresholds(probabilities(m.Calibration, chosen.scores, t.targets.Labels), t.targets)
	return m, nil
}

func (t *trainer) examples(vectors [][]float32) (heads.Examples, error) {
	e := heads.Examples{Targets: t.targets}
	if len(vectors) != len(t.data.Examples) {
		return e, fmt.Errorf("%d vectors for %d examples", len(vectors), len(t.data.Examples))
	}
	for i, v := range vectors {
		if e.Width = len(vectors[0]); len(v) != e.Width {
			return e, fmt.Errorf("row %d: a vector of %d, others have %d", t.data.Examples[i].Row, len(v), e.Width)
		}
		e.Vectors = append(e.Vectors, v...)
	}
	return e, nil
}

// tryHead fills in a trial's held-out scores, and answers the epochs that each fold took.
func (t *trainer) tryHead(ctx context.Context, all heads.Examples, trial Trial) (epochs []int, err error) {
	for k := range t.Folds {
		held, seen := part(t.fold, k)
		stop, learn := part(folds(t.only(seen), validation, t.Seed), 0)
		if len(learn) == 0 { // there is one note alone
			stop, learn = nil, stop
		}
		head, err := heads.Fit(ctx, all.Select(named(seen, learn)), all.Select(named(seen, stop)),
			heads.Options{C: trial.Candidate.C, Epochs: heads.MaxEpochs, Seed: t.Seed})
		if err != nil {
			return nil, fmt.Errorf("fold %d: %w", k, err)
		}
		epochs = append(epochs, head.Epochs)
		scores, labels := head.Scores(all.Select(held).Vectors), t.targets.Labels
		for r, example := range held {
			copy(trial.scores[example*labels:], scores[r*labels:(r+1)*labels])
		}
		t.step(fmt.Sprintf("fold %d of %d, %s", k+1, t.Folds, trial.Candidate))
	}
	return epochs, nil
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

// headTensors are those of an encoder's head, always in float32.
func headTensors(l heads.Layer) []weights.Values {
	const width = kernels.PanelWidth
	outs := kernels.Padded(l.Out, width)
	bias := make([]float32, outs)
	copy(bias, l.Bias)
	return []weights.Values{
		weights.Float32s(weights.Head+weights.Weight, kernels.PackPanels(l.Weight, l.In, l.Out), outs/width, l.In, width),
		weights.Float32s(weights.Head+weights.Bias, bias, outs),
	}
}
