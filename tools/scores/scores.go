// Package scores keeps out-of-fold logits: what models said of notes that they were not
// trained on, before calibration, so that calibration, thresholds and mixtures of models can
// be fitted on them later, by another program than the one that trained.
//
// The file is a CSV. Its header is "row" and the labels' names; a line under it is one note:
// its row, as package dataset identifies rows (of several rows with one text the first), and
// a logit for each label. A label that the notes trained on did not have has the logit
// fit.Floor, one that all of them had its negative: such a number measures how notes were
// dealt into folds, and package train leaves it out of calibration.
package scores

import (
	"fmt"
	"math"
	"slices"

	"bedside/tools/dataset"
	"bedside/weights"
)

// Limits on what is read. Beyond them a file is refused, not truncated.
const (
	MaxFileBytes = 1 << 30
	MaxLabels    = weights.MaxLabels
	MaxLogits    = 1 << 26 // in the file
)

// Table is the logits of some notes.
type Table struct {
	Labels []string  // distinct
	Rows   []int     // a note each, distinct
	Logits []float64 // [notes][labels]
}

// Add appends a note.
func (t *Table) Add(row int, logits []float64) {
	t.Rows, t.Logits = append(t.Rows, row), append(t.Logits, logits...)
}

// Match gives the logits of the examples of d, [examples][labels], with the named labels in
// their order. The table has to be of those notes and those labels, no fewer and no more:
// logits that fit only partly are of another part of the split, or of another model.
func (t *Table) Match(d *dataset.Dataset, labels []string) ([]float64, error) {
	columns, err := t.columns(labels)
	if err != nil {
		return nil, err
	}
	lines := make(map[int]int, len(t.Rows))
	for i, row := range t.Rows {
		if _, twice := lines[row]; twice {
			return nil, fmt.Errorf("row %d has logits twice", row)
		}
		lines[row] = i
	}
	out := make([]float64, 0, len(d.Examples)*len(labels))
	for _, e := range d.Examples {
		line, known := lines[e.Row]
		if !known {
			return nil, fmt.Errorf("row %d of the data has no logits: they are to be of the same notes, of the same part of the split, rows with the same text joined or not as here", e.Row)
		}
		logits := t.Logits[line*len(t.Labels) : (line+1)*len(t.Labels)]
		for _, c := range columns {
			if z := logits[c]; math.IsNaN(z) || math.IsInf(z, 0) {
				return nil, fmt.Errorf("row %d: the logit of label %q is not a finite number", e.Row, t.Labels[c])
			}
			out = append(out, logits[c])
		}
	}
	return out, t.strangers(d)
}

// columns finds the labels' columns.
func (t *Table) columns(labels []string) ([]int, error) {
	at := make(map[string]int, len(t.Labels))
	for c, name := range t.Labels {
		at[name] = c
	}
	columns := make([]int, len(labels))
	for l, name := range labels {
		c, known := at[name]
		if !known {
			return nil, fmt.Errorf("there are no logits of label %q", name)
		}
		columns[l] = c
	}
	for _, name := range t.Labels {
		if !slices.Contains(labels, name) {
			return nil, fmt.Errorf("there are logits of label %q, which is not one of the %d labels", name, len(labels))
		}
	}
	return columns, nil
}

// strangers refuses rows that the data does not have.
func (t *Table) strangers(d *dataset.Dataset) error {
	known := make(map[int]bool, len(d.Examples))
	for _, e := range d.Examples {
		known[e.Row] = true
	}
	for _, row := range t.Rows {
		if !known[row] {
			return fmt.Errorf("there are logits of row %d, which is not one of the %d notes of the data", row, len(d.Examples))
		}
	}
	return nil
}
