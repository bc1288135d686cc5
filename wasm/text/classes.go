package text

import "unicode"

// IsWord says whether r matches \w in Python's regular expressions for str:
// alphanumeric in any script, or an underscore.
func IsWord(r rune) bool {
	if r < 0x80 {
		return ascii[r]&word != 0
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

// IsSpace says whether r separates words in Python's str.split().
func IsSpace(r rune) bool {
	if r < 0x80 {
		return ascii[r]&space != 0
	}
	return r == 0x85 || unicode.Is(unicode.Z, r)
}

const (
	word = 1 << iota
	space
)

var ascii = func() (t [0x80]uint8) {
	for c := range t {
		switch r := rune(c); {
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			t[c] = word
		case r == ' ' || '\t' <= r && r <= '\r' || 0x1c <= r && r <= 0x1f:
			t[c] = space
		}
	}
	return t
}()
