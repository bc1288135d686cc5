package train

import (
	"math/rand/v2"
	"testing"

	"bedside/tools/fit"
)

// TestThresholdsAreTheBest tries every threshold that makes a difference.
func TestThresholdsAreTheBest(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for round := range 300 {
		n := 1 + random.IntN(25)
		p, sets := make([]float64, n), make([][]int, n)
		for i := range p {
			p[i] = float64(random.IntN(8)) / 8 // many are equal
			if random.Float64() < p[i]*p[i] {
				sets[i] = []int{0}
			}
		}
		sets[random.IntN(n)] = []int{0}
		threshold := Thresholds(p, fit.MultiLabel(1, sets))[0]
		best, at := 0.0, 0.0
		for _, candidate := range p {
			if f1 := expectedF1(p, sets, candidate); candidate > 0 && f1 > best {
				best, at = f1, candidate
			}
		}
		if got := expectedF1(p, sets, threshold); got < best-1e-12 && !(threshold == LeastThreshold && at < LeastThreshold) {
			t.Fatalf("round %d: threshold %g gives %g, %g gives %g\n%v\n%v", round, threshold, got, at, best, p, sets)
		}
		if threshold < LeastThreshold {
			t.Fatalf("round %d: threshold %g", round, threshold)
		}
		for _, q := range p {
			if q == threshold && q != MultiClassThreshold {
				t.Fatalf("round %d: the threshold lies on a probability, %g", round, q)
			}
		}
	}
}

// expectedF1 is F1 where a row counts by half its label and half its probability.
func expectedF1(p []float64, sets [][]int, threshold float64) float64 {
	hits, asserted, total := 0.0, 0.0, 0.0
	for i := range p {
		truth := p[i]/2 + float64(len(sets[i]))/2
		total += truth
		if p[i] >= threshold {
			hits, asserted = hits+truth, asserted+1
		}
	}
	if asserted == 0 {
		return 0
	}
	return 2 * hits / (asserted + total)
}

func TestThresholdOfALabelNoRowHas(t *testing.T) {
	p := []float64{0.2, 1, 0.3, 0.999, 0.6, 1}
	thresholds := Thresholds(p, fit.MultiLabel(2, [][]int{{0}, nil, {0}}))
	for at := 1; at < len(p); at += 2 {
		if p[at] >= thresholds[1] {
			t.Errorf("probability %g is asserted, from %g", p[at], thresholds[1])
		}
	}
	if thresholds[0] > 0.3 {
		t.Errorf("the other label's threshold is %g", thresholds[0])
	}
}

func TestThresholdsOfOneLabelANote(t *testing.T) {
	for _, threshold := range Thresholds([]float64{0.9, 0.1, 0.2, 0.8}, fit.MultiClass(2, []int{0, 0})) {
		if threshold != MultiClassThreshold {
			t.Errorf("threshold %g", threshold)
		}
	}
}
