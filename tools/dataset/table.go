package dataset

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// table reads the records of a CSV and knows where it stands.
type table struct {
	header []string
	reader *csv.Reader
	rows   int // data rows read
	line   int // line the current record starts on, from 1
}

func newTable(r io.Reader) (*table, error) {
	buffered := bufio.NewReader(&bounded{r: r, left: MaxFileBytes})
	start, err := buffered.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(start, []byte("\xff\xfe")) || bytes.HasPrefix(start, []byte("\xfe\xff")) {
		return nil, errors.New("the file is UTF-16: save it as UTF-8")
	}
	if bytes.Equal(start, []byte("\xef\xbb\xbf")) {
		buffered.Discard(len(start))
	}
	t := &table{reader: csv.NewReader(buffered)}
	t.reader.FieldsPerRecord = -1
	t.reader.ReuseRecord = true
	header, err := t.reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: the first line must name the columns")
	}
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if len(header) > MaxColumns {
		return nil, fmt.Errorf("the header names %d columns; at most %d are read", len(header), MaxColumns)
	}
	t.header = append([]string(nil), header...)
	return t, nil
}

// next gives the next record, as long as the header, or io.EOF. It is overwritten
// by the call after.
func (t *table) next() ([]string, error) {
	record, err := t.reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if parse := (*csv.ParseError)(nil); errors.As(err, &parse) {
		return nil, fmt.Errorf("row %d (line %d): %w on line %d, column %d", t.rows, parse.StartLine, parse.Err, parse.Line, parse.Column)
	}
	if err != nil {
		return nil, err
	}
	t.rows++
	t.line, _ = t.reader.FieldPos(0)
	if t.rows > MaxRows {
		return nil, t.errorf("more than %d rows", MaxRows)
	}
	if len(record) != len(t.header) {
		return nil, t.errorf("%d fields where the header names %d columns", len(record), len(t.header))
	}
	return record, nil
}

// errorf makes an error about the current record.
func (t *table) errorf(format string, args ...any) error {
	return fmt.Errorf("row %d (line %d): "+format, append([]any{t.rows - 1, t.line}, args...)...)
}

// column finds a column by its exact name.
func (t *table) column(name string) (int, error) {
	at := -1
	for i, h := range t.header {
		if h != name {
			continue
		}
		if at >= 0 {
			return 0, fmt.Errorf("columns %d and %d are both named %q", at+1, i+1, name)
		}
		at = i
	}
	if at < 0 {
		return 0, fmt.Errorf("there is no column %q; the columns are %s", name, quoteAll(t.header))
	}
	return at, nil
}

// maxListed and maxName bound what an error shows of a header, which in a file
// without one may be a note.
const (
	maxListed = 40
	maxName   = 60
)

func quoteAll(names []string) string {
	var quoted []string
	for i, n := range names {
		if i == maxListed {
			quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-i))
			break
		}
		if len(n) > maxName {
			quoted = append(quoted, fmt.Sprintf("(a name of %d bytes)", len(n)))
			continue
		}
		quoted = append(quoted, strconv.Quote(n))
	}
	return strings.Join(quoted, ", ")
}

// bounded fails, rather than ends, once more than left bytes were read.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("more than %d bytes", int64(MaxFileBytes))
	}
	return n, err
}
