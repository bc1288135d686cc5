package metrics

import (
	"fmt"
	"reflect"
	"testing"

	"bedside/weights"
)

func measure(t *testing.T, a Answers) Report {
	t.Helper()
	r, err := Measure(a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCurve(t *testing.T) {
	// From the surest: right, then two that are equally sure of which one is right, then wrong.
	got := measure(t, Answers{
		Labels:        []string{"a", "b"},
		Probabilities: []float64{.3, .2, .9, 0, .1, .6, .6, .1},
		Truth:         [][]int{{1}, {0}, {1}, {1}},
		Asserted:      make([][]int, 4),
	}).Curve
	want := []weights.Point{
		{Confidence: .9, Answered: .25, Accuracy: 1},
		{Confidence: .6, Answered: .75, Accuracy: 2. / 3},
		{Confidence: .3, Answered: 1, Accuracy: .5},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("curve %v, want %v", got, want)
	}
}

func TestCurveIsBounded(t *testing.T) {
	for _, n := range []int{0, 1, 39, 40, 41, 1000} {
		a := Answers{Labels: []string{"a"}}
		for i := range n {
			a.Probabilities = append(a.Probabilities, float64(i)/1000)
			a.Truth, a.Asserted = append(a.Truth, []int{0}), append(a.Asserted, nil)
		}
		got := measure(t, a).Curve
		if len(got) != min(n, MaxPoints) {
			t.Errorf("%d notes: %d points", n, len(got))
		}
		if n > 0 && got[len(got)-1].Answered != 1 {
			t.Errorf("%d notes: the curve ends at %v", n, got[len(got)-1])
		}
	}
}

func TestPairsOfOneLabel(t *testing.T) {
	got := measure(t, Answers{
		Labels:        []string{"a", "b", "c"},
		Probabilities: []float64{0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0},
		Truth:         [][]int{{0}, {0}, {2}, {0}},
		Asserted:      make([][]int, 4),
		MultiClass:    true,
	}).Pairs
	want := []weights.Pair{{Missed: "a", Given: "b", Count: 2, Chance: 1}, {Missed: "c", Given: "a", Count: 1, Chance: .25}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("pairs %v, want %v", got, want)
	}
}

func TestPairsOfSeveralLabels(t *testing.T) {
	// d is given wrongly to all but one note, so that it stands beside whatever is missed; a
	// missed and b given belong together.
	got := measure(t, Answers{
		Labels:        []string{"a", "b", "c", "d"},
		Probabilities: make([]float64, 5*4),
		Truth:         [][]int{{0, 2}, {0}, {2}, {2}, {1}},
		Asserted:      [][]int{{1, 2, 3}, {1}, {3}, {2, 3}, {1, 3}},
	}).Pairs
	want := []weights.Pair{
		{Missed: "a", Given: "b", Count: 2, Chance: .8}, // missed in 2, given in 2, of 5
		{Missed: "c", Given: "d", Count: 1, Chance: .8}, // missed in 1, given in 4, of 5
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("pairs %v, want %v: a with d, once where chance gives 1.6, is none", got, want)
	}
}

func TestPairsAreBounded(t *testing.T) {
	a := Answers{}
	for l := range 30 {
		a.Labels = append(a.Labels, fmt.Sprint(l))
	}
	for l := range 30 {
		a.Truth, a.Asserted = append(a.Truth, []int{l}), append(a.Asserted, []int{(l + 1) % 30})
	}
	a.Probabilities = make([]float64, 30*30)
	if got := measure(t, a).Pairs; len(got) != MaxPairs || got[0].Missed != "0" {
		t.Errorf("%d pairs, the first of %v", len(got), got[0])
	}
}
