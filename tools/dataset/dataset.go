// Package dataset reads labelled notes from a CSV file into training examples.
//
// A data row is one record under the header; blank lines are no records. Rows are
// counted from 0. A row's identifier, by which split files name it, is the value of
// the file's "row" column where it has one, and its ordinal otherwise.
//
// Errors name the data row and the file's line, and never quote a note.
package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits on what is read. Beyond them a file is refused, not truncated.
const (
	MaxFileBytes  = 2 << 30  // the data file, and the split file
	MaxRows       = 10 << 20 // data rows
	MaxColumns    = 4096     // columns of the header
	MaxTextBytes  = 16 << 20 // one note
	MaxLabelBytes = 1 << 10  // one label's name
	MaxLabels     = 1 << 16  // distinct labels
)

// RowColumn is the column whose values identify rows to split files, where a file has it.
const RowColumn = "row"

// Options say what to read.
type Options struct {
	Text      string // name of the column with the notes
	Label     string // name of the column with the labels
	Separator string // between the labels of one cell; "" when a cell is one label
	None      bool   // an empty cell says that no label is right, and is no mistake

	// GroupByText makes one example of each distinct text after folding white space,
	// its labels those of all its rows, everything else that of its first row.
	GroupByText bool

	// Part keeps only the examples of that part of the split; "" keeps all.
	Part string
}

// Dataset is what was kept of a file.
type Dataset struct {
	Labels   []string // distinct names over Examples, sorted
	Examples []Example
	Skipped  int    // rows left out because their text is empty or blank
	Rows     int    // data rows in the file
	Named    bool   // a column gave the rows' identifiers
	Unnamed  error  // why the column that should give them cannot, where there is one
	SHA256   string // of the file's bytes, lower-case hex
}

// Example is one note with its labels.
type Example struct {
	Row    int    // identifier of the (first) row it came from
	Text   string // the note as it stands in the file, but with CRLF read as LF
	Labels []int  // indexes into Dataset.Labels, ascending; none only with Options.None
	Part   string // part of the split its row belongs to; "" when none
	Group  int    // number of its distinct folded text: equal for equal notes
}

// Load reads the CSV file at path, and the split file at splitPath unless that is "".
func Load(path, splitPath string, o Options) (*Dataset, error) {
	data, err := open(path)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	if splitPath == "" {
		return named(path)(Read(data, nil, o))
	}
	file, err := open(splitPath)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	split, err := ReadSplit(file)
	if err != nil {
		return nil, fmt.Errorf("split %s: %w", splitPath, err)
	}
	return named(path)(Read(data, split, o))
}

func open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory, not a CSV file", path)
	}
	if err == nil && info.Size() > MaxFileBytes {
		err = fmt.Errorf("%s has %d bytes; at most %d are read", path, info.Size(), int64(MaxFileBytes))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func named(path string) func(*Dataset, error) (*Dataset, error) {
	return func(d *Dataset, err error) (*Dataset, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return d, nil
	}
}

// Read reads a CSV from data; split may be nil. Errors do not name the file.
func Read(data io.Reader, split *Split, o Options) (*Dataset, error) {
	if err := checkPart(split, o.Part); err != nil {
		return nil, err
	}
	sum := sha256.New()
	t, err := newTable(io.TeeReader(data, sum))
	if err != nil {
		return nil, err
	}
	b, err := newBuilder(t, split, o)
	if err != nil {
		return nil, err
	}
	for {
		record, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := b.add(record); err != nil {
			return nil, err
		}
	}
	d, err := b.finish()
	if err != nil {
		return nil, err
	}
	d.Rows, d.SHA256 = t.rows, hex.EncodeToString(sum.Sum(nil))
	return d, nil
}

// Select keeps the examples of one part, with the labels that occur in them.
// Groups and counts are unchanged. An unknown part gives no examples.
func (d *Dataset) Select(part string) *Dataset {
	kept := &Dataset{Skipped: d.Skipped, Rows: d.Rows, Named: d.Named, SHA256: d.SHA256}
	used := make([]bool, len(d.Labels))
	for _, e := range d.Examples {
		if e.Part != part {
			continue
		}
		kept.Examples = append(kept.Examples, e)
		for _, l := range e.Labels {
			used[l] = true
		}
	}
	position := make([]int, len(d.Labels))
	for l, name := range d.Labels {
		if used[l] {
			position[l] = len(kept.Labels)
			kept.Labels = append(kept.Labels, name)
		}
	}
	for i, e := range kept.Examples {
		labels := make([]int, len(e.Labels))
		for j, l := range e.Labels {
			labels[j] = position[l]
		}
		kept.Examples[i].Labels = labels
	}
	return kept
}

// Pick keeps the named examples, and all labels.
func (d *Dataset) Pick(examples []int) *Dataset {
	kept := *d
	kept.Examples = make([]Example, len(examples))
	for k, i := range examples {
		kept.Examples[k] = d.Examples[i]
	}
	return &kept
}

// builder gathers examples while label names are not yet sorted: until finish,
// Example.Labels counts labels by first appearance.
type builder struct {
	table       *table
	split       *Split
	options     Options
	text, label int // columns
	row         int // the column that identifies rows, or -1
	order       int // ordinal of the row being added

	examples []Example
	ids      []int // per example, what the row column says
	skipped  int
	names    []string
	index    map[string]int
	groups   map[string]int // folded text to group
	seen     map[int]int    // row identifier to line, when a column gives identifiers
	badRow   error          // why the row column cannot identify rows
}

func newBuilder(t *table, split *Split, o Options) (*builder, error) {
	b := &builder{table: t, split: split, options: o, row: -1,
		index: map[string]int{}, groups: map[string]int{}, seen: map[int]int{}}
	var err error
	if b.text, err = t.column(o.Text); err != nil {
		return nil, fmt.Errorf("text column: %w", err)
	}
	if b.label, err = t.column(o.Label); err != nil {
		return nil, fmt.Errorf("label column: %w", err)
	}
	if slices.Contains(t.header, RowColumn) {
		if b.row, err = t.column(RowColumn); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// add takes one record as an example, joins it to its group, or skips it.
func (b *builder) add(record []string) error {
	id := b.identify(record)
	b.order++
	text := record[b.text]
	if len(text) > MaxTextBytes {
		return b.table.errorf("the text has %d bytes; at most %d are read", len(text), MaxTextBytes)
	}
	folded := Fold(text)
	if folded == "" {
		b.skipped++
		return nil
	}
	labels, err := b.labels(record[b.label])
	if err != nil {
		return err
	}
	group, known := b.groups[folded]
	if !known {
		group = len(b.groups)
		b.groups[folded] = group
	}
	if known && b.options.GroupByText {
		e := &b.examples[group]
		e.Labels = unite(e.Labels, labels)
		return nil
	}
	b.ids = append(b.ids, id)
	b.examples = append(b.examples, Example{Row: b.order - 1, Text: strings.Clone(text), Labels: labels, Group: group})
	return nil
}

// identify gives what the row column says, and notes why the column cannot serve.
func (b *builder) identify(record []string) int {
	if b.row < 0 || b.badRow != nil {
		return -1
	}
	id, err := rowNumber(record[b.row])
	if err != nil {
		b.badRow = b.table.errorf("column %q: %w", RowColumn, err)
		return -1
	}
	if line, twice := b.seen[id]; twice {
		b.badRow = b.table.errorf("column %q: row %d stands on line %d already", RowColumn, id, line)
	}
	b.seen[id] = b.table.line
	return id
}

func (b *builder) labels(cell string) ([]int, error) {
	pieces := []string{cell}
	if b.options.Separator != "" {
		pieces = strings.Split(cell, b.options.Separator)
	}
	var labels []int
	for _, piece := range pieces {
		name := strings.TrimFunc(piece, isSpace)
		if name == "" {
			continue
		}
		l, err := b.intern(name)
		if err != nil {
			return nil, err
		}
		labels = unite(labels, []int{l})
	}
	if len(labels) == 0 && !b.options.None {
		return nil, b.table.errorf("the label (column %q) is empty: label the row or remove it", b.options.Label)
	}
	return labels, nil
}

func (b *builder) intern(name string) (int, error) {
	if l, known := b.index[name]; known {
		return l, nil
	}
	if !utf8.ValidString(name) {
		return 0, b.table.errorf("the label (column %q) is not UTF-8: save the file as UTF-8", b.options.Label)
	}
	if len(name) > MaxLabelBytes {
		return 0, b.table.errorf("a label has %d bytes; at most %d are read", len(name), MaxLabelBytes)
	}
	if len(b.names) == MaxLabels {
		return 0, b.table.errorf("more than %d distinct labels: is %q the label column?", MaxLabels, b.options.Label)
	}
	name = strings.Clone(name)
	b.index[name] = len(b.names)
	b.names = append(b.names, name)
	return b.index[name], nil
}

// finish assigns parts, drops what is not kept, and sorts the label names.
func (b *builder) finish() (*Dataset, error) {
	d := &Dataset{}
	if b.badRow != nil {
		if b.split != nil {
			return nil, fmt.Errorf("a split needs rows it can name: %w", b.badRow)
		}
		d.Unnamed = b.badRow
	} else if b.row >= 0 {
		d.Named = true
		for i, id := range b.ids {
			b.examples[i].Row = id
		}
	}
	if b.split != nil {
		if err := b.split.check(b.known); err != nil {
			return nil, err
		}
		for i := range b.examples {
			b.examples[i].Part = b.split.parts[b.examples[i].Row]
		}
	}
	d.Examples, d.Labels, d.Skipped = b.examples, b.sortNames(), b.skipped
	if b.options.Part != "" {
		d = d.Select(b.options.Part)
	}
	return d, nil
}
