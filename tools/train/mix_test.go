package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bedside/kernels/reference"
	"bedside/tools/dataset"
	"bedside/tools/fit"
	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
)

// views are notes with random labels, and scores of them that grow with the truth by as much
// as each of the strengths.
func views(multiLabel bool, n int, strengths ...float64) (*dataset.Dataset, fit.Targets, [][]float64) {
	random := rand.New(rand.NewPCG(1, 2))
	d := &dataset.Dataset{Labels: []string{"a", "b", "c"}}
	scores := make([][]float64, len(strengths))
	for i := range n {
		labels := []int{random.IntN(3)}
		if multiLabel && random.IntN(2) == 0 {
			labels = append(labels, (labels[0]+1)%3)
			slices.Sort(labels)
		}
		d.Examples = append(d.Examples, dataset.Example{Row: i, Text: fmt.Sprint(i), Labels: labels, Group: i})
		for k, strength := range strengths {
			for l := range 3 {
				z := random.NormFloat64()
				if slices.Contains(labels, l) {
					z += strength
				}
				scores[k] = append(scores[k], z*float64(1+2*k)-.5)
			}
		}
	}
	t, err := Targets(d, d.Labels, multiLabel)
	if err != nil {
		panic(err)
	}
	return d, t, scores
}

func quiet(string, int, int) {}

func TestMixChoosesTheShare(t *testing.T) {
	for _, multiLabel := range []bool{false, true} {
		for _, c := range []struct {
			linear, encoder float64
			least, most     float64
		}{
			{2, 2, .3, .7},
			{2, 1, .1, .5},
			{1, 2, .5, .9},
			{2, 0, 0, .1},
			{0, 2, .9, 1},
		} {
			d, of, scores := views(multiLabel, 600, c.linear, c.encoder)
			m, err := Mix(t.Context(), Scored{d, d.Labels, of, scores[0], scores[1]}, 1, quiet)
			if err != nil {
				t.Fatal(err)
			}
			if m.Share < c.least || m.Share > c.most || math.Abs(m.Mixed.Share-m.Share) > .15 {
				t.Errorf("multi-label %v, %+v: a share of %g, and %g of 4 parts", multiLabel, c, m.Share, m.Mixed.Share)
			}
			first, last := m.Trials[0], m.Trials[len(m.Trials)-1]
			if len(m.Trials) != 21 || first.Share != 0 || last.Share != 1 {
				t.Fatalf("%d trials from %g to %g", len(m.Trials), first.Share, last.Share)
			}
			for _, trial := range m.Trials {
				if best := m.Trials[int(math.Round(20*m.Share))]; trial.LogLoss < best.LogLoss || trial.LogLoss == best.LogLoss && trial.Share < best.Share {
					t.Errorf("multi-label %v, %+v: %g is chosen, though %g is better", multiLabel, c, m.Share, trial.Share)
				}
			}
			if c.linear > 0 && c.encoder > 0 && (m.Mixed.LogLoss >= first.LogLoss || m.Mixed.LogLoss >= last.LogLoss || m.Mixed.Report.MacroF1 <= max(first.Report.MacroF1, last.Report.MacroF1)-.01) {
				t.Errorf("multi-label %v, %+v: the mixture's loss is %g, the members' %g and %g", multiLabel, c, m.Mixed.LogLoss, first.LogLoss, last.LogLoss)
			}
			if m.Mixed.Report.N != 600 || len(m.Thresholds) != 3 {
				t.Errorf("%d notes, %d thresholds", m.Mixed.Report.N, len(m.Thresholds))
			}
		}
	}
}

// TestMixLeavesOutWhatWasNotLearnt: a label that a fold did not have says nothing of models.
func TestMixLeavesOutWhatWasNotLearnt(t *testing.T) {
	for _, multiLabel := range []bool{false, true} {
		d, of, scores := views(multiLabel, 300, 2, 2)
		plain, err := Mix(t.Context(), Scored{d, d.Labels, of, scores[0], scores[1]}, 1, quiet)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < 30; i += 10 {
			for l := range 3 {
				scores[0][3*i+l] = fit.Floor
			}
		}
		m, err := Mix(t.Context(), Scored{d, d.Labels, of, scores[0], scores[1]}, 1, quiet)
		if err != nil {
			t.Fatal(err)
		}
		for at := range m.Trials {
			if m.Trials[at].LogLoss > plain.Trials[at].LogLoss+.1 {
				t.Errorf("share %g: a loss of %g, without floors %g", m.Trials[at].Share, m.Trials[at].LogLoss, plain.Trials[at].LogLoss)
			}
		}
	}
}

// TestMixedUnlearnt: no calibration and no other model makes a score of what was not learnt.
func TestMixedUnlearnt(t *testing.T) {
	c := weights.Calibration{Kind: weights.Platt, Slope: []float64{2, 3}, Intercept: []float64{-1, 0}}
	if got, want := calibrated(c, []float64{fit.Floor, -1, 2, -fit.Floor}, 2), []float64{fit.Floor, -3, 3, -fit.Floor}; !slices.Equal(got, want) {
		t.Errorf("calibrated: %v, want %v", got, want)
	}
	linear, encoder := []float64{fit.Floor, 1, 2, -fit.Floor}, []float64{3, fit.Floor, 4, 5}
	for share, want := range map[float64][]float64{0: linear, 1: encoder, .5: {fit.Floor, fit.Floor, 3, -fit.Floor}} {
		if got := mixed(share, linear, encoder); !slices.Equal(got, want) {
			t.Errorf("a share of %g: %v, want %v", share, got, want)
		}
	}
}

func TestMixRefuses(t *testing.T) {
	d, of, scores := views(true, 9, 1, 1)
	if _, err := Mix(t.Context(), Scored{d, d.Labels, of, scores[0], scores[1]}, 1, quiet); err == nil || !strings.Contains(err.Error(), "9 distinct notes are too few") {
		t.Errorf("error %v", err)
	}
}

// opened is a model that has not been written.
func opened(t *testing.T, m weights.Manifest, tensors []weights.Values) *classify.Model {
	t.Helper()
	stream, err := m.Layout(tensors)
	if err != nil {
		t.Fatal(err)
	}
	m.Shards = []weights.Shard{{Size: int64(len(stream))}}
	loading, err := classify.Open(&m, reference.NewDevice())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Plan() {
		if err := loading.Write(s, stream[s.ShardOffset:s.ShardOffset+s.Length]); err != nil {
			t.Fatal(err)
		}
	}
	model, err := loading.Ready()
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// widened is a linear model with its weights in float32.
func widened(tensors []weights.Values) []weights.Values {
	out := slices.Clone(tensors)
	for i, v := range out {
		switch v.Name {
		case weights.LinearWeight:
			values := make([]float32, len(v.Data))
			for at, b := range v.Data {
				values[at] = .02 * float32(int8(b))
			}
			out[i] = weights.Float32s(v.Name, values, v.Shape...)
		case weights.LinearScale:
			out[i] = weights.Float32s(v.Name, slices.Repeat([]float32{1}, v.Shape[0]), v.Shape...)
		}
	}
	return out
}

// TestMixturesBundlesAddUp: what a mixture says of a note is what its members say, calibrated
// and weighed, whatever the order of the encoder's labels.
func TestMixturesBundlesAddUp(t *testing.T) {
	labels := strings.Split("abcdefghij", "") // two panels of a head
	shuffled := strings.Split("hbajcidgfe", "")
	notes := []string{"chest pain", "No fever, mild cough. Knee?", strings.Repeat("left knee and chest pain ", 20)}
	for _, c := range []struct {
		name, kind, format, combine string
		wide                        bool
	}{
		{"int8", weights.MultiLabel, weights.Int8, weights.MeanLogits, false},
		{"one label", weights.MultiClass, weights.Int8, weights.MeanPooled, false},
		{"float16 and the highest", weights.MultiLabel, weights.Float16, weights.MaxLogits, false},
		{"float32", weights.MultiLabel, weights.Float32, weights.MeanLogits, true},
	} {
		shape := invented.Tiny()
		shape.Weights, shape.Window.Combine = c.format, c.combine
		var linear, encoder Member
		linear.Manifest, linear.Tensors = invented.Linear(c.kind, labels, 1)
		encoder.Manifest, encoder.Tensors = invented.Model(shape, c.kind, shuffled, 2)
		if c.wide {
			linear.Tensors = widened(linear.Tensors)
		}
		m := &Mixture{Share: .35, Thresholds: slices.Repeat([]float64{.5}, len(labels))}
		m.Linear, m.Encoder = weights.Calibration{Kind: weights.Platt}, weights.Calibration{Kind: weights.Platt}
		for l := range labels {
			m.Linear.Slope, m.Linear.Intercept = append(m.Linear.Slope, 1+.1*float64(l)), append(m.Linear.Intercept, -.2*float64(l))
			m.Encoder.Slope, m.Encoder.Intercept = append(m.Encoder.Slope, 2-.1*float64(l)), append(m.Encoder.Intercept, .3*float64(l))
		}
		m.Calibration = m.Linear
		if c.kind == weights.MultiClass {
			m.Linear = weights.Calibration{Kind: weights.Temperature, Slope: []float64{1.7}}
			m.Encoder, m.Calibration = weights.Calibration{Kind: weights.Temperature, Slope: []float64{.6}}, m.Linear
		}
		manifest, tensors, err := m.Bundle(linear, encoder)
		if err != nil {
			t.Fatal(err)
		}
		manifest.Name, manifest.Format, manifest.Version = "mix", weights.Format, weights.Version
		if manifest.Mix.Encoder != .35 || !slices.Equal(manifest.Task.Labels, labels) {
			t.Errorf("%s: %+v of labels %v", c.name, manifest.Mix, manifest.Task.Labels)
		}
		a, b, both := opened(t, linear.Manifest, linear.Tensors), opened(t, encoder.Manifest, encoder.Tensors), opened(t, manifest, tensors)
		for _, note := range notes {
			x, _, err := a.Score(note)
			if err != nil {
				t.Fatal(err)
			}
			y, _, err := b.Score(note)
			if err != nil {
				t.Fatal(err)
			}
			z, _, err := both.Score(note)
			if err != nil {
				t.Fatal(err)
			}
			for l, name := range labels {
				slope, intercept := affine(m.Linear, l)
				want := .65 * (slope*x[l] + intercept)
				slope, intercept = affine(m.Encoder, l)
				want += .35 * (slope*y[slices.Index(shuffled, name)] + intercept)
				if math.Abs(z[l]-want) > 1e-5*max(1, math.Abs(want)) {
					t.Errorf("%s, %.20q, label %s: %g, want %g", c.name, note, name, z[l], want)
				}
			}
		}
	}
}
