package evaluate

import (
	"bedside/tools/metrics"
	"bedside/weights"
)

// Figures lists a report's headline numbers with the names people read.
func Figures(r metrics.Report) []weights.Figure {
	return []weights.Figure{
		{Name: "top label right", Value: r.Top1InSet},
		{Name: "recall at 3", Value: r.RecallAt3},
		{Name: "LRAP", Value: r.LRAP},
		{Name: "micro-F1", Value: r.MicroF1},
		{Name: "macro-F1", Value: r.MacroF1},
		{Name: "exactly right", Value: r.Accuracy},
		{Name: "mean average precision", Value: r.MAP},
		{Name: "calibration error (ECE)", Value: r.ECE},
		{Name: "coverage (something asserted)", Value: r.Coverage},
		{Name: "top asserted label right", Value: r.RightIfSure},
	}
}

// maxLabels is the number of labels up to which a card has a line for each.
const maxLabels = 200

// Evaluation is a report as a model card keeps it.
func Evaluation(protocol string, r metrics.Report) weights.Evaluation {
	e := weights.Evaluation{Protocol: protocol, N: r.N, Figures: Figures(r), Bins: r.Reliability, Curve: r.Curve, Pairs: r.Pairs}
	if len(r.PerLabel) <= maxLabels {
		e.PerLabel = r.PerLabel
	}
	return e
}

// Within notes the ends of the figures' intervals; none where draws lean so far that the figure lies outside.
func Within(figures []weights.Figure, low, high metrics.Report) []weights.Figure {
	below, above := Figures(low), Figures(high)
	for i := range figures {
		if f := &figures[i]; below[i].Value <= f.Value && f.Value <= above[i].Value {
			f.Low, f.High = below[i].Value, above[i].Value
		}
	}
	return figures
}
