// Package text normalizes notes and keeps, for every normalized byte, the place in
// the original it came from.
package text

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Normalizer prepares text as scikit-learn's vectorizers do: str.lower(), then
// strip_accents="unicode" (NFKD without combining characters).
type Normalizer struct {
	Lowercase    bool
	StripAccents bool
}

// Normalized is prepared text. The zero value is ready to be filled and reused.
type Normalized struct {
	Bytes  []byte // UTF-8
	origin []span // per byte of Bytes; empty while the text is ASCII, where places agree
	runes  []byte // scratch
}

type span struct{ start, end int32 }

// Span is the range of the original text that produced Bytes[start:end], start < end.
func (n *Normalized) Span(start, end int) (int, int) {
	if len(n.origin) == 0 {
		return start, end
	}
	return int(n.origin[start].start), int(n.origin[end-1].end)
}

// Normalize fills n from s. Bytes that are not UTF-8 count as U+FFFD.
func (p Normalizer) Normalize(n *Normalized, s string) {
	n.Bytes, n.origin = n.Bytes[:0], n.origin[:0]
	i := p.ascii(n, s)
	if i == len(s) {
		return
	}
	for j := range n.Bytes {
		n.origin = append(n.origin, span{int32(j), int32(j + 1)})
	}
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		n.runes = p.mapRune(n.runes[:0], s, i, r)
		for range n.runes {
			n.origin = append(n.origin, span{int32(i), int32(i + size)})
		}
		n.Bytes = append(n.Bytes, n.runes...)
		i += size
	}
}

// ascii copies the leading ASCII of s and answers how far it came.
func (p Normalizer) ascii(n *Normalized, s string) int {
	if cap(n.Bytes) < len(s) {
		n.Bytes = make([]byte, 0, len(s)+len(s)/8)
	}
	out := n.Bytes[:len(s)]
	i := 0
	for ; i < len(s) && s[i] < utf8.RuneSelf; i++ {
		c := s[i]
		if p.Lowercase && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	n.Bytes = out[:i]
	return i
}

// mapRune appends what r, standing at s[i:], becomes.
func (p Normalizer) mapRune(dst []byte, s string, i int, r rune) []byte {
	if !p.Lowercase {
		return p.strip(dst, r)
	}
	switch r {
	case 'İ': // the one unconditional one-to-many mapping of Unicode's SpecialCasing.txt
		return p.strip(p.strip(dst, 'i'), '\u0307')
	case 'Σ':
		if finalSigma(s, i) {
			return p.strip(dst, 'ς')
		}
	}
	return p.strip(dst, unicode.ToLower(r))
}

// strip appends r decomposed and without combining characters, if accents are stripped.
func (p Normalizer) strip(dst []byte, r rune) []byte {
	if !p.StripAccents || r < utf8.RuneSelf {
		return utf8.AppendRune(dst, r)
	}
	var one [utf8.UTFMax]byte
	var all [64]byte // the longest decomposition, U+FDFA, takes 33 bytes
	form := norm.NFKD.Append(all[:0], one[:utf8.EncodeRune(one[:], r)]...)
	for len(form) > 0 {
		_, size := utf8.DecodeRune(form)
		if norm.NFKD.Properties(form[:size]).CCC() == 0 {
			dst = append(dst, form[:size]...)
		}
		form = form[size:]
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
