package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Classes of characters to GPT-2.
const (
	gptOther = iota
	gptLetter
	gptNumber
	gptSpace
)

func gptClass(r rune) uint8 {
	switch {
	case isLetter(r):
		return gptLetter
	case isNumber(r):
		return gptNumber
	case isSpace(r):
		return gptSpace
	}
	return gptOther
}

// gptFirst is the class and size of text's first character. A byte that is not UTF-8
// is of class other.
func gptFirst(text string) (class uint8, size int) {
	switch c := text[0]; {
	case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
		return gptLetter, 1
	case '0' <= c && c <= '9':
		return gptNumber, 1
	case c == ' ' || '\t' <= c && c <= '\r':
		return gptSpace, 1
	case c < utf8.RuneSelf:
		return gptOther, 1
	}
	r, size := utf8.DecodeRuneInString(text)
	return gptClass(r), size
}

// gptWord is the size of the first match in text, not empty, of GPT-2's pattern, tried
// from left to right:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func gptWord(text string) int {
	if n := contraction(text); n > 0 {
		return n
	}
	class, size := gptFirst(text)
	if text[0] == ' ' && len(text) > 1 {
		if next, n := gptFirst(text[1:]); next != gptSpace {
			class, size = next, 1+n
		}
	}
	end, last := size, 0
	for end < len(text) {
		next, n := gptFirst(text[end:])
		if next != class {
			break
		}
		last = end
		end += n
	}
	// White space leaves its last character to the word behind it.
	if class == gptSpace && end < len(text) && last > 0 {
		return last
	}
	return end
}

// contraction is the size of the contraction that text begins with, or 0.
func contraction(text string) int {
	if text[0] != '\'' || len(text) < 2 {
		return 0
	}
	switch text[1] {
	case 's', 't', 'm', 'd':
		return 2
	}
	for _, ending := range []string{"re", "ve", "ll"} {
		if strings.HasPrefix(text[1:], ending) {
			return 3
		}
	}
	return 0
}
