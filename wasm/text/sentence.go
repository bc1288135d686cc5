package text

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentences parts a note behind full stops, question and exclamation marks and semicolons
// that white space follows, and at ends of lines. The stop of "Dr. Lee", "2.5 mg", "b.i.d."
// or of a numbered list ends none. The parts [start, end) cover the note in order; white
// space belongs to the part before it.
func Sentences(note string) iter.Seq2[int, int] { return parts(note, endsSentence) }

// Clauses parts likewise, behind commas, colons and dashes too.
func Clauses(note string) iter.Seq2[int, int] {
	return parts(note, func(note string, start, end int, mark rune) bool {
		return endsClause(note, end, mark) || endsSentence(note, start, end, mark)
	})
}

// parts ends a part, which began at start, behind the character mark where ends says so.
func parts(note string, ends func(note string, start, end int, mark rune) bool) iter.Seq2[int, int] {
	return func(yield func(start, end int) bool) {
		start := 0
		for at := 0; at < len(note); {
			mark, size := utf8.DecodeRuneInString(note[at:])
			at += size
			if !ends(note, start, at, mark) {
				continue
			}
			at = len(note) - len(strings.TrimLeftFunc(strings.TrimLeft(note[at:], closers), IsSpace))
			if !yield(start, at) {
				return
			}
			start = at
		}
		if start < len(note) {
			yield(start, len(note))
		}
	}
}

// closers may stand between a mark and the white space behind it.
const closers = `"')]}»”’`

func endsSentence(note string, start, end int, mark rune) bool {
	switch mark {
	case '\n', '\r', '\v', '\f', 0x85, 0x2028, 0x2029, '。', '！', '？', '；':
		return true
	case '!', '?', ';', '…':
		return spaceFollows(note[end:])
	case '.':
		return spaceFollows(note[end:]) && !abbreviated(note[start:end-1], note[end:])
	}
	return false
}

func endsClause(note string, end int, mark rune) bool {
	switch mark {
	case '，', '、', '：':
		return true
	case ',', ':', '-', '–', '—':
		return spaceFollows(note[end:])
	}
	return false
}

func spaceFollows(rest string) bool {
	rest = strings.TrimLeft(rest, closers)
	next, _ := utf8.DecodeRuneInString(rest)
	return rest == "" || IsSpace(next)
}

// longestShort bounds the bytes of what is taken for an abbreviation.
const longestShort = 8

// abbreviated says that the stop between the beginning of a sentence and what follows is
// no end of it.
func abbreviated(before, after string) bool {
	tail := before[max(0, len(before)-longestShort-1):]
	word := tail[len(strings.TrimRightFunc(tail, func(r rune) bool { return IsWord(r) || r == '.' })):]
	if word == "" || len(word) > longestShort {
		return false
	}
	next, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(after, IsSpace))
	switch shortened[word] {
	case always:
		return true
	case beforeNumbers:
		return unicode.IsDigit(next)
	case withinSentences:
		return !unicode.IsUpper(next)
	}
	switch {
	case strings.Trim(word, "0123456789") == "": // of a list
		return strings.LastIndexFunc(before[:len(before)-len(word)], func(r rune) bool { return !IsSpace(r) }) < 0
	case strings.Contains(word, ".."):
		return false
	case strings.Contains(word, "."): // as in p.m. and b.i.d.
		return !unicode.IsUpper(next)
	}
	return utf8.RuneCountInString(word) == 1 // an initial
}

// Where the stop behind an abbreviation ends no sentence.
const (
	always          = 1 + iota // a name or a thing must follow
	beforeNumbers              // else it is a word of its own
	withinSentences            // a capital letter says that a sentence begins
)

var shortened = func() map[string]int {
	kinds := map[string]int{}
	for kind, words := range map[int]string{
		always:          "Dr Mr Mrs Ms Prof St vs approx ca",
		beforeNumbers:   "no No nos Nos fig Fig",
		withinSentences: "mg mcg ml mL cm mm hr hrs wk wks yr yrs tab tabs cap caps inj temp wt ht dept incl etc resp",
	} {
		for word := range strings.FieldsSeq(words) {
			kinds[word] = kind
		}
	}
	return kinds
}()
