package train

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"bedside/kernels/reference"
	"bedside/tools/fit"
)

// drawn makes held-out scores of labels whose true slopes and intercepts are given.
func drawn(n int, slope, intercept []float64) ([]float64, fit.Targets) {
	random := rand.New(rand.NewPCG(1, 2))
	labels := len(slope)
	scores, sets := make([]float64, 0, n*labels), make([][]int, n)
	for i := range sets {
		for l := range labels {
			s := 2 * random.NormFloat64()
			scores = append(scores, s)
			if random.Float64() < reference.Sigmoid(slope[l]*s+intercept[l]) {
				sets[i] = append(sets[i], l)
			}
		}
	}
	return scores, fit.MultiLabel(labels, sets)
}

func TestPlattFindsTheSigmoid(t *testing.T) {
	slope, intercept := []float64{2, 0.7, 1}, []float64{-1, 0.5, -3}
	c := Calibrate(drawn(20000, slope, intercept))
	for l := range slope {
		if math.Abs(c.Slope[l]/slope[l]-1) > 0.1 || math.Abs(c.Intercept[l]-intercept[l]) > 0.15 {
			t.Errorf("label %d: slope %.3f and intercept %.3f, drawn with %g and %g", l, c.Slope[l], c.Intercept[l], slope[l], intercept[l])
		}
	}
}

func TestPlattNeverTurnsScoresAround(t *testing.T) {
	scores, targets := drawn(2000, []float64{-1.5, 1}, []float64{-2, 0})
	c := Calibrate(scores, targets)
	p := Probabilities(c, scores, 2)
	mean, share := 0.0, 0.0
	for i, set := range targets.Sets {
		mean += p[2*i] / 2000
		if len(set) > 0 && set[0] == 0 {
			share += 1.0 / 2000
		}
	}
	if c.Slope[0] < 1e-3 {
		t.Errorf("slope %g", c.Slope[0])
	}
	if math.Abs(mean-share) > 0.02 {
		t.Errorf("mean probability %.3f, share of rows %.3f", mean, share)
	}
}

func TestRareLabelsAreDrawnToTheRest(t *testing.T) {
	scores, targets := drawn(400, []float64{2, 2, -9}, []float64{-1, -1, -99})
	for i := range targets.Sets { // the third label: one row, the only one with a score above 0
		scores[3*i+2] = -3
	}
	scores[3*7+2] = 0.5
	targets.Sets[7] = append(targets.Sets[7], 2)
	c := Calibrate(scores, targets)
	if ratio := c.Slope[2] / c.Slope[0]; ratio < 0.5 || ratio > 4 {
		t.Errorf("a label with one example has a slope of %.2f, the common ones %.2f and %.2f", c.Slope[2], c.Slope[0], c.Slope[1])
	}
	p := Probabilities(c, scores, 3)
	if p[3*7+2] < 0.3 || p[2] > 0.05 {
		t.Errorf("its row has probability %.3f, the others %.3f", p[3*7+2], p[2])
	}
}

func TestCalibratingALabelNoRowHas(t *testing.T) {
	scores, targets := drawn(300, []float64{1, 1}, []float64{0, -1000})
	c := Calibrate(scores, targets)
	for i, p := range Probabilities(c, scores, 2) {
		if math.IsNaN(p) || i%2 == 1 && p > 0.2 {
			t.Fatalf("probability %g of label %d; slopes %v, intercepts %v", p, i%2, c.Slope, c.Intercept)
		}
	}
}

func TestTemperatureFindsTheFactor(t *testing.T) {
	for _, factor := range []float64{0.2, 1, 2.5, 40} {
		random := rand.New(rand.NewPCG(3, 4))
		var scores []float64
		var of []int
		for range 5000 {
			row := []float64{random.NormFloat64() / factor, random.NormFloat64() / factor, random.NormFloat64() / factor}
			scores = append(scores, row...)
			for l := range row {
				row[l] *= factor
			}
			reference.Softmax(row)
			at, class := random.Float64(), 0
			for class < 2 && at > row[class] {
				at -= row[class]
				class++
			}
			of = append(of, class)
		}
		c := Calibrate(scores, fit.MultiClass(3, of))
		if len(c.Slope) != 1 || math.Abs(c.Slope[0]/factor-1) > 0.06 {
			t.Errorf("temperature %v, drawn with %g", c.Slope, factor)
		}
	}
}

func TestCeiling(t *testing.T) {
	for _, kept := range []float64{1, 0.8, 0.6, 0.2} { // the share of true labels that stand in the data
		random := rand.New(rand.NewPCG(15, 16))
		p, scores, right := make([]float64, 20000), make([]float64, 20000), make([]bool, 20000)
		for i := range p {
			scores[i] = 3 * random.NormFloat64()
			p[i] = reference.Sigmoid(scores[i])
			right[i] = random.Float64() < kept*p[i]
		}
		if got, want := ceiling(p, scores, right), max(kept, 0.5); math.Abs(got-want) > 0.015 {
			t.Errorf("ceiling %.3f where %g of the true labels are kept", got, kept)
		}
	}
}

// TestUnlearntScoresSayNothing adds rows of a fold that never saw their label.
func TestUnlearntScoresSayNothing(t *testing.T) {
	t.Run("several labels", func(t *testing.T) {
		scores, targets := drawn(500, []float64{1.5}, []float64{-1})
		want := Calibrate(scores, targets)
		for _, floor := range []float64{fit.Floor, -fit.Floor} {
			scores = append(scores, floor, floor)
			targets.Sets = append(targets.Sets, []int{0}, nil)
		}
		got := Calibrate(scores, targets)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, without them %+v", got, want)
		}
	})
	t.Run("one label", func(t *testing.T) {
		scores, of := []float64{2, 0, 0, 1, 1, 0, 3, 1, 0}, []int{0, 1, 0}
		want := Calibrate(scores, fit.MultiClass(3, of)).Slope[0]
		got := Calibrate(append(scores, 1, 2, fit.Floor), fit.MultiClass(3, append(of, 2))).Slope[0]
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("temperature %g, without it %g", got, want)
		}
	})
	t.Run("nothing else", func(t *testing.T) {
		c := Calibrate([]float64{fit.Floor, fit.Floor}, fit.MultiLabel(1, [][]int{{0}, nil}))
		if math.IsNaN(c.Slope[0]) || math.IsNaN(c.Intercept[0]) || c.Slope[0] <= 0 {
			t.Errorf("%+v", c)
		}
	})
}

func TestProbabilitiesRiseWithScores(t *testing.T) {
	scores, targets := drawn(300, []float64{1, -1, 0}, []float64{0, 0, 0})
	c := Calibrate(scores, targets)
	for l := range 3 {
		low, high := []float64{-1, -1, -1}, []float64{-1, -1, -1}
		high[l] = 4
		if a, b := Probabilities(c, low, 3), Probabilities(c, high, 3); a[l] >= b[l] {
			t.Errorf("label %d: probability %g at -1, %g at 4", l, a[l], b[l])
		}
	}
}

// TestTemperatureOfSeparableScores: a few notes told apart without a mistake are no
// reason to be certain of every other.
func TestTemperatureOfSeparableScores(t *testing.T) {
	var scores []float64
	var labels []int
	for i := range 60 {
		l := i % 2
		scores = append(scores, float64(1-2*l), float64(2*l-1))
		labels = append(labels, l)
	}
	c := Calibrate(scores, fit.MultiClass(2, labels))
	if factor := c.Slope[0]; factor < 1 || factor > 5 {
		t.Errorf("factor %g, want certainty, but not without bounds", factor)
	}
	for i := range scores {
		scores[i] = 0
	}
	if factor := Calibrate(scores, fit.MultiClass(2, labels)).Slope[0]; factor < 0.99 || factor > 1.01 {
		t.Errorf("factor %g where the scores say nothing, want 1", factor)
	}
}
