package metrics

import "testing"

func TestChanged(t *testing.T) {
	answers := func(labels []string, p ...float64) Answers {
		return Answers{Labels: labels, Probabilities: p, Truth: make([][]int, len(p)/len(labels))}
	}
	two := []string{"a", "b"}
	of := answers(two, .9, .1, .4, .6, .5, .5)
	for _, test := range []struct {
		name string
		b    Answers
		want int
	}{
		{"itself", of, 0},
		{"other probabilities", answers(two, .6, .4, 0, 1, .9, .1), 0},
		{"two others, a tie among them", answers(two, .4, .6, .4, .6, .4, .6), 2},
		{"other labels", answers([]string{"b", "a"}, .9, .1, .4, .6, .5, .5), -1},
		{"fewer examples", answers(two, .9, .1), -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Changed(of, test.b)
			if (err != nil) != (test.want < 0) || err == nil && got != test.want {
				t.Errorf("%d (%v), want %d", got, err, test.want)
			}
		})
	}
}
