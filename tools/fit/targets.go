package fit

import (
	"errors"
	"fmt"
)

// Targets are the labels of each row.
type Targets struct {
	Labels int     // number of labels
	Sets   [][]int // per row, its labels, ascending
	// MultiClass says that every row has exactly one label and the labels exclude
	// each other.
	MultiClass bool
}

// MultiClass gives the targets of rows with one label each.
func MultiClass(labels int, of []int) Targets {
	t := Targets{Labels: labels, Sets: make([][]int, len(of)), MultiClass: true}
	for i := range of {
		t.Sets[i] = of[i : i+1 : i+1]
	}
	return t
}

// MultiLabel gives the targets of rows with any number of labels each.
func MultiLabel(labels int, sets [][]int) Targets {
	return Targets{Labels: labels, Sets: sets}
}

// Select names the targets of the named rows, in that order.
func (t Targets) Select(rows []int) Targets {
	s := Targets{Labels: t.Labels, Sets: make([][]int, len(rows)), MultiClass: t.MultiClass}
	for k, i := range rows {
		s.Sets[k] = t.Sets[i]
	}
	return s
}

// Validate reports the first way in which these are not the targets of so many rows.
func (t Targets) Validate(rows int) error {
	if t.Labels < 1 {
		return errors.New("targets without labels")
	}
	if rows == 0 {
		return errors.New("no rows to learn from")
	}
	if len(t.Sets) != rows {
		return fmt.Errorf("targets for %d rows, features for %d", len(t.Sets), rows)
	}
	for i, set := range t.Sets {
		if t.MultiClass && len(set) != 1 {
			return fmt.Errorf("row %d has %d labels in a multi-class task", i, len(set))
		}
		last := -1
		for _, l := range set {
			if l <= last || l >= t.Labels {
				return fmt.Errorf("row %d: label %d after label %d, of %d labels", i, l, last, t.Labels)
			}
			last = l
		}
	}
	return nil
}

// counts gives the number of rows that have each label.
func (t Targets) counts() []int {
	n := make([]int, t.Labels)
	for _, set := range t.Sets {
		for _, l := range set {
			n[l]++
		}
	}
	return n
}

// Balance chooses how classes are weighted. Of n rows, c of them with a label:
type Balance int

const (
	// Unweighted gives every row weight 1.
	Unweighted Balance = iota

	// BalancedLabels weighs each label's own yes-or-no problem: n/(2c) for rows with
	// the label, n/(2(n-c)) for rows without. scikit-learn: class_weight="balanced"
	// inside OneVsRestClassifier, and LogisticRegression(multi_class="ovr") with lbfgs.
	BalancedLabels

	// BalancedClasses weighs the classes of a multi-class task against each other:
	// n/(kc) for rows of a class, k counting the classes that occur. One against the
	// rest, a label's own rows get that weight and the rest get 1, as liblinear does.
	// scikit-learn: class_weight="balanced" in LogisticRegression (multinomial, or
	// solver="liblinear") and LinearSVC, given one class per row.
	BalancedClasses
)

// Weights gives, per label, the weight of rows with it and of rows without it.
func (b Balance) Weights(t Targets) (with, without []float64, err error) {
	with, without = make([]float64, t.Labels), make([]float64, t.Labels)
	counts, n, classes := t.counts(), float64(len(t.Sets)), 0.0
	for _, c := range counts {
		if c > 0 {
			classes++
		}
	}
	if b == BalancedClasses && !t.MultiClass {
		return nil, nil, errors.New("classes can be balanced against each other in multi-class tasks only: balance labels instead")
	}
	for l, c := range counts {
		with[l], without[l] = 1, 1
		switch {
		case c == 0 || c == len(t.Sets):
		case b == BalancedLabels:
			with[l], without[l] = n/(2*float64(c)), n/(2*(n-float64(c)))
		case b == BalancedClasses:
			with[l] = n / (classes * float64(c))
		}
	}
	return with, without, nil
}
