package dataset

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold makes every run of white space one blank and trims the ends. Invalid UTF-8
// stays as it is.
func Fold(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	blank := false
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if isSpace(r) {
			blank = b.Len() > 0
		} else {
			if blank {
				b.WriteByte(' ')
				blank = false
			}
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}

// isSpace is \s of Python's str patterns: Unicode white space and the four
// separators U+001C to U+001F.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// unite merges two sets of labels into an ascending one.
func unite(a, b []int) []int {
	united := append(slices.Clone(a), b...)
	slices.Sort(united)
	return slices.Compact(united)
}

// known says whether the data has a row of that identifier.
func (b *builder) known(id int) bool {
	if b.row < 0 {
		return id < b.order
	}
	_, ok := b.seen[id]
	return ok
}

// sortNames renumbers the examples' labels by sorted name and drops names that only
// stood in rows that gave no example.
func (b *builder) sortNames() []string {
	sorted := slices.Sorted(slices.Values(b.names))
	position := make([]int, len(b.names))
	for l, name := range b.names {
		position[l], _ = slices.BinarySearch(sorted, name)
	}
	for i := range b.examples {
		labels := b.examples[i].Labels
		for j, l := range labels {
			labels[j] = position[l]
		}
		slices.Sort(labels)
	}
	return sorted
}
