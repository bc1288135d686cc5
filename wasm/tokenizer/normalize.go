package tokenizer

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Kinds of characters to BERT's pre-tokenization.
const (
	letter uint8  = iota // belongs to a word
	space                // ends a word
	apart                // is a word of its own: punctuation and ideographs
	gone                 // is dropped, and what stands around it joins
	wide                 // of bytes: part of a character of several bytes
	opens  = 0x80        // of bytes, added: a special token may begin here
)

// mapping is what a character becomes, up to maxMapped characters.
type mapping struct {
	from  rune
	count uint8
	kinds [maxMapped]uint8
	to    [maxMapped]rune
}

// maxMapped is reached by Hangul syllables and musical symbols.
const maxMapped = 3

// normalizer is BERT's: cleaning, ideographs set apart, accents stripped (canonical
// decomposition without category Mn), lower case, in that order.
type normalizer struct {
	lowercase, stripAccents, joinCJK bool

	memo [1 << 9]mapping
}

// mapped is what r, not ASCII, becomes. The answer holds until the next call.
func (n *normalizer) mapped(r rune) *mapping {
	m := &n.memo[uint32(r)*0x9e3779b1>>(32-9)]
	if m.from != r {
		*m = n.work(r)
	}
	return m
}

func (n *normalizer) work(r rune) mapping {
	m := mapping{from: r}
	switch {
	case isRemoved(r):
	case isSpace(r):
		m.add(' ', space)
	case !n.stripAccents:
		n.lower(&m, r)
	case hangulFirst <= r && r < hangulFirst+hangulCount:
		n.decomposeHangul(&m, r-hangulFirst)
	default:
		n.decompose(&m, r)
	}
	if isCJK(r) && !n.joinCJK && m.count > 0 {
		m.kinds[0] = apart
	}
	return m
}

func (n *normalizer) decompose(m *mapping, r rune) {
	var buffer [utf8.UTFMax]byte
	form := utf8.AppendRune(buffer[:0], r)
	// U+11938 has a decomposition since Unicode 13, which the Rust library does not know.
	if d := norm.NFD.Properties(form).Decomposition(); d != nil && r != 0x11938 {
		form = d
	}
	for len(form) > 0 {
		c, size := utf8.DecodeRune(form)
		if !isMark(c) {
			n.lower(m, c)
		}
		form = form[size:]
	}
}

// Hangul syllables decompose by arithmetic: the Unicode Standard, section 3.12.
const (
	hangulFirst = 0xac00
	hangulCount = 11172
)

func (n *normalizer) decomposeHangul(m *mapping, syllable rune) {
	m.add(0x1100+syllable/(21*28), letter)
	m.add(0x1161+syllable/28%21, letter)
	if trail := syllable % 28; trail > 0 {
		m.add(0x11a7+trail, letter)
	}
}

func (n *normalizer) lower(m *mapping, r rune) {
	switch {
	case !n.lowercase:
	case r == 'İ': // the one character whose lower case is two
		m.add('i', letter)
		r = '\u0307'
	default:
		r = toLower(r)
	}
	kind := letter
	if isPunctuation(r) {
		kind = apart
	}
	m.add(r, kind)
}

func (m *mapping) add(r rune, kind uint8) {
	if m.count < maxMapped {
		m.to[m.count], m.kinds[m.count] = r, kind
		m.count++
	}
}
