package train

import (
	"fmt"
	"slices"

	"bedside/tools/dataset"
	"bedside/tools/fit"
	"bedside/wasm/classify"
	"bedside/weights"
)

// Settle fits what stands between scores and answers, on scores [rows][labels] of notes that
// whoever scored them did not see: calibration, and the thresholds on what it gives.
func Settle(scores []float64, t fit.Targets) (weights.Calibration, []float64) {
	c := Calibrate(scores, t)
	return c, Thresholds(Probabilities(c, scores, t.Labels), t)
}

// Probabilities calibrates scores [rows][labels].
func Probabilities(c weights.Calibration, scores []float64, labels int) []float64 {
	p := make([]float64, len(scores))
	for at := 0; at < len(scores); at += labels {
		classify.Calibrate(c, scores[at:at+labels], p[at:at+labels])
	}
	return p
}

// Targets are the labels of the examples as a model numbers them that has the named ones. It
// has to have all that the data have.
func Targets(d *dataset.Dataset, labels []string, multiLabel bool) (fit.Targets, error) {
	position, strange := make([]int, len(d.Labels)), 0
	for i, name := range d.Labels {
		if position[i] = slices.Index(labels, name); position[i] < 0 {
			strange++
		}
	}
	if strange > 0 { // unnamed: with the wrong column a label is a note
		return fit.Targets{}, fmt.Errorf("%d of the data's %d labels are none of the model's %d: is --label the right column, and --label-separator what stands between them?", strange, len(d.Labels), len(labels))
	}
	sets := make([][]int, len(d.Examples))
	for i, e := range d.Examples {
		if !multiLabel && len(e.Labels) != 1 {
			return fit.Targets{}, fmt.Errorf("row %d has %d labels, and the model gives every note one", e.Row, len(e.Labels))
		}
		for _, l := range e.Labels {
			sets[i] = append(sets[i], position[l])
		}
		slices.Sort(sets[i])
	}
	t := fit.MultiLabel(len(labels), sets)
	t.MultiClass = !multiLabel
	return t, nil
}
