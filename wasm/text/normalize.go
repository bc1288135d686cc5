// Package text normalizes notes and keeps, for every normalized byte, the place in
// the original it came from.
package text

import (
	"slices"
	"sort"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Normalizer prepares text as scikit-learn's vectorizers do: str.lower(), then
// strip_accents="unicode" (NFKD without combining characters). Before that, Dialogue takes
// a conversation's form away: NFKC, then speaker tags out, then white space folded.
type Normalizer struct {
	Dialogue     bool
	Lowercase    bool
	StripAccents bool
}

// Normalized is prepared text. The zero value is ready to be filled and reused.
type Normalized struct {
	Bytes []byte // UTF-8
	steps []step // empty while the text is ASCII, where places agree

	layered          bool  // the text was a dialogue: steps lead into folded, and that into composed
	composed, folded layer // of a dialogue

	scratch [utf8.UTFMax]byte
}

// step begins a run of characters that take equally many bytes each.
type step struct {
	at, from    int32 // where the run begins in Bytes and in the original
	size, width uint8 // bytes of a character in Bytes and in the original
}

// Span is the range of the original text that produced Bytes[start:end], start < end.
func (n *Normalized) Span(start, end int) (int, int) {
	from, _ := n.origin(start)
	_, to := n.origin(end - 1)
	if n.layered {
		for _, l := range []*layer{&n.folded, &n.composed} {
			from, _ = l.origin(from)
			_, to = l.origin(to - 1)
		}
	}
	return from, to
}

// origin is the range of the original that Bytes[i] came from.
func (n *Normalized) origin(i int) (int, int) {
	k := sort.Search(len(n.steps), func(k int) bool { return int(n.steps[k].at) > i }) - 1
	if k < 0 {
		return i, i + 1
	}
	s := n.steps[k]
	from := int(s.from) + (i-int(s.at))/int(s.size)*int(s.width)
	return from, from + int(s.width)
}

// mark records that Bytes[at:at+size] came from the width bytes of the original at from.
func (n *Normalized) mark(at, from, size, width int) {
	if size == 0 {
		return
	}
	if k := len(n.steps) - 1; k >= 0 {
		s := n.steps[k]
		if int(s.size) == size && int(s.width) == width && int(s.from)+(at-int(s.at))/size*width == from {
			return
		}
	}
	n.steps = append(n.steps, step{int32(at), int32(from), uint8(size), uint8(width)})
}

// Normalize fills n from s. Bytes that are not UTF-8 count as U+FFFD.
func (p Normalizer) Normalize(n *Normalized, s string) {
	n.Bytes, n.steps, n.layered = n.Bytes[:0], n.steps[:0], p.Dialogue
	if p.Dialogue {
		n.composed.compose(s)
		n.folded.fold(string(n.composed.bytes))
		s = string(n.folded.bytes)
	}
	i := p.ascii(n, s, 0)
	for i < len(s) {
		r, width := utf8.DecodeRuneInString(s[i:])
		at := len(n.Bytes)
		p.mapRune(n, s, i, r)
		n.mark(at, i, len(n.Bytes)-at, width)
		i += width
		if i < len(s) && s[i] < utf8.RuneSelf {
			n.mark(len(n.Bytes), i, 1, 1)
			i = p.ascii(n, s, i)
		}
	}
}

// ascii appends the ASCII that s[i:] begins with and answers where it ends.
func (p Normalizer) ascii(n *Normalized, s string, i int) int {
	begin := len(n.Bytes)
	n.Bytes = slices.Grow(n.Bytes, len(s)-i)
	out := n.Bytes[begin : begin+len(s)-i]
	for k := range out {
		c := s[i+k]
		if c >= utf8.RuneSelf {
			out = out[:k]
			break
		}
		if p.Lowercase && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		out[k] = c
	}
	n.Bytes = n.Bytes[:begin+len(out)]
	return i + len(out)
}

// mapRune appends what r, standing at s[i:], becomes.
func (p Normalizer) mapRune(n *Normalized, s string, i int, r rune) {
	switch {
	case !p.Lowercase:
		p.strip(n, r)
	case r == 'İ': // the one unconditional one-to-many mapping of Unicode's SpecialCasing.txt
		p.strip(n, 'i')
		p.strip(n, '\u0307')
	case r == 'Σ' && finalSigma(s, i):
		p.strip(n, 'ς')
	default:
		p.strip(n, unicode.ToLower(r))
	}
}

// strip appends r decomposed and without combining characters, if accents are stripped.
func (p Normalizer) strip(n *Normalized, r rune) {
	if !p.StripAccents || r < utf8.RuneSelf {
		n.Bytes = utf8.AppendRune(n.Bytes, r)
		return
	}
	if syllable := r - hangulFirst; 0 <= syllable && syllable < hangulCount {
		n.Bytes = appendHangul(n.Bytes, syllable)
		return
	}
	form := utf8.AppendRune(n.scratch[:0], r)
	if d := norm.NFKD.Properties(form).Decomposition(); d != nil {
		form = d
	}
	for len(form) > 0 {
		_, size := utf8.DecodeRune(form)
		if norm.NFKD.Properties(form[:size]).CCC() == 0 {
			n.Bytes = append(n.Bytes, form[:size]...)
		}
		form = form[size:]
	}
}

// Hangul syllables decompose by arithmetic: the Unicode Standard, section 3.12.
const (
	hangulFirst  = 0xac00
	hangulCount  = 11172
	leadFirst    = 0x1100
	vowelFirst   = 0x1161
	trailFirst   = 0x11a7 // stands for no trailing consonant
	vowelCount   = 21
	trailCount   = 28
	perLeadCount = vowelCount * trailCount
)

func appendHangul(dst []byte, syllable rune) []byte {
	dst = utf8.AppendRune(dst, leadFirst+syllable/perLeadCount)
	dst = utf8.AppendRune(dst, vowelFirst+syllable%perLeadCount/trailCount)
	if trail := syllable % trailCount; trail > 0 {
		dst = utf8.AppendRune(dst, trailFirst+trail)
	}
	return dst
}

// finalSigma is Unicode's Final_Sigma condition for the sigma at s[i:]: a cased letter
// stands before it and none after it, case-ignorable characters passed over.
func finalSigma(s string, i int) bool {
	before := false
	for j := i; j > 0; {
		r, size := utf8.DecodeLastRuneInString(s[:j])
		j -= size
		if !caseIgnorable(r) {
			before = cased(r)
			break
		}
	}
	if !before {
		return false
	}
	for j := i + len("Σ"); j < len(s); {
		r, size := utf8.DecodeRuneInString(s[j:])
		j += size
		if !caseIgnorable(r) {
			return !cased(r)
		}
	}
	return true
}

func cased(r rune) bool {
	return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) ||
		unicode.In(r, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// caseIgnorable is the property of Unicode's DerivedCoreProperties.txt: Mn, Me, Cf, Lm,
// Sk, and the word breaks MidLetter, MidNumLet and Single_Quote.
func caseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', ':', '·', '\u0387', '\u055f', '\u05f4', '\u2018', '\u2019', '\u2024', '\u2027',
		'\ufe13', '\ufe52', '\ufe55', '\uff07', '\uff0e', '\uff1a':
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}
