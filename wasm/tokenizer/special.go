package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// finder recognizes special tokens where they stand in a text, spelled exactly so: at
// every place the longest, wherever words begin or end.
type finder struct {
	index *trie
	first [256]bool // bytes that special tokens begin with
}

// newFinder looks up the ids of special tokens and names those that are missing.
func newFinder(tokens []string, idOf func(string) (int32, bool)) (*finder, error) {
	f := &finder{index: newTrie(64)}
	var missing []string
	for _, t := range tokens {
		if err := checkEntry(t); err != nil {
			return nil, fmt.Errorf("%w: special token %.40q: %w", ErrVocabulary, t, err)
		}
		id, ok := idOf(t)
		if !ok {
			if !slices.Contains(missing, t) {
				missing = append(missing, t)
			}
			continue
		}
		if len(f.index.ids)+len(t) > maxNode {
			return nil, fmt.Errorf("%w: the special tokens have more than %d bytes", ErrVocabulary, maxNode)
		}
		f.index.add(t, id)
		f.first[t[0]] = true
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: %w: %.200q", ErrVocabulary, errMissing, strings.Join(missing, " "))
	}
	return f, nil
}

var errMissing = errors.New("special tokens are not in it")

// at is the special token that text begins with; size 0 where there is none.
func (f *finder) at(text string) (id int32, size int) {
	if text == "" || !f.first[text[0]] {
		return noID, 0
	}
	return longest(f.index, 0, text)
}

// next is the first special token at or behind byte from; start is len(text) where
// there is none.
func (f *finder) next(text string, from int) (start, size int, id int32) {
	for i := from; i < len(text); i++ {
		if f.first[text[i]] {
			if id, size := longest(f.index, 0, text[i:]); size > 0 {
				return i, size, id
			}
		}
	}
	return len(text), 0, noID
}
