package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"bedside/tools/fit"
)

func TestChoose(t *testing.T) {
	const labels, n = 2, 100
	random := rand.New(rand.NewPCG(17, 18))
	targets := fit.Targets{Labels: labels, Sets: make([][]int, n)}
	asserted := make([]bool, n*labels) // right nine times in ten
	for i := range targets.Sets {
		for l := range labels {
			has := random.IntN(2) == 0
			if has {
				targets.Sets[i] = append(targets.Sets[i], l)
			}
			asserted[i*labels+l] = has != (random.IntN(10) == 0)
		}
	}
	type tried struct {
		features string
		macroF1  float64
	}
	tests := []struct {
		name  string
		slack float64
		tried []tried
		want  int
	}{
		{"the only one", 0, []tried{{"word", 0.9}}, 0},
		{"the best of one feature set", 0, []tried{{"word", 0.899}, {"word", 0.9}, {"word", 0.898}}, 1},
		{"the first of equals", 0, []tried{{"word", 0.9}, {"word", 0.9}}, 0},
		{"within a standard error, the cheaper", 0, []tried{{"word", 0.5}, {"word", 0.895}, {"char", 0.9}}, 1},
		{"of the cheaper, the best", 0, []tried{{"word", 0.894}, {"word", 0.896}, {"word", 0.895}, {"char", 0.9}}, 1},
		{"beyond a standard error, the better", 0, []tried{{"word", 0.8}, {"char", 0.9}}, 1},
		{"within the slack asked for", 0.2, []tried{{"word", 0.75}, {"char", 0.9}}, 0},
		{"beyond the slack asked for", 0.001, []tried{{"word", 0.895}, {"char", 0.9}, {"word+char", 0.8995}}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var trials []Trial
			for _, x := range test.tried {
				c := Candidate{Features: FeatureSet{Name: x.features}}
				trials = append(trials, Trial{Candidate: c, MacroF1: x.macroF1, asserted: asserted})
			}
			if got := choose(trials, targets, test.slack, 1); got != test.want {
				t.Errorf("trial %d, want %d", got, test.want)
			}
		})
	}
	heads := []Trial{{MacroF1: 0.89}, {MacroF1: 0.895}, {MacroF1: 0.9}}
	for i := range heads {
		heads[i].asserted, heads[i].Candidate.Hidden = asserted, 8*i
	}
	if got := choose(heads, targets, 0, 1); got != 0 {
		t.Errorf("of hidden layers within a standard error, number %d is chosen", got)
	}
	if got := choose(heads, targets, 0.001, 1); got != 2 {
		t.Errorf("of hidden layers beyond the slack, number %d is chosen", got)
	}
	// Of 100 notes, about 50 with each label and errors on one in ten, macro-F1 is
	// uncertain by about 0.3/sqrt(200).
	if e := standardError(asserted, targets, 1); math.Abs(e-0.02) > 0.008 {
		t.Errorf("standard error %.4f", e)
	}
}
