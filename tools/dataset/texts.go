package dataset

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Texts reads notes that need no labels: the named column of the CSV file at path, but for
// empty and blank ones. It stops once it has so many bytes of text.
func Texts(path, column string, enough int) ([]string, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	texts, err := readTexts(f, column, enough)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return texts, nil
}

func readTexts(from io.Reader, column string, enough int) ([]string, error) {
	t, err := newTable(from)
	if err != nil {
		return nil, err
	}
	at, err := t.column(column)
	if err != nil {
		return nil, fmt.Errorf("text column: %w", err)
	}
	var texts []string
	for total := 0; total < enough; {
		record, err := t.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		text := record[at]
		if len(text) > MaxTextBytes {
			return nil, t.errorf("the text has %d bytes; at most %d are read", len(text), MaxTextBytes)
		}
		if Fold(text) == "" {
			continue
		}
		texts = append(texts, strings.Clone(text))
		total += len(text)
	}
	return texts, nil
}
