package train

import (
	"context"
	"fmt"
	"math"

	"bedside/tools/dataset"
	"bedside/tools/fit"
	"bedside/tools/metrics"
	"bedside/weights"
)

// Mixture is how to answer with two models at once: each one's scores are calibrated, the
// encoder's count Share of the sum, the linear model's the rest, and the sum is calibrated.
type Mixture struct {
	Share           float64
	Linear, Encoder weights.Calibration // of the members' scores
	Calibration     weights.Calibration // of the sum
	Thresholds      []float64

	Trials []MixTrial // by rising share: 0, the linear model alone, to 1, the encoder alone

	// Mixed is what to expect of the mixture: each note's share, too, was chosen without it.
	Mixed MixTrial
}

// MixTrial is how a share did on notes that nothing was fitted on. That of Mixed is the mean
// of those chosen.
type MixTrial struct {
	Share   float64
	LogLoss float64 // by note and, where any number of labels may be right, by label
	Report  metrics.Report
}

const (
	mixParts  = 5
	mixShares = 20 // steps from 0 to 1
)

// Mix chooses how much an encoder counts beside a linear model, from what either scored
// [examples][labels] of notes that it did not see: the share with the least logarithmic loss
// on held-out parts of the notes, of several the smallest. All else is then fitted on all notes.
func Mix(ctx context.Context, d *dataset.Dataset, labels []string, t fit.Targets, linear, encoder []float64, seed uint64) (*Mixture, error) {
	texts := map[int]bool{}
	for _, e := range d.Examples {
		texts[e.Group] = true
	}
	if len(texts) < 2*mixParts {
		return nil, fmt.Errorf("%d distinct notes are too few to choose by: want %d or more", len(texts), 2*mixParts)
	}
	m := &mixer{data: d, labels: labels, targets: t, members: [2][]float64{linear, encoder}}
	for range mixShares + 2 {
		m.answers = append(m.answers, make([]float64, len(linear)))
		m.asserted = append(m.asserted, make([]bool, len(linear)))
	}
	out := &Mixture{}
	for _, held := range Part(d, mixParts, seed) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out.Mixed.Share += shareAt(m.part(held)) * float64(len(held)) / float64(len(d.Examples))
	}
	best := 0
	for at := range mixShares + 1 {
		trial := MixTrial{Share: shareAt(at)}
		if err := m.measure(at, &trial); err != nil {
			return nil, err
		}
		if out.Trials = append(out.Trials, trial); trial.LogLoss < out.Trials[best].LogLoss {
			best = at
		}
	}
	out.Share = shareAt(best)
	if err := m.measure(chosenAt, &out.Mixed); err != nil {
		return nil, err
	}
	out.Linear, out.Encoder = Calibrate(linear, t), Calibrate(encoder, t)
	sum := mixed(out.Share, calibrated(out.Linear, linear, t.Labels), calibrated(out.Encoder, encoder, t.Labels))
	out.Calibration, out.Thresholds = Settle(sum, t)
	return out, nil
}

func shareAt(at int) float64 { return float64(at) / mixShares }

// chosenAt is where a mixer keeps the answers of the shares that were chosen without the note.
const chosenAt = mixShares + 1

// mixer holds what each share says of notes that nothing was fitted on.
type mixer struct {
	data     *dataset.Dataset
	labels   []string
	targets  fit.Targets
	members  [2][]float64
	answers  [][]float64 // by share: probabilities [examples][labels]
	asserted [][]bool    // likewise
}

// part answers for the notes held with what is fitted on the others, and tells the share
// that these would choose.
func (m *mixer) part(held []int) (best int) {
	in := make(map[int]bool, len(held))
	for _, i := range held {
		in[i] = true
	}
	var others []int
	for i := range m.data.Examples {
		if !in[i] {
			others = append(others, i)
		}
	}
	labels, of := m.targets.Labels, m.targets.Select(others)
	var known, asked [2][]float64
	for k, scores := range m.members {
		c := Calibrate(rows(scores, others, labels), of)
		known[k] = calibrated(c, rows(scores, others, labels), labels)
		asked[k] = calibrated(c, rows(scores, held, labels), labels)
	}
	least := math.Inf(1)
	for at := range mixShares + 1 {
		seen := mixed(shareAt(at), known[0], known[1])
		c, thresholds := Settle(seen, of)
		if loss := logLoss(Probabilities(c, seen, labels), of, known); loss < least {
			best, least = at, loss
		}
		p := Probabilities(c, mixed(shareAt(at), asked[0], asked[1]), labels)
		for r, i := range held {
			for l := range labels {
				m.answers[at][i*labels+l] = p[r*labels+l]
				m.asserted[at][i*labels+l] = p[r*labels+l] >= thresholds[l]
			}
		}
	}
	for _, i := range held {
		copy(m.answers[chosenAt][i*labels:(i+1)*labels], m.answers[best][i*labels:])
		copy(m.asserted[chosenAt][i*labels:(i+1)*labels], m.asserted[best][i*labels:])
	}
	return best
}

// measure fills in what the answers are worth.
func (m *mixer) measure(at int, trial *MixTrial) (err error) {
	a := metrics.Answers{
		Labels: m.labels, Probabilities: m.answers[at], Truth: m.targets.Sets,
		Asserted: make([][]int, len(m.data.Examples)), MultiClass: m.targets.MultiClass,
	}
	for i, e := range m.data.Examples {
		for l := range m.targets.Labels {
			if m.asserted[at][i*m.targets.Labels+l] {
				a.Asserted[i] = append(a.Asserted[i], l)
			}
		}
		a.Notes = append(a.Notes, e.Group)
	}
	trial.LogLoss = logLoss(m.answers[at], m.targets, m.members)
	trial.Report, err = metrics.Measure(a)
	return err
}

// calibrated makes logits of scores, by the calibration but for its ceiling. What stands for
// nothing learnt stays as it is.
func calibrated(c weights.Calibration, scores []float64, labels int) []float64 {
	out := make([]float64, len(scores))
	for i, s := range scores {
		slope, intercept := affine(c, i%labels)
		if out[i] = float64(slope*s) + intercept; unlearnt(s) {
			out[i] = s
		}
	}
	return out
}

// affine is what a calibration does to the scores of a label.
func affine(c weights.Calibration, label int) (slope, intercept float64) {
	if c.Kind == weights.Temperature {
		return c.Slope[0], 0
	}
	return c.Slope[label], c.Intercept[label]
}

// mixed adds calibrated scores up. Where a member that counts has learnt nothing, neither has
// the mixture.
func mixed(share float64, linear, encoder []float64) []float64 {
	out := make([]float64, len(linear))
	for i := range out {
		switch a, b := linear[i], encoder[i]; {
		case share == 0 || unlearnt(a) && share < 1:
			out[i] = a
		case share == 1 || unlearnt(b):
			out[i] = b
		default:
			out[i] = float64((1-share)*a) + float64(share*b)
		}
	}
	return out
}

// logLoss is the mean of -log p over what is right, without what either member has not
// learnt, so that all shares are asked the same.
func logLoss(p []float64, t fit.Targets, members [2][]float64) float64 {
	const least = 1e-15
	sum, n := 0.0, 0
	add := func(at int, p float64) {
		if !unlearnt(members[0][at]) && !unlearnt(members[1][at]) {
			sum, n = sum-math.Log(max(p, least)), n+1
		}
	}
	right := indicator(t)
	for at := range p {
		switch {
		case right[at]:
			add(at, p[at])
		case !t.MultiClass:
			add(at, 1-p[at])
		}
	}
	return sum / float64(max(n, 1))
}
