package train

import (
	"math/rand/v2"
	"slices"

	"bedside/tools/dataset"
)

// Part deals the examples of a dataset into so many parts, as Train does into folds: equal
// texts together, labels spread evenly. It gives the numbers of the examples in each.
func Part(d *dataset.Dataset, parts int, seed uint64) [][]int {
	out := make([][]int, parts)
	for i, k := range folds(d, parts, seed) {
		out[k] = append(out[k], i)
	}
	return out
}

// folds deals examples into k folds of near-equal size, the same texts into the same
// fold. Each example counts for its rarest label, and these are spread evenly.
func folds(d *dataset.Dataset, k int, seed uint64) []int {
	frequency := make([]int, len(d.Labels))
	members := map[int][]int{} // examples by group
	var groups []int
	for i, e := range d.Examples {
		for _, l := range e.Labels {
			frequency[l]++
		}
		if members[e.Group] == nil {
			groups = append(groups, e.Group)
		}
		members[e.Group] = append(members[e.Group], i)
	}
	rarest := func(group int) int {
		labels := d.Examples[members[group][0]].Labels
		if len(labels) == 0 {
			return len(d.Labels)
		}
		return slices.MinFunc(labels, func(a, b int) int {
			if frequency[a] != frequency[b] {
				return frequency[a] - frequency[b]
			}
			return a - b
		})
	}
	random := rand.New(rand.NewPCG(seed, 0xf01d5))
	random.Shuffle(len(groups), func(a, b int) { groups[a], groups[b] = groups[b], groups[a] })
	slices.SortStableFunc(groups, func(a, b int) int { return rarest(a) - rarest(b) })
	fold := make([]int, len(d.Examples))
	for at, group := range groups {
		for _, i := range members[group] {
			fold[i] = at % k
		}
	}
	return fold
}
