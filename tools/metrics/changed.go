package metrics

import (
	"errors"
	"slices"
)

// Changed counts the examples whose most probable label is another in b than in a, which has
// the same examples, and the same labels in the same order.
func Changed(a, b Answers) (int, error) {
	if !slices.Equal(a.Labels, b.Labels) || len(a.Probabilities) != len(b.Probabilities) {
		return 0, errors.New("answers about other examples, or of other labels, cannot be held against each other")
	}
	changed, other := 0, b.rank()
	for i, order := range a.rank() {
		if order[0] != other[i][0] {
			changed++
		}
	}
	return changed, nil
}
