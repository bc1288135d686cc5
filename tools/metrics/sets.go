package metrics

import "bedside/weights"

// perLabel compares predicted with true sets, label by label.
func perLabel(labels []string, truth, predicted [][]int) []weights.LabelFigure {
	figures := make([]weights.LabelFigure, len(labels))
	hits := make([]int, len(labels))
	for i := range truth {
		for _, l := range truth[i] {
			figures[l].Support++
			if has(predicted[i], l) {
				hits[l]++
			}
		}
		for _, l := range predicted[i] {
			figures[l].Predicted++
		}
	}
	for l := range figures {
		f := &figures[l]
		f.Label = labels[l]
		f.Precision = ratio(float64(hits[l]), float64(f.Predicted))
		f.Recall = ratio(float64(hits[l]), float64(f.Support))
		f.F1 = ratio(2*float64(hits[l]), float64(f.Predicted+f.Support))
	}
	return figures
}

// averageF1 gives the mean over labels and the F1 of all decisions pooled.
func averageF1(figures []weights.LabelFigure, truth, predicted [][]int, multiClass bool) (macro, micro float64) {
	labels, sum := 0, 0.0
	for _, f := range figures {
		if multiClass && f.Support == 0 && f.Predicted == 0 {
			continue
		}
		labels++
		sum += f.F1
	}
	hits, decisions := 0, 0
	for i := range truth {
		decisions += len(truth[i]) + len(predicted[i])
		for _, l := range predicted[i] {
			if has(truth[i], l) {
				hits++
			}
		}
	}
	return ratio(sum, float64(labels)), ratio(2*float64(hits), float64(decisions))
}

// whenSure gives the share of examples with something asserted, and the share of
// those whose most probable asserted label is true.
func whenSure(a Answers, ranked [][]int) (coverage, right float64) {
	sure, hits := 0, 0
	for i, asserted := range a.Asserted {
		if len(asserted) == 0 {
			continue
		}
		sure++
		for _, l := range ranked[i] {
			if has(asserted, l) {
				if has(a.Truth[i], l) {
					hits++
				}
				break
			}
		}
	}
	return ratio(float64(sure), float64(len(a.Truth))), ratio(float64(hits), float64(sure))
}
