package metrics

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
)

// Mean has the mean figures of several reports, each label's and example's left out.
func Mean(reports []Report) Report {
	var mean Report
	n := float64(len(reports))
	for _, r := range reports {
		mean.N += r.N
		mean.Accuracy += r.Accuracy / n
		mean.MacroF1 += r.MacroF1 / n
		mean.MicroF1 += r.MicroF1 / n
		mean.Top1InSet += r.Top1InSet / n
		mean.RecallAt3 += r.RecallAt3 / n
		mean.LRAP += r.LRAP / n
		mean.MAP += r.MAP / n
		mean.ECE += r.ECE / n
		mean.Coverage += r.Coverage / n
		mean.RightIfSure += r.RightIfSure / n
	}
	mean.N /= max(len(reports), 1)
	return mean
}

// Repeated measures runs of one kind, on different notes. The figures are the mean of the
// runs, but for calibration error, which few notes overstate: that is over the answers of
// all runs together.
func Repeated(runs []Answers) (mean Report, each []Report, err error) {
	if len(runs) == 0 {
		return mean, nil, errors.New("no run to measure")
	}
	for _, a := range runs {
		r, err := Measure(a)
		if err != nil {
			return mean, nil, err
		}
		each = append(each, r)
	}
	all, err := Measure(Pool(runs))
	mean = Mean(each)
	mean.ECE, mean.Reliability = all.ECE, all.Reliability
	return mean, each, err
}

// Pool puts the answers of several runs together.
func Pool(runs []Answers) Answers {
	pooled := Answers{Labels: runs[0].Labels, MultiClass: true}
	for _, a := range runs {
		pooled.MultiClass = pooled.MultiClass && a.MultiClass
		pooled.Truth = append(pooled.Truth, a.Truth...)
		pooled.Asserted = append(pooled.Asserted, a.Asserted...)
		pooled.Probabilities = append(pooled.Probabilities, a.Probabilities...)
		pooled.Notes = append(pooled.Notes, a.Notes...)
	}
	return pooled
}

// Intervals gives the ends of 95 % percentile bootstrap intervals for the mean figures of
// the runs: notes are drawn with replacement, a note with all the answers that it got, and
// the figures taken again, as often as resamples says. They tell how far the choice of
// notes moves a figure, not how far other training data would.
//
// Macro-F1 of a draw is over the labels that occur in it, be it only by mistake: a label
// of one note is in two draws of three, and its absence is no error. Calibration error has
// no interval: drawing notes adds to it what chance adds, so that the interval would lie
// above the figure. CalibratedECE says what chance adds.
func Intervals(runs []Answers, resamples int, seed uint64) (low, high Report, err error) {
	if len(runs) == 0 || resamples < 1 {
		return low, high, errors.New("nothing to take intervals of")
	}
	notes := map[int]int{} // to their position in a draw
	var samples []*sample
	for _, a := range runs {
		if err := a.validate(); err != nil {
			return low, high, err
		}
		samples = append(samples, newSample(a, notes))
	}
	if len(notes) == 0 {
		return low, high, errors.New("no note to take intervals of")
	}
	random := rand.New(rand.NewPCG(seed, 0xb007))
	drawn := make([]int, len(notes))
	reports := make([]Report, resamples)
	for r := range reports {
		clear(drawn)
		for range drawn {
			drawn[random.IntN(len(drawn))]++
		}
		var each []Report
		for _, s := range samples {
			each = append(each, s.measure(drawn))
		}
		reports[r] = Mean(each)
	}
	low, high = percentile(reports, 0.025), percentile(reports, 0.975)
	low.N, high.N = 0, 0
	return low, high, nil
}

// percentile takes each figure's quantile by itself.
func percentile(reports []Report, q float64) Report {
	figure := func(of func(Report) float64) float64 {
		values := make([]float64, len(reports))
		for i, r := range reports {
			values[i] = of(r)
		}
		return quantile(values, q)
	}
	return Report{
		Accuracy:    figure(func(r Report) float64 { return r.Accuracy }),
		MacroF1:     figure(func(r Report) float64 { return r.MacroF1 }),
		MicroF1:     figure(func(r Report) float64 { return r.MicroF1 }),
		Top1InSet:   figure(func(r Report) float64 { return r.Top1InSet }),
		RecallAt3:   figure(func(r Report) float64 { return r.RecallAt3 }),
		LRAP:        figure(func(r Report) float64 { return r.LRAP }),
		MAP:         figure(func(r Report) float64 { return r.MAP }),
		Coverage:    figure(func(r Report) float64 { return r.Coverage }),
		RightIfSure: figure(func(r Report) float64 { return r.RightIfSure }),
	}
}

// quantile sorts the values.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	at := q * float64(len(values)-1)
	below := int(at)
	above := min(below+1, len(values)-1)
	return values[below] + (at-float64(below))*(values[above]-values[below])
}

// Resampled gives the ends of a 95 % percentile bootstrap interval for a figure of n
// things, by so many draws of n of them with replacement.
func Resampled(n, resamples int, seed uint64, figure func(drawn []int) float64) (low, high float64) {
	random := rand.New(rand.NewPCG(seed, 0xb007))
	drawn, values := make([]int, n), make([]float64, resamples)
	for r := range values {
		for i := range drawn {
			drawn[i] = random.IntN(n)
		}
		values[r] = figure(drawn)
	}
	return quantile(values, 0.025), quantile(values, 0.975)
}

// CalibratedECE is the calibration error that a classifier of the same confidences would
// show, on as many examples, were it perfectly calibrated: the mean of so many draws.
// It is not 0, for a bin's share right varies by chance.
func CalibratedECE(a Answers, draws int, seed uint64) float64 {
	random := rand.New(rand.NewPCG(seed, 0xece))
	var confidence [Bins][]float64
	for i, order := range a.rank() {
		p := a.row(i)[order[0]]
		b := binOf(p)
		confidence[b] = append(confidence[b], p)
	}
	sum := 0.0
	for range draws {
		for _, bin := range confidence {
			gap := 0.0
			for _, p := range bin {
				gap += p
				if random.Float64() < p {
					gap--
				}
			}
			sum += math.Abs(gap)
		}
	}
	return ratio(sum, float64(draws*len(a.Truth)))
}

// sample is what the figures of answers are made of, example by example, so that a draw
// of notes costs counting alone.
type sample struct {
	multiClass bool
	labels     int
	undefined  int // labels that are neither true nor predicted of any example
	examples   []counted
	ranking    []ranking // of the labels that some example has
}

// counted is one example.
type counted struct {
	note                 int // position in a draw
	truth, predicted     []int
	hits                 int
	exact, top, labelled bool
	sure, sureRight      bool
	recall, precision    float64
}

// ranking is the examples by falling probability of one label, as far as it is true of
// any: example<<2, with the bits ofTruth and ofLast. There are many of these, and each is
// read for every draw.
type ranking []int32

const (
	ofTruth = 1 << iota // the label is true of the example
	ofLast              // the next example is less probable
	bits    = iota
)

func newSample(a Answers, notes map[int]int) *sample {
	ranked := a.rank()
	predicted := a.predicted(ranked)
	s := &sample{multiClass: a.MultiClass, labels: len(a.Labels)}
	used := make([]bool, len(a.Labels))
	for i, truth := range a.Truth {
		one := Answers{Labels: a.Labels, Probabilities: a.row(i), Truth: a.Truth[i : i+1], Asserted: a.Asserted[i : i+1]}
		sure, right := whenSure(one, ranked[i:i+1])
		c := counted{
			note:  position(notes, a.note(i)),
			truth: truth, predicted: predicted[i],
			hits:  len(truth) - len(without(truth, predicted[i])),
			exact: slices.Equal(predicted[i], truth), top: has(truth, ranked[i][0]), labelled: len(truth) > 0,
			sure: sure > 0, sureRight: right > 0,
			recall: recallAt(3, one.Truth, ranked[i:i+1]), precision: rankingPrecision(one),
		}
		s.examples = append(s.examples, c)
		for _, l := range slices.Concat(truth, predicted[i]) {
			used[l] = true
		}
	}
	for l := range used {
		if !used[l] {
			s.undefined++
			continue
		}
		if r, some := a.ranking(l); some {
			s.ranking = append(s.ranking, r)
		}
	}
	return s
}

func position(notes map[int]int, note int) int {
	at, known := notes[note]
	if !known {
		at = len(notes)
		notes[note] = at
	}
	return at
}

func (a Answers) ranking(l int) (r ranking, some bool) {
	order := make([]int, len(a.Truth))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return falling(a.row(x)[l], a.row(y)[l]) })
	end := 0 // of the examples that matter
	for at, i := range order {
		entry := int32(i) << bits
		if has(a.Truth[i], l) {
			entry |= ofTruth
			some = true
		}
		if at+1 == len(order) || a.row(order[at+1])[l] != a.row(i)[l] {
			entry |= ofLast
		}
		r = append(r, entry)
		if entry&ofTruth != 0 {
			end = 0
		}
		if end == 0 && entry&ofLast != 0 {
			end = at + 1
		}
	}
	return slices.Clip(r[:end]), some
}

// measure takes the figures, each example as often as its note was drawn.
func (s *sample) measure(drawn []int) Report {
	var n, labelled, sure, hits, decisions float64
	var r Report
	hit, of := make([]float64, s.labels), make([]float64, s.labels)
	for _, c := range s.examples {
		w := float64(drawn[c.note])
		if w == 0 {
			continue
		}
		n += w
		r.Accuracy += w * number(c.exact)
		r.Top1InSet += w * number(c.top)
		r.LRAP += w * c.precision
		r.RecallAt3 += w * c.recall
		r.RightIfSure += w * number(c.sureRight)
		labelled += w * number(c.labelled)
		sure += w * number(c.sure)
		hits += w * float64(c.hits)
		decisions += w * float64(len(c.truth)+len(c.predicted))
		for _, l := range c.truth {
			of[l] += w
			if has(c.predicted, l) {
				hit[l] += w
			}
		}
		for _, l := range c.predicted {
			of[l] += w
		}
	}
	r.Accuracy, r.Top1InSet, r.LRAP = ratio(r.Accuracy, n), ratio(r.Top1InSet, n), ratio(r.LRAP, n)
	r.RecallAt3, r.RightIfSure, r.Coverage = ratio(r.RecallAt3, labelled), ratio(r.RightIfSure, sure), ratio(sure, n)
	r.MicroF1 = ratio(2*hits, decisions)
	r.MacroF1 = s.macro(hit, of)
	r.MAP = s.averagePrecision(drawn)
	return r
}

// macro is over the labels that the draw has. Labels that the whole data lacks count 0 in
// a task of several labels, as they do in Report.
func (s *sample) macro(hit, of []float64) float64 {
	sum, labels := 0.0, 0
	for l := range of {
		if of[l] > 0 {
			sum += 2 * hit[l] / of[l]
			labels++
		}
	}
	if !s.multiClass {
		labels += s.undefined
	}
	return ratio(sum, float64(labels))
}

func (s *sample) averagePrecision(drawn []int) float64 {
	weight := make([]int32, len(s.examples))
	for i, c := range s.examples {
		weight[i] = int32(drawn[c.note])
	}
	total, labels := 0.0, 0
	for _, r := range s.ranking {
		sum, hits, counted, seen := 0.0, int32(0), int32(0), int32(0)
		for _, entry := range r {
			w := weight[entry>>bits]
			seen += w
			if entry&ofTruth != 0 {
				hits += w
			}
			if entry&ofLast != 0 && hits > counted {
				sum += float64(hits-counted) * float64(hits) / float64(seen)
				counted = hits
			}
		}
		if hits > 0 {
			total += sum / float64(hits)
			labels++
		}
	}
	return ratio(total, float64(labels))
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
