package metrics

import (
	"cmp"
	"slices"

	"bedside/weights"
)

// MaxPoints and MaxPairs bound what a report says of its answers one by one.
const (
	MaxPoints = 40
	MaxPairs  = 20
)

// curve orders the examples by how probable their most probable label is, and says how
// often that is true of the surest share of them, for at most MaxPoints shares. Equally
// sure examples are answered together.
func curve(a Answers, ranked [][]int) []weights.Point {
	n := len(ranked)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	sure := func(i int) float64 { return a.row(i)[ranked[i][0]] }
	slices.SortStableFunc(order, func(x, y int) int { return falling(sure(x), sure(y)) })
	var points []weights.Point
	right, next := 0, 1 // the share that the next point is for, in parts of MaxPoints
	for at, i := range order {
		if has(a.Truth[i], ranked[i][0]) {
			right++
		}
		answered := at + 1
		if answered < n && sure(order[answered]) == sure(i) || answered*MaxPoints < next*n {
			continue
		}
		points = append(points, weights.Point{Confidence: sure(i), Answered: ratio(float64(answered), float64(n)), Accuracy: ratio(float64(right), float64(answered))})
		next = answered*MaxPoints/n + 1
	}
	return points
}

// pairs are the most confused pairs of labels: one missed and the other wrongly predicted
// for the same examples. Where an example has one label these are the most frequent;
// otherwise those whose number most exceeds what chance would give, for labels that are
// often missed and labels that are often wrongly predicted meet without any kinship.
func pairs(a Answers, predicted [][]int) []weights.Pair {
	missed, given := make([]int, len(a.Labels)), make([]int, len(a.Labels))
	together := map[[2]int]int{}
	for i, truth := range a.Truth {
		lost, wrong := without(truth, predicted[i]), without(predicted[i], truth)
		for _, l := range wrong {
			given[l]++
		}
		for _, m := range lost {
			missed[m]++
			for _, g := range wrong {
				together[[2]int{m, g}]++
			}
		}
	}
	type found struct {
		labels [2]int
		chance float64
		rank   float64
	}
	var all []found
	for labels, count := range together {
		chance := float64(missed[labels[0]]) * float64(given[labels[1]]) / float64(len(a.Truth))
		rank := float64(count)
		if !a.MultiClass {
			rank -= chance
		}
		if rank > 0 {
			all = append(all, found{labels, chance, rank})
		}
	}
	slices.SortFunc(all, func(x, y found) int {
		return cmp.Or(falling(x.rank, y.rank), slices.Compare(x.labels[:], y.labels[:]))
	})
	var out []weights.Pair
	for _, f := range all[:min(len(all), MaxPairs)] {
		out = append(out, weights.Pair{Missed: a.Labels[f.labels[0]], Given: a.Labels[f.labels[1]], Count: together[f.labels], Chance: f.chance})
	}
	return out
}

// without gives the labels of set that are not in other.
func without(set, other []int) []int {
	var out []int
	for _, l := range set {
		if !has(other, l) {
			out = append(out, l)
		}
	}
	return out
}
