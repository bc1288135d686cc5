package scores

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"bedside/tools/dataset"
)

// Load reads the file at path.
func Load(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Read reads a table; every number is finite, every row and label there once.
func Read(from io.Reader) (*Table, error) { return readUpTo(MaxFileBytes, from) }

func readUpTo(bound int64, from io.Reader) (*Table, error) {
	limited := &io.LimitedReader{R: from, N: bound + 1}
	buffered := bufio.NewReader(limited)
	if start, _ := buffered.Peek(3); bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		buffered.Discard(len(start))
	}
	r := &reader{csv: csv.NewReader(buffered), lines: map[int]int{}}
	r.csv.FieldsPerRecord, r.csv.ReuseRecord = -1, true
	err := r.header()
	for err == nil {
		err = r.record()
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("the file has more than %d bytes", bound)
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &r.table, nil
}

// reader reads one file.
type reader struct {
	csv   *csv.Reader
	table Table
	lines map[int]int // by row, the line it stands on
}

func (r *reader) header() error {
	names, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty: the first line must be \"row\" and the labels' names")
	}
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if names[0] != dataset.RowColumn {
		return fmt.Errorf("the first column is not %q: want it and the labels' names", dataset.RowColumn)
	}
	if n := len(names) - 1; n < 1 || n > MaxLabels {
		return fmt.Errorf("the header names %d labels: want 1 to %d", n, MaxLabels)
	}
	columns := map[string]int{}
	for i, name := range names[1:] {
		switch twin, twice := columns[name]; {
		case name == "" || len(name) > dataset.MaxLabelBytes || !utf8.ValidString(name) || strings.Contains(name, "\r"):
			return fmt.Errorf("column %d: a label's name of %d bytes: want 1 to %d, in UTF-8, without carriage returns", i+2, len(name), dataset.MaxLabelBytes)
		case twice:
			return fmt.Errorf("columns %d and %d are both of label %q", twin, i+2, name)
		}
		name = strings.Clone(name)
		columns[name] = i + 2
		r.table.Labels = append(r.table.Labels, name)
	}
	return nil
}

func (r *reader) record() error {
	fields, err := r.csv.Read()
	if err != nil {
		return err // io.EOF, or one that names the line
	}
	line, _ := r.csv.FieldPos(0)
	if want := len(r.table.Labels) + 1; len(fields) != want {
		return fmt.Errorf("line %d: %d fields where the header names %d columns", line, len(fields), want)
	}
	row, err := strconv.ParseUint(strings.TrimSpace(fields[0]), 10, 31)
	if err != nil {
		return fmt.Errorf("line %d: the row is not a whole number from 0 to %d", line, math.MaxInt32)
	}
	if before, twice := r.lines[int(row)]; twice {
		return fmt.Errorf("line %d: row %d stands on line %d already", line, row, before)
	}
	if len(r.table.Logits)+len(r.table.Labels) > MaxLogits {
		return fmt.Errorf("line %d: more than %d logits", line, MaxLogits)
	}
	r.lines[int(row)] = line
	r.table.Rows = append(r.table.Rows, int(row))
	for l, field := range fields[1:] {
		z, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || math.IsNaN(z) || math.IsInf(z, 0) {
			return fmt.Errorf("line %d: the logit of label %q is not a finite number", line, r.table.Labels[l])
		}
		r.table.Logits = append(r.table.Logits, z)
	}
	return nil
}

// Write writes the table; numbers keep every bit.
func (t *Table) Write(to io.Writer) error {
	w := csv.NewWriter(to)
	if err := w.Write(append([]string{dataset.RowColumn}, t.Labels...)); err != nil {
		return err
	}
	record := make([]string, len(t.Labels)+1)
	for i, row := range t.Rows {
		record[0] = strconv.Itoa(row)
		for l, z := range t.Logits[i*len(t.Labels) : (i+1)*len(t.Labels)] {
			record[l+1] = strconv.FormatFloat(z, 'g', -1, 64)
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// Save writes the table to a new file at path, or over the one there.
func (t *Table) Save(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(t.Write(f), f.Close())
}
