// Package jsontext reads and writes JSON without reflection, strictly and with little
// code: the page pays for every function of the module that it runs, when it opens.
package jsontext

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of what a Reader reads.
const (
	MaxDepth  = 32 // objects and arrays within each other
	MaxFields = 64 // in one object
)

// Reader reads one JSON value front to back, by calls that follow its shape:
//
//	for r.Object(); r.Next(); {
//		switch r.Field() {
//		case "size":
//			size = r.Int()
//		default:
//			r.Unknown()
//		}
//	}
//	err := r.End()
//
// The first error ends the reading: every later call answers the zero value, and Err
// the error. Errors name the byte and what was wanted there, and quote a few bytes at
// most.
//
// It holds to RFC 8259 and refuses what that leaves open: names that stand twice in an
// object, invalid UTF-8, halves of surrogate pairs, numbers beyond the type asked for.
type Reader struct {
	text   string
	at     int
	levels []level
	opened bool     // the innermost object or array has just begun
	names  []string // of the fields read so far in all objects that are open
	err    error
}

// level is an object or array whose end has not been read.
type level struct {
	end   byte // '}' or ']'
	names int  // how many of Reader.names belong to outer objects
}

// NewReader reads text. The strings it answers share memory with text.
func NewReader(text string) *Reader { return &Reader{text: text} }

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// End requires that nothing but white space is left, and answers the first error.
func (r *Reader) End() error {
	if r.peek(); r.at < len(r.text) {
		r.fail("the end")
	}
	return r.err
}

// Object begins an object, whose fields Next walks through.
func (r *Reader) Object() { r.begin('{', '}', "an object") }

// Array begins an array, whose elements Next walks through.
func (r *Reader) Array() { r.begin('[', ']', "an array") }

func (r *Reader) begin(start, end byte, want string) {
	if r.peek() != start {
		r.fail(want)
		return
	}
	if len(r.levels) == MaxDepth {
		r.refuse(r.at, "values lie more than "+strconv.Itoa(MaxDepth)+" deep")
		return
	}
	r.at++
	r.levels = append(r.levels, level{end, len(r.names)})
	r.opened = true
}

// Next says whether the innermost object or array goes on, and if so stands before the
// next value, which the caller must read.
func (r *Reader) Next() bool {
	if r.err != nil || len(r.levels) == 0 {
		return false
	}
	l := r.levels[len(r.levels)-1]
	c, first := r.peek(), r.opened
	r.opened = false
	switch {
	case c == l.end:
		r.at++
		r.levels, r.names = r.levels[:len(r.levels)-1], r.names[:l.names]
		return false
	case first:
	case c == ',':
		r.at++
	default:
		r.fail("',' or '" + string(rune(l.end)) + "'")
		return false
	}
	return l.end == ']' || r.name(r.names[l.names:])
}

// name reads a field's name and the colon; others are the names before it.
func (r *Reader) name(others []string) bool {
	r.peek()
	at := r.at
	name := r.quoted("a field's name")
	if r.peek() != ':' {
		r.fail("':'")
	}
	switch {
	case r.err != nil:
		return false
	case slices.Contains(others, name):
		r.refuse(at, "field "+quote(name, maxName)+" stands twice")
		return false
	case len(others) == MaxFields:
		r.refuse(at, "more than "+strconv.Itoa(MaxFields)+" fields in an object")
		return false
	}
	r.at++
	r.names = append(r.names, name)
	return true
}

// Field is the name of the field that Next found.
func (r *Reader) Field() string {
	if len(r.names) == 0 {
		return ""
	}
	return r.names[len(r.names)-1]
}

// Unknown refuses the field that Next found.
func (r *Reader) Unknown() { r.refuse(r.at, "unknown field "+quote(r.Field(), maxName)) }

// List reads an array, element by element; null reads as nil.
func List[T any](r *Reader, read func(*Reader) T) []T {
	if r.null() {
		return nil
	}
	list := []T{}
	for r.Array(); r.Next(); {
		list = append(list, read(r))
	}
	return list
}

// Int reads an integer.
func (r *Reader) Int() int { return int(r.integer(strconv.IntSize)) }

// Int64 reads an integer.
func (r *Reader) Int64() int64 { return r.integer(64) }

func (r *Reader) integer(bits int) int64 {
	s, at := r.number()
	n, err := strconv.ParseInt(s, 10, bits)
	if err != nil {
		r.refuse(at, "want an integer of "+strconv.Itoa(bits)+" bits, found "+quote(s, maxFound))
	}
	return n
}

// Float reads a number.
func (r *Reader) Float() float64 {
	s, at := r.number()
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		r.refuse(at, "want a number of 64 bits, found "+quote(s, maxFound))
	}
	return n
}

// number reads a number's text, which begins at byte at.
func (r *Reader) number() (text string, at int) {
	r.peek()
	at = r.at
	r.accept("-")
	ok := r.accept("0") || r.digits()
	if ok && r.accept(".") {
		ok = r.digits()
	}
	if ok && r.accept("eE") {
		r.accept("+-")
		ok = r.digits()
	}
	if !ok {
		r.fail("a number")
		return "", at
	}
	return r.text[at:r.at], at
}

func (r *Reader) digits() bool {
	start := r.at
	for r.at < len(r.text) && '0' <= r.text[r.at] && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at > start
}

// accept passes over one byte if it is among these.
func (r *Reader) accept(bytes string) bool {
	ok := r.at < len(r.text) && strings.IndexByte(bytes, r.text[r.at]) >= 0
	if ok {
		r.at++
	}
	return ok
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	yes := r.literal("true")
	if !yes && !r.literal("false") {
		r.fail("true or false")
	}
	return yes
}

func (r *Reader) null() bool { return r.literal("null") }

func (r *Reader) literal(s string) bool {
	r.peek()
	ok := strings.HasPrefix(r.text[r.at:], s)
	if ok {
		r.at += len(s)
	}
	return ok
}

// Text reads a string.
func (r *Reader) Text() string { return r.quoted("a string") }

func (r *Reader) quoted(want string) string {
	if r.peek() != '"' {
		r.fail(want)
		return ""
	}
	r.at++
	var unescaped []byte
	for {
		start := r.at
		for r.at < len(r.text) && r.text[r.at] >= ' ' && r.text[r.at] != '"' && r.text[r.at] != '\\' {
			r.at++
		}
		plain := r.text[start:r.at]
		switch {
		case !utf8.ValidString(plain):
			r.refuse(start, "the string is not valid UTF-8")
			return ""
		case r.accept(`"`):
			if unescaped == nil {
				return plain
			}
			return string(append(unescaped, plain...))
		case r.accept(`\`):
			unescaped = r.escape(append(unescaped, plain...))
		default:
			r.fail("'\"'")
			return ""
		}
	}
}

// escape appends what the escape stands for whose backslash has been read.
func (r *Reader) escape(dst []byte) []byte {
	at := r.at - 1
	if r.accept("u") {
		c := r.unit()
		if utf16.IsSurrogate(c) {
			low := rune(utf8.RuneError)
			if r.accept(`\`) && r.accept("u") {
				low = r.unit()
			}
			if c = utf16.DecodeRune(c, low); c == utf8.RuneError {
				r.refuse(at, "want both halves of a surrogate pair")
			}
		}
		return utf8.AppendRune(dst, c)
	}
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if r.at < len(r.text) {
		if i := strings.IndexByte(letters, r.text[r.at]); i >= 0 {
			r.at++
			return append(dst, meanings[i])
		}
	}
	r.fail("an escape of JSON")
	return dst
}

// unit reads four hexadecimal digits.
func (r *Reader) unit() (c rune) {
	for range 4 {
		const digits = "0123456789abcdefABCDEF"
		i := -1
		if r.at < len(r.text) {
			i = strings.IndexByte(digits, r.text[r.at])
		}
		if i < 0 {
			r.fail("a hexadecimal digit")
			return 0
		}
		if i >= 16 {
			i -= 6
		}
		c = c<<4 | rune(i)
		r.at++
	}
	return c
}

// Skip reads any value and forgets it.
func (r *Reader) Skip() {
	switch r.peek() {
	case '{':
		for r.Object(); r.Next(); {
			r.Skip()
		}
	case '[':
		for r.Array(); r.Next(); {
			r.Skip()
		}
	case '"':
		r.Text()
	case 't', 'f':
		r.Bool()
	case 'n':
		if !r.null() {
			r.fail("null")
		}
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		r.number()
	default:
		r.fail("a value")
	}
}

// peek passes over white space and answers the byte behind it, 0 at the end.
func (r *Reader) peek() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// Bytes that errors quote.
const (
	maxFound = 16
	maxName  = 64
)

func (r *Reader) fail(want string) {
	found := "the end"
	if rest := r.text[r.at:]; rest != "" {
		found = quote(rest, maxFound)
	}
	r.refuse(r.at, "want "+want+", found "+found)
}

// refuse ends the reading, which leaves nothing for later calls to find.
func (r *Reader) refuse(at int, why string) {
	if r.err == nil {
		r.err = errors.New("byte " + strconv.Itoa(at) + ": " + why)
	}
	r.at = len(r.text)
}

func quote(s string, most int) string { return strconv.Quote(s[:min(len(s), most)]) }
