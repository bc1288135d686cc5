package metrics

import (
	"slices"

	"bedside/weights"
)

// recallAt is the mean, over examples with labels, of the share of them among the
// first k ranked.
func recallAt(k int, truth, ranked [][]int) float64 {
	sum, examples := 0.0, 0
	for i, set := range truth {
		if len(set) == 0 {
			continue
		}
		hits := 0
		for _, l := range ranked[i][:min(k, len(ranked[i]))] {
			if has(set, l) {
				hits++
			}
		}
		examples++
		sum += float64(hits) / float64(len(set))
	}
	return ratio(sum, float64(examples))
}

// rankingPrecision is scikit-learn's label_ranking_average_precision_score: equals
// share the worst rank among them, and an example with no label, or all, scores 1.
func rankingPrecision(a Answers) float64 {
	sum := 0.0
	for i, set := range a.Truth {
		if len(set) == 0 || len(set) == len(a.Labels) {
			sum++
			continue
		}
		row, precision := a.row(i), 0.0
		for _, l := range set {
			rank, hits := 0, 0
			for other, p := range row {
				if p >= row[l] {
					rank++
				}
				if p >= row[l] && has(set, other) {
					hits++
				}
			}
			precision += float64(hits) / float64(rank)
		}
		sum += precision / float64(len(set))
	}
	return ratio(sum, float64(len(a.Truth)))
}

// meanAveragePrecision is the mean of scikit-learn's average_precision_score over the
// labels that some example has, and their number.
func meanAveragePrecision(a Answers) (mean float64, labels int) {
	sum := 0.0
	for l := range a.Labels {
		truth, scores := make([]bool, len(a.Truth)), make([]float64, len(a.Truth))
		positives := 0
		for i := range a.Truth {
			truth[i], scores[i] = has(a.Truth[i], l), a.row(i)[l]
			if truth[i] {
				positives++
			}
		}
		if positives > 0 {
			labels++
			sum += averagePrecision(truth, scores, positives)
		}
	}
	return ratio(sum, float64(labels)), labels
}

// averagePrecision sums precision times the recall gained, threshold by threshold;
// equal scores fall under one threshold.
func averagePrecision(truth []bool, scores []float64, positives int) float64 {
	order := make([]int, len(truth))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return falling(scores[x], scores[y]) })
	sum, hits, counted := 0.0, 0, 0
	for at, i := range order {
		if truth[i] {
			hits++
		}
		if at+1 < len(order) && scores[order[at+1]] == scores[i] {
			continue
		}
		sum += float64(hits-counted) / float64(positives) * float64(hits) / float64(at+1)
		counted = hits
	}
	return sum
}

// calibration compares the most probable label's probability with how often it is true,
// in bins [b/Bins, (b+1)/Bins), the last one closed.
func calibration(a Answers, ranked [][]int) (ece float64, bins []weights.Bin) {
	bins = make([]weights.Bin, Bins)
	for i, order := range ranked {
		p := a.row(i)[order[0]]
		b := &bins[binOf(p)]
		b.Count++
		b.Confidence += p
		if has(a.Truth[i], order[0]) {
			b.Accuracy++
		}
	}
	for b := range bins {
		count := float64(bins[b].Count)
		ece += ratio(max(bins[b].Confidence-bins[b].Accuracy, bins[b].Accuracy-bins[b].Confidence), float64(len(ranked)))
		bins[b].Confidence = ratio(bins[b].Confidence, count)
		bins[b].Accuracy = ratio(bins[b].Accuracy, count)
	}
	return ece, bins
}

func binOf(p float64) int { return min(int(p*Bins), Bins-1) }
