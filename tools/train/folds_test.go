package train

import (
	"bytes"
	"slices"
	"testing"

	"bedside/tools/dataset"
	"bedside/tools/train/invented"
)

// load reads invented notes as the command reads a file.
func load(t *testing.T, notes []invented.Note, grouped bool) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Read(bytes.NewReader(invented.CSV(notes)), nil, dataset.Options{
		Text: "note", Label: "label", Separator: invented.Separator, GroupByText: grouped,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFolds(t *testing.T) {
	notes := invented.Notes(203, 1)
	for i := range 30 { // the same text under another label, with other white space
		again := notes[5*i]
		again.Text, again.Labels = "  "+again.Text+"\n", []string{invented.Labels[i%5]}
		notes = append(notes, again)
	}
	for _, grouped := range []bool{false, true} {
		d := load(t, notes, grouped)
		for _, k := range []int{2, 5, 7} {
			fold := folds(d, k, 1)
			if again := folds(d, k, 1); !slices.Equal(fold, again) {
				t.Error("the same seed deals otherwise")
			}
			if other := folds(d, k, 2); slices.Equal(fold, other) {
				t.Error("another seed deals the same")
			}
			groupFold, texts := map[int]int{}, make([]int, k)
			for i, e := range d.Examples {
				if fold[i] < 0 || fold[i] >= k {
					t.Fatalf("fold %d of %d", fold[i], k)
				}
				if f, seen := groupFold[e.Group]; seen && f != fold[i] {
					t.Fatalf("equal notes in folds %d and %d", f, fold[i])
				} else if !seen {
					texts[fold[i]]++
				}
				groupFold[e.Group] = fold[i]
			}
			if slices.Max(texts)-slices.Min(texts) > 1 {
				t.Errorf("%d folds of %v texts", k, texts)
			}
			checkSpread(t, d, fold, k)
		}
	}
}

// checkSpread wants each label in every fold, at most at twice its even share.
func checkSpread(t *testing.T, d *dataset.Dataset, fold []int, k int) {
	t.Helper()
	count := make([][]int, len(d.Labels))
	for l := range count {
		count[l] = make([]int, k)
	}
	for i, e := range d.Examples {
		for _, l := range e.Labels {
			count[l][fold[i]]++
		}
	}
	for l, per := range count {
		total := 0
		for _, n := range per {
			total += n
		}
		if even := float64(total) / float64(k); slices.Min(per) == 0 || float64(slices.Max(per)) > 2*even {
			t.Errorf("%d folds: %s stands %v times in them", k, d.Labels[l], per)
		}
	}
}

func TestFoldsSpreadRareLabels(t *testing.T) {
	notes := invented.Single(invented.Notes(100, 3))
	for i := range 4 {
		notes[10*i].Labels = []string{"Rare"}
	}
	d := load(t, notes, false)
	fold := folds(d, 4, 1)
	seen := map[int]bool{}
	for i, e := range d.Examples {
		if d.Labels[e.Labels[0]] == "Rare" {
			seen[fold[i]] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("4 examples of a label lie in %d of 4 folds", len(seen))
	}
}
