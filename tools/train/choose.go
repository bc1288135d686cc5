package train

import (
	"math"
	"math/rand/v2"

	"bedside/tools/fit"
)

// choose answers which trial to keep: of the first feature set that comes within slack
// of the best macro-F1, the best trial. Feature sets are listed cheapest first, and so are
// hidden layers, which count as such. A slack
// of 0 means one standard error (Breiman et al., 1984): a difference that another
// sample of notes could turn around is not worth a slower model.
func choose(trials []Trial, t fit.Targets, slack float64, seed uint64) int {
	best := 0
	for i := range trials {
		if trials[i].MacroF1 > trials[best].MacroF1 {
			best = i
		}
	}
	if slack == 0 {
		slack = standardError(trials[best].asserted, t, seed)
	}
	enough := trials[best].MacroF1 - slack
	chosen := -1
	for i, trial := range trials {
		switch {
		case chosen < 0:
			if trial.MacroF1 >= enough {
				chosen = i
			}
		case trial.Candidate.Features.Name != trials[chosen].Candidate.Features.Name || trial.Candidate.Hidden != trials[chosen].Candidate.Hidden:
			return chosen
		case trial.MacroF1 > trials[chosen].MacroF1:
			chosen = i
		}
	}
	return chosen
}

// standardError is the deviation of macro-F1 over samples of examples drawn with
// replacement.
func standardError(asserted []bool, t fit.Targets, seed uint64) float64 {
	const samples = 200
	random := rand.New(rand.NewPCG(seed, 0xb0075))
	n, sum, squares := len(t.Sets), 0.0, 0.0
	drawn, drawnAsserted := make([]int, n), make([]bool, len(asserted))
	for range samples {
		for k := range drawn {
			i := random.IntN(n)
			drawn[k] = i
			copy(drawnAsserted[k*t.Labels:(k+1)*t.Labels], asserted[i*t.Labels:])
		}
		macro, _ := f1(drawnAsserted, t.Select(drawn))
		sum, squares = sum+macro, squares+macro*macro
	}
	mean := sum / samples
	return math.Sqrt(max(squares/samples-mean*mean, 0))
}
