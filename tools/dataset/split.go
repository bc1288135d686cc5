package dataset

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Split assigns rows to named parts.
type Split struct {
	parts map[int]string // row identifier to part
	lines map[int]int    // row identifier to its line in the split file
}

// ReadSplit reads a CSV with the columns "row" and "part".
func ReadSplit(r io.Reader) (*Split, error) {
	t, err := newTable(r)
	if err != nil {
		return nil, err
	}
	row, err := t.column("row")
	if err != nil {
		return nil, err
	}
	part, err := t.column("part")
	if err != nil {
		return nil, err
	}
	s := &Split{parts: map[int]string{}, lines: map[int]int{}}
	for {
		record, err := t.next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, err
		}
		id, err := rowNumber(record[row])
		if err != nil {
			return nil, t.errorf("%w", err)
		}
		if line, twice := s.lines[id]; twice {
			return nil, t.errorf("row %d stands on line %d already", id, line)
		}
		name := strings.TrimFunc(record[part], isSpace)
		if name == "" {
			return nil, t.errorf("the part of row %d is empty", id)
		}
		s.parts[id], s.lines[id] = strings.Clone(name), t.line
	}
}

// Parts lists the part names, sorted.
func (s *Split) Parts() []string {
	return slices.Compact(slices.Sorted(maps.Values(s.parts)))
}

// check refuses the first row (by line) that the data does not have.
func (s *Split) check(known func(id int) bool) error {
	worst := -1
	for id := range s.parts {
		if !known(id) && (worst < 0 || s.lines[id] < s.lines[worst]) {
			worst = id
		}
	}
	if worst < 0 {
		return nil
	}
	return fmt.Errorf("the split names row %d (its line %d), which the data does not have", worst, s.lines[worst])
}

func checkPart(s *Split, part string) error {
	if part == "" {
		return nil
	}
	if s == nil {
		return fmt.Errorf("part %q asked for without a split", part)
	}
	if parts := s.Parts(); !slices.Contains(parts, part) {
		return fmt.Errorf("the split has no part %q; its parts are %s", part, quoteAll(parts))
	}
	return nil
}

func rowNumber(cell string) (int, error) {
	id, err := strconv.ParseUint(strings.TrimFunc(cell, isSpace), 10, 31)
	if err != nil {
		return 0, errors.New("the row is not a whole number from 0 to 2147483647")
	}
	return int(id), nil
}
