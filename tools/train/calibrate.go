package train

import (
	"math"

	"bedside/kernels/reference"
	"bedside/tools/fit"
	"bedside/weights"
)

// Calibrate fits the map from held-out scores [rows][labels] to probabilities.
//
// Multi-label: Platt's sigmoid for each label. Labels with few examples say little
// about themselves, so each label's slope and intercept are drawn towards those
// fitted on all labels together. A ceiling that all labels share is fitted last:
// where labels are missing from the data now and then, no score makes one certain,
// and a sigmoid alone would say so. Multi-class: one temperature.
//
// A score of fit.Floor or its negative says that the notes trained on all agreed about
// the label: it measures the split, not the classifier, and is left out.
func Calibrate(scores []float64, t fit.Targets) weights.Calibration {
	if t.MultiClass {
		return weights.Calibration{Kind: weights.Temperature, Slope: []float64{temperature(scores, t)}}
	}
	right := indicator(t)
	pooled := platt{slope: 1}
	known, truth := learnt(scores, right)
	pooled.fit(known, truth, nil)
	c := weights.Calibration{Kind: weights.Platt}
	for l := range t.Labels {
		p := pooled
		known, truth := learnt(column(scores, l, t.Labels), column(right, l, t.Labels))
		p.fit(known, truth, &pooled)
		c.Slope, c.Intercept = append(c.Slope, p.slope), append(c.Intercept, p.intercept)
	}
	c.Ceiling = ceiling(Probabilities(c, scores, t.Labels), scores, right)
	return c
}

// ceiling is the factor on the probabilities, 0.5 to 1, that minimizes their
// cross-entropy, which is convex in it: the zero of the derivative, by bisection.
func ceiling(probabilities, scores []float64, right []bool) float64 {
	falls := func(factor float64) bool {
		slope := 0.0
		for i, p := range probabilities {
			switch {
			case unlearnt(scores[i]):
			case right[i]:
				slope -= 1 / factor
			case p > 0:
				slope += p / max(1-factor*p, 1e-12)
			}
		}
		return slope < 0
	}
	low, high := 0.5, 1.0
	if falls(high) {
		return high
	}
	for range 50 {
		if middle := (low + high) / 2; falls(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func unlearnt(score float64) bool { return math.Abs(score) == -fit.Floor }

// learnt keeps the scores, and what is right of them, that stand for something learnt.
func learnt(scores []float64, right []bool) ([]float64, []bool) {
	var known []float64
	var truth []bool
	for i, s := range scores {
		if !unlearnt(s) {
			known, truth = append(known, s), append(truth, right[i])
		}
	}
	return known, truth
}

// platt is sigmoid(slope*score + intercept).
type platt struct{ slope, intercept float64 }

// pull is the precision of the Gaussian prior that draws a label's slope (relative to
// the pooled one) and intercept to the pooled fit: a standard deviation near 1.8.
const pull = 0.3

// fit minimizes the logistic loss of p, starting from it, by damped Newton steps; the
// loss and the prior are convex in both parameters.
func (p *platt) fit(scores []float64, right []bool, prior *platt) {
	loss := p.loss(scores, right, prior)
	damping := 1e-6
	for range 200 {
		g0, g1, h00, h01, h11 := p.derivatives(scores, right, prior)
		if math.Hypot(g0, g1) < 1e-9*float64(len(scores)) {
			return
		}
		a, d := h00*(1+damping)+1e-12, h11*(1+damping)+1e-12
		det := a*d - h01*h01
		next := platt{p.slope - (d*g0-h01*g1)/det, p.intercept - (a*g1-h01*g0)/det}
		next.slope = max(next.slope, 1e-3) // a higher score must never mean a lower probability
		if better := next.loss(scores, right, prior); better < loss {
			*p, loss, damping = next, better, damping/8
		} else if damping *= 16; damping > 1e8 {
			return
		}
	}
}

func (p platt) loss(scores []float64, right []bool, prior *platt) float64 {
	sum := 0.0
	for i, s := range scores {
		z := p.slope*s + p.intercept
		if right[i] {
			z = -z
		}
		sum += math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z)))
	}
	if prior != nil {
		da, db := p.slope/prior.slope-1, p.intercept-prior.intercept
		sum += pull / 2 * (da*da + db*db)
	}
	return sum
}

func (p platt) derivatives(scores []float64, right []bool, prior *platt) (g0, g1, h00, h01, h11 float64) {
	for i, s := range scores {
		q := reference.Sigmoid(p.slope*s + p.intercept)
		e := q
		if right[i] {
			e--
		}
		w := q * (1 - q)
		g0, g1 = g0+e*s, g1+e
		h00, h01, h11 = h00+w*s*s, h01+w*s, h11+w
	}
	if prior != nil {
		g0 += pull * (p.slope/prior.slope - 1) / prior.slope
		g1 += pull * (p.intercept - prior.intercept)
		h00 += pull / (prior.slope * prior.slope)
		h11 += pull
	}
	return g0, g1, h00, h01, h11
}

// temperature is the factor on the scores that minimizes the cross-entropy of their
// softmax, searched between 1/1000 and 1000, drawn weakly towards 1: scores that
// separate a few notes perfectly would otherwise make the model certain of any note.
func temperature(scores []float64, t fit.Targets) float64 {
	loss := func(factor float64) float64 {
		towards1 := math.Log(factor)
		sum, row := pull/2*towards1*towards1, make([]float64, t.Labels)
		for i, set := range t.Sets {
			if unlearnt(scores[i*t.Labels+set[0]]) {
				continue
			}
			for l := range row {
				row[l] = factor * scores[i*t.Labels+l]
			}
			reference.Softmax(row)
			sum -= math.Log(max(row[set[0]], 1e-300))
		}
		return sum
	}
	low, high := math.Log(1e-3), math.Log(1e3)
	const golden = 0.6180339887498949
	for high-low > 1e-4 {
		a, b := high-golden*(high-low), low+golden*(high-low)
		if loss(math.Exp(a)) < loss(math.Exp(b)) {
			high = b
		} else {
			low = a
		}
	}
	return math.Exp((low + high) / 2)
}

// indicator is the targets as a dense matrix, [rows][labels].
func indicator(t fit.Targets) []bool {
	right := make([]bool, len(t.Sets)*t.Labels)
	for i, set := range t.Sets {
		for _, l := range set {
			right[i*t.Labels+l] = true
		}
	}
	return right
}

// column takes column l of a dense matrix [rows][labels].
func column[T any](matrix []T, l, labels int) []T {
	out := make([]T, 0, len(matrix)/labels)
	for at := l; at < len(matrix); at += labels {
		out = append(out, matrix[at])
	}
	return out
}
