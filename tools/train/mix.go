package train

import (
	"context"
	"fmt"
	"math"
	"slices"

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

// Best is the trial of the share that was chosen.
func (m *Mixture) Best() MixTrial {
	return m.Trials[slices.IndexFunc(m.Trials, func(t MixTrial) bool { return t.Share == m.Share })]
}

// Alone are the trials of the linear model and of the encoder without the other.
func (m *Mixture) Alone() (linear, encoder MixTrial) {
	return m.Trials[0], m.Trials[len(m.Trials)-1]
}

// Least is the logarithmic loss of the better of the two.
func (m *Mixture) Least() float64 {
	linear, encoder := m.Alone()
	return min(linear.LogLoss, encoder.LogLoss)
}

// Helps says whether both together are worth more than one of them.
func (m *Mixture) Helps() bool {
	return m.Share > 0 && m.Share < 1 && m.Mixed.LogLoss < m.Least()
}

// MixTrial is how a share did on notes that nothing was fitted on. That of Mixed is the mean
// of those chosen.
type MixTrial struct {
	Share   float64
	LogLoss float64 // by note and, where any number of labels may be right, by label
	Report  metrics.Report
}

// Scored is what two models made of notes that neither saw.
type Scored struct {
	Data            *dataset.Dataset
	Labels          []string // of the models
	Targets         fit.Targets
	Linear, Encoder []float64 // [examples][labels]
}

// MixParts is the number of parts that the notes are dealt into.
const MixParts = 5

const mixShares = 20 // steps from 0 to 1

// Mix chooses how much an encoder counts beside a linear model: the share with the least
// logarithmic loss on held-out parts of the notes, of several the smallest. All else is then
// fitted on all notes.
func Mix(ctx context.Context, of Scored, seed uint64, progress func(stage string, done, total int)) (*Mixture, error) {
	texts := map[int]bool{}
	for _, e := range of.Data.Examples {
		texts[e.Group] = true
	}
	if len(texts) < 2*MixParts {
		return nil, fmt.Errorf("%d distinct notes are too few to choose by: want %d or more", len(texts), 2*MixParts)
	}
	m := &mixer{Scored: of}
	for range mixShares + 2 {
		m.answers = append(m.answers, make([]float64, len(of.Linear)))
		m.asserted = append(m.asserted, make([]bool, len(of.Linear)))
	}
	out := &Mixture{}
	for k, held := range Part(of.Data, MixParts, seed) {
		progress(fmt.Sprintf("part %d of %d", k+1, MixParts), k, MixParts+1)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out.Mixed.Share += shareAt(m.part(held)) * float64(len(held)) / float64(len(of.Data.Examples))
	}
	progress("all notes", MixParts, MixParts+1)
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
	t, labels := of.Targets, of.Targets.Labels
	out.Linear, out.Encoder = Calibrate(of.Linear, t), Calibrate(of.Encoder, t)
	sum := mixed(out.Share, calibrated(out.Linear, of.Linear, labels), calibrated(out.Encoder, of.Encoder, labels))
	out.Calibration, out.Thresholds = Settle(sum, t)
	return out, nil
}

func shareAt(at int) float64 { return float64(at) / mixShares }

// chosenAt is where a mixer keeps the answers of the shares that were chosen without the note.
const chosenAt = mixShares + 1

// mixer holds what each share says of notes that nothing was fitted on.
type mixer struct {
	Scored
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
	for i := range m.Data.Examples {
		if !in[i] {
			others = append(others, i)
		}
	}
	labels, of := m.Targets.Labels, m.Targets.Select(others)
	var known, asked [2][]float64
	for k, scores := range [][]float64{m.Linear, m.Encoder} {
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
		Labels: m.Labels, Probabilities: m.answers[at], Truth: m.Targets.Sets,
		Asserted: make([][]int, len(m.Data.Examples)), MultiClass: m.Targets.MultiClass,
	}
	for i, e := range m.Data.Examples {
		for l := range m.Labels {
			if m.asserted[at][i*len(m.Labels)+l] {
				a.Asserted[i] = append(a.Asserted[i], l)
			}
		}
		a.Notes = append(a.Notes, e.Group)
	}
	trial.LogLoss = logLoss(m.answers[at], m.Targets, [2][]float64{m.Linear, m.Encoder})
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
