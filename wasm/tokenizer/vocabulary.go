package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of vocabularies.
const (
	MaxVocabulary = 8 << 20 // bytes of a vocab.txt; its trie takes up to 20 times that
	MaxTokens     = 1 << 20 // entries
	MaxToken      = 1 << 10 // bytes of an entry
)

// ErrVocabulary is a vocabulary, list of merges or set of special tokens that cannot
// be used.
var ErrVocabulary = errors.New("bad vocabulary")

// Vocabulary is BERT's: entries numbered from 0, in the order of the file. It does not
// change and may be shared.
type Vocabulary struct {
	entries []string
	index   *trie
}

// ReadVocabulary reads a vocab.txt: UTF-8, one entry a line, its id the line's number
// from 0. White space behind an entry is dropped, as the original tools drop it.
func ReadVocabulary(file []byte) (*Vocabulary, error) {
	switch {
	case len(file) > MaxVocabulary:
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrVocabulary, len(file), MaxVocabulary)
	case strings.HasPrefix(string(file[:min(len(file), 3)]), "\ufeff"):
		return nil, fmt.Errorf("%w: line 1 begins with a byte order mark; save the file without it", ErrVocabulary)
	}
	text := strings.TrimSuffix(string(file), "\n")
	if text == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrVocabulary)
	}
	n := strings.Count(text, "\n") + 1
	if n > MaxTokens {
		return nil, fmt.Errorf("%w: %d entries, at most %d", ErrVocabulary, n, MaxTokens)
	}
	// Once for the file, since this runs while a page opens.
	clean := utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
	v := &Vocabulary{make([]string, 0, n), newTrie(len(text) / 4)}
	for more := true; more; {
		var line string
		line, text, more = strings.Cut(text, "\n")
		if err := v.add(trimEnd(line), clean); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrVocabulary, len(v.entries)+1, err)
		}
	}
	return v, nil
}

func trimEnd(line string) string {
	if n := len(line); n > 0 && ' ' < line[n-1] && line[n-1] < utf8.RuneSelf {
		return line
	}
	return strings.TrimRightFunc(line, unicode.IsSpace)
}

// add enters an entry; clean says that it is UTF-8 and without NUL.
func (v *Vocabulary) add(entry string, clean bool) error {
	if !clean || entry == "" || len(entry) > MaxToken {
		if err := checkEntry(entry); err != nil {
			return err
		}
	}
	if first, isNew := v.index.add(entry, int32(len(v.entries))); !isNew {
		return fmt.Errorf("%q stands already in line %d", entry, first+1)
	}
	v.entries = append(v.entries, entry)
	return nil
}

func checkEntry(entry string) error {
	switch {
	case entry == "":
		return errors.New("the entry is empty")
	case len(entry) > MaxToken:
		return fmt.Errorf("the entry has %d bytes, at most %d", len(entry), MaxToken)
	case !utf8.ValidString(entry):
		return errors.New("the entry is not valid UTF-8")
	case strings.IndexByte(entry, 0) >= 0:
		return errors.New("the entry holds a NUL")
	}
	return nil
}

// Len is how many entries there are; ids are 0 to Len()-1.
func (v *Vocabulary) Len() int { return len(v.entries) }

// Token is the entry with this id, "" where there is none.
func (v *Vocabulary) Token(id int32) string {
	if id < 0 || int(id) >= len(v.entries) {
		return ""
	}
	return v.entries[id]
}

// ID is the entry's id, if it stands in the vocabulary.
func (v *Vocabulary) ID(entry string) (id int32, ok bool) {
	id, size := longest(v.index, 0, entry)
	return id, size > 0 && size == len(entry)
}
