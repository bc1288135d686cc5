package tokenizer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxMerges is the largest vocab.json or merges.txt that is read, in bytes.
const MaxMerges = 64 << 20

// ReadMerges reads a merges.txt: one merge a line, in rising rank, below an optional
// line that begins with "#version".
func ReadMerges(file []byte) ([]string, error) {
	if len(file) > MaxMerges {
		return nil, fmt.Errorf("%w: merges of %d bytes, at most %d", ErrVocabulary, len(file), MaxMerges)
	}
	if !utf8.Valid(file) {
		return nil, fmt.Errorf("%w: the merges are not valid UTF-8", ErrVocabulary)
	}
	text := strings.TrimSuffix(string(file), "\n")
	if strings.HasPrefix(text, "#version") {
		_, text, _ = strings.Cut(text, "\n")
	}
	if text == "" {
		return nil, nil
	}
	if n := strings.Count(text, "\n") + 1; n >= MaxTokens {
		return nil, fmt.Errorf("%w: %d merges, at most %d", ErrVocabulary, n, MaxTokens-1)
	}
	merges := strings.Split(text, "\n")
	for i := range merges {
		merges[i] = strings.TrimSuffix(merges[i], "\r")
	}
	return merges, nil
}

// ReadTokenIDs reads a vocab.json: one object of tokens and their ids, integers from 0
// to MaxTokens-1. Names that stand twice are refused.
func ReadTokenIDs(file []byte) (map[string]int32, error) {
	if len(file) > MaxMerges {
		return nil, fmt.Errorf("%w: a table of %d bytes, at most %d", ErrVocabulary, len(file), MaxMerges)
	}
	r := &tableReader{text: string(file)}
	ids, err := r.table()
	if err != nil {
		return nil, fmt.Errorf("%w: table of ids, byte %d: %w", ErrVocabulary, r.at, err)
	}
	return ids, nil
}

// tableReader reads the one kind of JSON that a vocab.json is.
type tableReader struct {
	text   string
	at     int
	buffer []byte
}

func (r *tableReader) table() (map[string]int32, error) {
	ids := map[string]int32{}
	if !r.accept('{') {
		return nil, errors.New("want '{'")
	}
	for first := true; !r.accept('}'); first = false {
		if !first && !r.accept(',') {
			return nil, errors.New("want ',' or '}'")
		}
		name, err := r.name()
		if err != nil {
			return nil, err
		}
		if _, ok := ids[name]; ok {
			return nil, fmt.Errorf("token %.40q stands twice", name)
		}
		if !r.accept(':') {
			return nil, errors.New("want ':'")
		}
		if ids[name], err = r.id(); err != nil {
			return nil, err
		}
		if len(ids) > MaxTokens {
			return nil, fmt.Errorf("more than %d tokens", MaxTokens)
		}
	}
	if r.space(); r.at < len(r.text) {
		return nil, errors.New("want the end")
	}
	return ids, nil
}

func (r *tableReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

// accept passes over white space and then over c, if it stands there.
func (r *tableReader) accept(c byte) bool {
	r.space()
	ok := r.at < len(r.text) && r.text[r.at] == c
	if ok {
		r.at++
	}
	return ok
}

func (r *tableReader) id() (int32, error) {
	r.space()
	start := r.at
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
	}
	digits := r.text[start:r.at]
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || n >= MaxTokens || len(digits) > 1 && digits[0] == '0' {
		return 0, fmt.Errorf("want an integer from 0 to %d, found %.16q", MaxTokens-1, r.text[start:])
	}
	return int32(n), nil
}

func (r *tableReader) name() (string, error) {
	if !r.accept('"') {
		return "", errors.New("want a token in quotes")
	}
	name := r.buffer[:0]
	for start := r.at; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c < ' ':
			return "", errors.New("a control character in a string")
		case c == '\\':
			name = append(name, r.text[start:r.at]...)
			c, err := r.escape()
			if err != nil {
				return "", err
			}
			name = utf8.AppendRune(name, c)
			start = r.at + 1
		case c == '"':
			name = append(name, r.text[start:r.at]...)
			r.at++
			if !utf8.Valid(name) {
				return "", errors.New("the token is not valid UTF-8")
			}
			r.buffer = name
			return string(name), nil
		}
	}
	return "", errors.New("the string does not end")
}

// escape reads what the backslash at hand begins, up to its last byte.
func (r *tableReader) escape() (rune, error) {
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	r.at++
	if r.at == len(r.text) {
		return 0, errors.New("the string does not end")
	}
	if i := strings.IndexByte(letters, r.text[r.at]); i >= 0 {
		return rune(meanings[i]), nil
	}
	c, ok := r.unit()
	if ok && utf16.IsSurrogate(c) {
		ok = strings.HasPrefix(r.text[r.at+1:], `\`)
		r.at += 2
		var low rune
		if ok {
			low, ok = r.unit()
		}
		c = utf16.DecodeRune(c, low)
		ok = ok && c != utf8.RuneError
	}
	if !ok {
		r.at = min(r.at, len(r.text))
		return 0, errors.New("want an escape of JSON")
	}
	return c, nil
}

// unit reads u and four hexadecimal digits, up to the last of them.
func (r *tableReader) unit() (rune, bool) {
	if len(r.text)-r.at < 5 || r.text[r.at] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(r.text[r.at+1:r.at+5], 16, 16)
	r.at += 4
	return rune(n), err == nil
}
