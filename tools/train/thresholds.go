package train

import (
	"cmp"
	"slices"

	"bedside/tools/fit"
)

// MultiClassThreshold asserts a class when it is at least as likely as all others together.
const MultiClassThreshold = 0.5

// Never is a threshold that no probability reaches: nothing speaks for the label.
const Never = 2

// LeastThreshold keeps a label from being asserted on a probability that a reader
// would take for a no. F1 alone would do so for rare labels.
const LeastThreshold = 0.2

// Thresholds chooses, on held-out probabilities [rows][labels], the probability from
// which each label is asserted.
//
// Multi-label: the threshold with the best F1, where each row counts as right by half
// its label and half its probability. Labels alone make thresholds of rare labels hang
// on single rows; probabilities alone trust the calibration blindly. A label that no
// row has gets Never.
func Thresholds(probabilities []float64, t fit.Targets) []float64 {
	thresholds := make([]float64, t.Labels)
	right := indicator(t)
	for l := range thresholds {
		thresholds[l] = MultiClassThreshold
		if t.MultiClass {
			continue
		}
		if truth := column(right, l, t.Labels); slices.Contains(truth, true) {
			thresholds[l] = bestF1(column(probabilities, l, t.Labels), truth)
		} else {
			thresholds[l] = Never
		}
	}
	return thresholds
}

func bestF1(probabilities []float64, right []bool) float64 {
	order := make([]int, len(probabilities))
	truth, total := make([]float64, len(right)), 0.0
	for i, p := range probabilities {
		order[i], truth[i] = i, p/2
		if right[i] {
			truth[i] += 0.5
		}
		total += truth[i]
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(probabilities[b], probabilities[a]), cmp.Compare(a, b))
	})
	best, threshold, hits := -1.0, MultiClassThreshold, 0.0
	for k, i := range order {
		hits += truth[i]
		next := 0.0
		if k+1 < len(order) {
			next = probabilities[order[k+1]]
		}
		if next == probabilities[i] {
			continue
		}
		if f1 := 2 * hits / (float64(k+1) + total); f1 > best {
			best, threshold = f1, (probabilities[i]+next)/2
		}
	}
	return max(threshold, LeastThreshold)
}
