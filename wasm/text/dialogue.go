package text

import (
	"sort"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// layer is text made from other text, with where each byte came from.
type layer struct {
	bytes  []byte
	pieces []piece
}

// piece begins a run of a layer's bytes. Where width is 0 they are copies, byte for byte;
// else each comes from all width bytes of the source.
type piece struct{ at, from, width int32 }

func (l *layer) reset() { l.bytes, l.pieces = l.bytes[:0], l.pieces[:0] }

func (l *layer) copy(s string, from int) {
	if len(s) > 0 {
		l.pieces = append(l.pieces, piece{int32(len(l.bytes)), int32(from), 0})
		l.bytes = append(l.bytes, s...)
	}
}

func (l *layer) replace(with string, from, width int) {
	if len(with) > 0 {
		l.pieces = append(l.pieces, piece{int32(len(l.bytes)), int32(from), int32(width)})
		l.bytes = append(l.bytes, with...)
	}
}

// origin is the range of the source that bytes[i] came from.
func (l *layer) origin(i int) (int, int) {
	p := l.pieces[sort.Search(len(l.pieces), func(k int) bool { return int(l.pieces[k].at) > i })-1]
	if p.width == 0 {
		from := int(p.from) + i - int(p.at)
		return from, from + 1
	}
	return int(p.from), int(p.from + p.width)
}

// compose makes l the compatibility composition (NFKC) of s.
func (l *layer) compose(s string) {
	l.reset()
	for i := 0; i < len(s); {
		same := norm.NFKC.QuickSpanString(s[i:])
		l.copy(s[i:i+same], i)
		if i += same; i == len(s) {
			return
		}
		width := norm.NFKC.NextBoundaryInString(s[i:], true)
		l.replace(norm.NFKC.String(s[i:i+width]), i, width)
		i += width
	}
}

// fold makes l of s without speaker tags, every run of white space and tags one blank,
// none at the ends.
func (l *layer) fold(s string) {
	l.reset()
	begin, gap := 0, -1 // of the words not yet copied; of the gap at hand, -1 where there is none
	word := false       // a word stands before i
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		out := 0
		if IsSpace(r) {
			out = size
		} else if !word {
			out = speakerTag(s[i:])
		}
		switch {
		case out > 0 && gap < 0:
			l.copy(s[begin:i], begin)
			gap = i
		case out == 0 && gap >= 0:
			if len(l.bytes) > 0 {
				l.replace(" ", gap, i-gap)
			}
			begin, gap = i, -1
		}
		word = out == 0 && IsWord(r)
		i += max(out, size)
	}
	if gap < 0 {
		l.copy(s[begin:], begin)
	}
}

// speakers of a dialogue, as the tags of MTS-Dialog name them.
var speakers = [...]string{"doctor", "patient", "guest"}

// speakerTag is the length of the tag that s begins with, 0 if it begins with none: a
// speaker in letters of either case, maybe with a number, or an underscore and more, then
// a colon, which white space may stand before. "Doctor:", "guest_family_2 :".
func speakerTag(s string) int {
	for _, name := range speakers {
		if len(s) <= len(name) || !equalFoldASCII(s[:len(name)], name) {
			continue
		}
		i := len(name)
		if s[i] == '_' || '0' <= s[i] && s[i] <= '9' {
			i = skip(s, i, IsWord)
		}
		if i = skip(s, i, IsSpace); i < len(s) && s[i] == ':' {
			return i + 1
		}
	}
	return 0
}

// skip passes over the runes from s[i:] on that are of the class.
func skip(s string, i int, class func(rune) bool) int {
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !class(r) {
			break
		}
		i += size
	}
	return i
}

func equalFoldASCII(s, lower string) bool {
	for i := range len(lower) {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}
