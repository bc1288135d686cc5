package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bedside/tools/dataset"
	"bedside/tools/train"
	"bedside/tools/words"
)

func (c recipeFlags) settings() (train.Settings, error) {
	features, err := train.FindFeatures(c.Features)
	if err != nil {
		return train.Settings{}, &usageError{err}
	}
	var cs []float64
	for _, field := range strings.Split(c.C, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || !(v > 0 && v <= 1e9) {
			return train.Settings{}, usagef("--C %q: want numbers above 0", field)
		}
		cs = append(cs, v)
	}
	slices.Sort(cs)
	if !(c.Slack >= 0 && c.Slack <= 1) {
		return train.Settings{}, usagef("--slack %g: want 0 to 1", c.Slack)
	}
	if c.Copies < 1 || c.Copies > 1000 {
		return train.Settings{}, usagef("--copies %d: want 1 to 1000", c.Copies)
	}
	if c.Folds < 2 {
		return train.Settings{}, usagef("--folds %d: want 2 or more", c.Folds)
	}
	if c.Words != "" {
		vectors, err := words.Load(c.Words)
		if err != nil {
			return train.Settings{}, err
		}
		for i := range features {
			features[i] = features[i].WithWords(vectors)
		}
	}
	return train.Settings{
		MultiLabel: c.MultiLabel,
		Prepare:    c.Prepare,
		Copies:     c.Copies,
		Features:   features,
		Families:   c.Family,
		Cs:         slices.Compact(cs),
		Folds:      c.Folds,
		Slack:      c.Slack,
		Seed:       c.Seed,
		Precision:  c.Precision,
	}, nil
}

// extras reads the files of --also, by the same columns as the data.
func (c recipeFlags) extras(columns dataFlags) ([]*dataset.Dataset, error) {
	var out []*dataset.Dataset
	for _, path := range c.Also {
		d, err := dataset.Load(path, "", dataset.Options{Text: columns.Text, Label: columns.Label, Separator: columns.LabelSeparator})
		if err != nil {
			return nil, err
		}
		if d.Unnamed != nil { // learnt from everywhere, they would tell of notes that are kept aside
			return nil, fmt.Errorf("%s: %w: which notes its texts belong to cannot be told: a row is named once, by a whole number", path, d.Unnamed)
		}
		out = append(out, d)
	}
	return out, nil
}

// alsoLearnt says on the card from how many texts of other sources a model learned.
func (c recipeFlags) alsoLearnt(texts int) string {
	switch {
	case texts == 0:
		return ""
	case c.Copies == 1:
		return fmt.Sprintf(" It learned from %d texts of the other sources too; nothing was chosen, calibrated or measured on those.", texts)
	}
	return fmt.Sprintf(" It learned from %d texts of the other sources too, each counting as 1/%d of a note; nothing was chosen, calibrated or measured on those.", texts, c.Copies)
}

// beside gives the texts of also that may be learnt from beside the examples of d: not
// those that belong to a row elsewhere or are a note that is kept, nor those of labels that d
// does not have. A text that is a note of d belongs to it.
func beside(d, kept *dataset.Dataset, also []*dataset.Dataset) []train.Extra {
	example, same, unseen := map[int]int{}, map[string]int{}, map[string]bool{} // by row; by text
	for i, e := range d.Examples {
		example[e.Row], same[dataset.Fold(e.Text)] = i, i
	}
	if kept != nil {
		for _, e := range kept.Examples {
			unseen[dataset.Fold(e.Text)] = true
		}
	}
	var out []train.Extra
	for _, a := range also {
		for _, e := range a.Examples {
			extra, text := train.Extra{Text: e.Text, Of: -1}, dataset.Fold(e.Text)
			if unseen[text] {
				continue
			}
			if i, here := same[text]; here {
				extra.Of = i
			}
			if a.Named {
				i, here := example[e.Row]
				if !here {
					continue
				}
				extra.Of = i
			}
			for _, l := range e.Labels {
				if at, known := slices.BinarySearch(d.Labels, a.Labels[l]); known {
					extra.Labels = append(extra.Labels, at)
				}
			}
			if len(extra.Labels) > 0 {
				out = append(out, extra)
			}
		}
	}
	return out
}
