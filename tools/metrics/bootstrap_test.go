package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// random answers for n examples of notes that some share; with ties, and labels that
// nobody has.
func randomAnswers(r *rand.Rand, n int, multiClass bool) Answers {
	const labels = 6
	a := Answers{MultiClass: multiClass}
	for l := range labels {
		a.Labels = append(a.Labels, fmt.Sprint(l))
	}
	for i := range n {
		var truth, asserted []int
		for l := range labels - 1 {
			a.Probabilities = append(a.Probabilities, float64(r.IntN(12))/11)
			if r.IntN(3) == 0 {
				truth = append(truth, l)
			}
			if r.IntN(3) == 0 {
				asserted = append(asserted, l)
			}
		}
		a.Probabilities = append(a.Probabilities, 0)
		if multiClass {
			truth = []int{r.IntN(labels - 1)}
		}
		a.Truth, a.Asserted, a.Notes = append(a.Truth, truth), append(a.Asserted, asserted), append(a.Notes, i/2)
	}
	return a
}

// TestDrawsAreMeasuredAsAnswersAre: counting a note twice is measuring its examples twice.
func TestDrawsAreMeasuredAsAnswersAre(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for trial := range 40 {
		a := randomAnswers(r, 30, trial%2 == 0)
		s := newSample(a, map[int]int{})
		drawn := make([]int, 15)
		repeated := Answers{Labels: a.Labels, MultiClass: a.MultiClass}
		for note := range drawn {
			drawn[note] = 1 + r.IntN(3)
			for range drawn[note] {
				for _, i := range []int{2 * note, 2*note + 1} {
					repeated.Truth, repeated.Asserted = append(repeated.Truth, a.Truth[i]), append(repeated.Asserted, a.Asserted[i])
					repeated.Probabilities = append(repeated.Probabilities, a.row(i)...)
				}
			}
		}
		want, got := figures(measure(t, repeated)), figures(s.measure(drawn))
		for i := range want {
			if math.Abs(want[i]-got[i]) > 1e-12 {
				t.Errorf("trial %d, figure %d: %v of the draw, %v of its answers", trial, i, got[i], want[i])
			}
		}
	}
}

func figures(r Report) []float64 {
	return []float64{r.Accuracy, r.MacroF1, r.MicroF1, r.Top1InSet, r.RecallAt3, r.LRAP, r.MAP, r.Coverage, r.RightIfSure}
}

// TestIntervalsHoldTheTruth: of intervals from many samples, some 95 % hold what the
// samples were drawn from. The percentile bootstrap is known to fall a little short.
func TestIntervalsHoldTheTruth(t *testing.T) {
	const trials, n, accuracy = 400, 80, 0.8
	r := rand.New(rand.NewPCG(3, 4))
	held := 0
	for trial := range trials {
		a := Answers{Labels: []string{"a", "b"}, MultiClass: true, Asserted: make([][]int, n)}
		for range n {
			a.Probabilities = append(a.Probabilities, .8, .2)
			a.Truth = append(a.Truth, []int{int(number(r.Float64() > accuracy))})
		}
		low, high, err := Intervals([]Answers{a}, 400, uint64(trial))
		if err != nil {
			t.Fatal(err)
		}
		if low.Accuracy <= accuracy && accuracy <= high.Accuracy {
			held++
		}
	}
	if share := float64(held) / trials; share < 0.91 || share > 0.98 {
		t.Errorf("the truth is in %.3f of the 95 %% intervals", share)
	}
}

// TestIntervalsKnowRepeatedNotes: the same notes answered again add no certainty.
func TestIntervalsKnowRepeatedNotes(t *testing.T) {
	a := randomAnswers(rand.New(rand.NewPCG(5, 6)), 60, false)
	width := func(runs ...Answers) float64 {
		low, high, err := Intervals(runs, 500, 1)
		if err != nil {
			t.Fatal(err)
		}
		return high.LRAP - low.LRAP
	}
	once := width(a)
	if again := width(a, a, a); math.Abs(again-once) > 1e-12 {
		t.Errorf("an interval of %v, and of %v where all notes were answered three times alike", once, again)
	}
	others := a
	others.Notes = nil
	for i := range a.Truth {
		others.Notes = append(others.Notes, 1000+i)
	}
	if more := width(a, others); more > 0.85*once {
		t.Errorf("an interval of %v, and of %v with twice the notes", once, more)
	}
}

func TestIntervalsRepeat(t *testing.T) {
	a := randomAnswers(rand.New(rand.NewPCG(7, 8)), 40, false)
	for seed := range uint64(3) {
		low, high, err := Intervals([]Answers{a}, 50, seed)
		if err != nil {
			t.Fatal(err)
		}
		again, _, _ := Intervals([]Answers{a}, 50, seed)
		at, l, h := figures(measure(t, a)), figures(low), figures(high)
		for i := range at {
			if l[i] != figures(again)[i] {
				t.Errorf("seed %d, figure %d: %v, then %v", seed, i, l[i], figures(again)[i])
			}
			if l[i] > h[i] {
				t.Errorf("seed %d, figure %d: %v to %v", seed, i, l[i], h[i])
			}
		}
	}
}

func TestIntervalsRefuse(t *testing.T) {
	for name, runs := range map[string][]Answers{
		"no run":    nil,
		"no note":   {{Labels: []string{"a"}}},
		"few notes": {{Labels: []string{"a"}, Probabilities: []float64{1}, Truth: [][]int{{0}}, Asserted: [][]int{{0}}, Notes: []int{1, 2}}},
	} {
		if _, _, err := Intervals(runs, 10, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCalibratedECE(t *testing.T) {
	one := Answers{Labels: []string{"a"}, Probabilities: []float64{.5}, Truth: [][]int{{}}, Asserted: make([][]int, 1)}
	if got := CalibratedECE(one, 10, 1); got != .5 {
		t.Errorf("%v for one note of confidence 0.5, want 0.5", got)
	}
	// Of two such notes none, one or two are right: a gap of 1, 0 or 1, in one draw of two, over two.
	two := Answers{Labels: []string{"a"}, Probabilities: []float64{.5, .5}, Truth: [][]int{{}, {}}, Asserted: make([][]int, 2)}
	if got := CalibratedECE(two, 20_000, 1); math.Abs(got-.25) > .01 {
		t.Errorf("%v for two notes of confidence 0.5, want 0.25", got)
	}
	if got := CalibratedECE(Answers{Labels: []string{"a"}}, 3, 1); got != 0 {
		t.Errorf("%v for no note", got)
	}
}

func TestMeanAndPool(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	a, b := randomAnswers(r, 10, false), randomAnswers(r, 10, false)
	mean := Mean([]Report{measure(t, a), measure(t, b)})
	if want := (measure(t, a).LRAP + measure(t, b).LRAP) / 2; math.Abs(mean.LRAP-want) > 1e-12 || mean.N != 10 {
		t.Errorf("mean LRAP %v of %d, want %v of 10", mean.LRAP, mean.N, want)
	}
	repeated, each, err := Repeated([]Answers{a, b})
	if err != nil || len(each) != 2 || repeated.LRAP != mean.LRAP || repeated.ECE != measure(t, Pool([]Answers{a, b})).ECE {
		t.Errorf("LRAP %v and ECE %v of %d runs, %v", repeated.LRAP, repeated.ECE, len(each), err)
	}
	if _, _, err := Repeated(nil); err == nil {
		t.Error("no run was measured")
	}
	pooled := measure(t, Pool([]Answers{a, b}))
	if pooled.N != 20 || math.Abs(pooled.LRAP-mean.LRAP) > 1e-12 {
		t.Errorf("LRAP %v of %d pooled, want %v of 20", pooled.LRAP, pooled.N, mean.LRAP)
	}
}

// TestResampled holds the interval of a mean to the normal approximation.
func TestResampled(t *testing.T) {
	const n = 400
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, n)
	for i := range values {
		values[i] = 3 + 2*random.NormFloat64()
	}
	mean := func(drawn []int) (m float64) {
		for _, i := range drawn {
			m += values[i] / n
		}
		return m
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	low, high := Resampled(n, 2000, 1, mean)
	centre, half := mean(all), 1.96*2/math.Sqrt(n)
	if math.Abs(low-(centre-half)) > half/5 || math.Abs(high-(centre+half)) > half/5 {
		t.Errorf("from %g to %g, want about %g to %g", low, high, centre-half, centre+half)
	}
	if again, _ := Resampled(n, 2000, 1, mean); again != low {
		t.Error("the same seed gives another interval")
	}
}
