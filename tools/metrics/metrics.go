// Package metrics measures a classifier's answers against the truth. Figures mean what
// scikit-learn 1.2 means by them; where it leaves a case open, the doc comment decides.
package metrics

import (
	"fmt"
	"slices"

	"bedside/weights"
)

// Answers are what a classifier said of n examples, and what is true of them.
type Answers struct {
	Labels        []string  // names, by index
	Probabilities []float64 // [n][labels], 0 to 1
	Truth         [][]int   // per example, its label indexes, ascending
	Asserted      [][]int   // per example, the labels asserted, ascending; none means "not sure"
	Notes         []int     // per example, the number of its note, equal notes sharing one; nil: each its own

	// MultiClass says that every example has one label. Predictions are then the most
	// probable label, asserted or not; otherwise they are the asserted ones.
	MultiClass bool
}

// Report is the figures. Shares are 0 to 1, and 0 where there is nothing to share out.
type Report struct {
	N             int `json:"n"`              // examples measured
	UnknownLabels int `json:"unknown_labels"` // labels in the data that the model does not have; set by the caller

	Accuracy float64 `json:"accuracy"` // predicted exactly the true labels
	MacroF1  float64 `json:"macro_f1"` // over all labels; multi-class: over those that are true or predicted somewhere
	MicroF1  float64 `json:"micro_f1"`

	Top1InSet   float64 `json:"top1_in_set"` // the most probable label is true
	RecallAt3   float64 `json:"recall_at_3"` // share of an example's labels among its 3 most probable; over examples with labels
	LRAP        float64 `json:"lrap"`        // label ranking average precision
	MAP         float64 `json:"mean_average_precision"`
	MAPLabels   int     `json:"mean_average_precision_labels"` // that it is the mean over: those that some example has
	ECE         float64 `json:"ece"`                           // expected calibration error of the most probable label
	Coverage    float64 `json:"coverage"`                      // share of examples with something asserted
	RightIfSure float64 `json:"accuracy_when_sure"`            // of those, share whose most probable asserted label is true

	PerLabel    []weights.LabelFigure `json:"per_label"`
	Reliability []weights.Bin         `json:"reliability"` // the bins of ECE, by rising confidence
	Curve       []weights.Point       `json:"curve"`       // answering less, by falling confidence
	Pairs       []weights.Pair        `json:"pairs"`       // the most confused

	LatencyMS float64 `json:"latency_ms"` // median time to classify one note; set by the caller
}

// Bins is the number of bins of equal width that calibration error is taken over.
const Bins = 15

// Measure computes a report, all but what its caller sets. Equally probable labels rank
// by index.
func Measure(a Answers) (Report, error) {
	if err := a.validate(); err != nil {
		return Report{}, err
	}
	ranked := a.rank()
	predicted := a.predicted(ranked)
	r := Report{N: len(a.Truth)}
	r.Accuracy = share(len(a.Truth), func(i int) bool { return slices.Equal(predicted[i], a.Truth[i]) })
	r.Top1InSet = share(len(a.Truth), func(i int) bool { return has(a.Truth[i], ranked[i][0]) })
	r.PerLabel = perLabel(a.Labels, a.Truth, predicted)
	r.MacroF1, r.MicroF1 = averageF1(r.PerLabel, a.Truth, predicted, a.MultiClass)
	r.RecallAt3 = recallAt(3, a.Truth, ranked)
	r.LRAP = rankingPrecision(a)
	r.MAP, r.MAPLabels = meanAveragePrecision(a)
	r.ECE, r.Reliability = calibration(a, ranked)
	r.Coverage, r.RightIfSure = whenSure(a, ranked)
	r.Curve, r.Pairs = curve(a, ranked), pairs(a, predicted)
	return r, nil
}

func (a Answers) predicted(ranked [][]int) [][]int {
	if !a.MultiClass {
		return a.Asserted
	}
	first := make([][]int, len(ranked))
	for i, order := range ranked {
		first[i] = order[:1]
	}
	return first
}

func (a Answers) note(i int) int {
	if a.Notes == nil {
		return i
	}
	return a.Notes[i]
}

func (a Answers) validate() error {
	n, k := len(a.Truth), len(a.Labels)
	if k == 0 {
		return fmt.Errorf("no labels to measure")
	}
	if a.Notes != nil && len(a.Notes) != n {
		return fmt.Errorf("%d examples with the numbers of %d notes", n, len(a.Notes))
	}
	if len(a.Probabilities) != n*k || len(a.Asserted) != n {
		return fmt.Errorf("%d examples of %d labels, with %d probabilities and %d answers", n, k, len(a.Probabilities), len(a.Asserted))
	}
	for at, p := range a.Probabilities {
		if !(p >= 0 && p <= 1) {
			return fmt.Errorf("example %d, label %q: %g is not a probability", at/k, a.Labels[at%k], p)
		}
	}
	for i := range n {
		if a.MultiClass && len(a.Truth[i]) != 1 {
			return fmt.Errorf("example %d has %d labels in a multi-class task", i, len(a.Truth[i]))
		}
		for _, set := range [][]int{a.Truth[i], a.Asserted[i]} {
			last := -1
			for _, l := range set {
				if l <= last || l >= k {
					return fmt.Errorf("example %d: label %d after label %d, of %d labels", i, l, last, k)
				}
				last = l
			}
		}
	}
	return nil
}

func (a Answers) row(i int) []float64 {
	k := len(a.Labels)
	return a.Probabilities[i*k : (i+1)*k]
}

// rank orders the labels of each example by falling probability.
func (a Answers) rank() [][]int {
	ranked := make([][]int, len(a.Truth))
	for i := range ranked {
		row, order := a.row(i), make([]int, len(a.Labels))
		for l := range order {
			order[l] = l
		}
		slices.SortStableFunc(order, func(x, y int) int { return falling(row[x], row[y]) })
		ranked[i] = order
	}
	return ranked
}

func falling(x, y float64) int {
	switch {
	case x > y:
		return -1
	case x < y:
		return 1
	}
	return 0
}

func has(set []int, l int) bool {
	_, found := slices.BinarySearch(set, l)
	return found
}

// share is the part of 0 to n for which yes holds.
func share(n int, yes func(i int) bool) float64 {
	count := 0
	for i := range n {
		if yes(i) {
			count++
		}
	}
	return ratio(float64(count), float64(n))
}

// ratio is 0 where it is undefined.
func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}
