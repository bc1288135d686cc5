// Package tokenizer cuts text into the tokens that encoders and decoders were trained
// on, and says where in the text each token stands.
//
// WordPiece (Wu et al. 2016, arXiv:1609.08144, as BERT uses it: Devlin et al. 2018,
// arXiv:1810.04805) and byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909, over
// bytes as GPT-2 has it: Radford et al. 2019). Both give the ids and offsets of the
// Rust library tokenizers 0.23.2.
//
// Vocabulary and Merges are read once and may be shared; a WordPiece or BPE holds
// scratch memory and serves one goroutine at a time.
package tokenizer

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Token is one token of a text.
type Token struct {
	ID         int32
	Start, End int32 // the bytes text[Start:End] it came from, whole characters
}

// MaxText is the longest text that is tokenized, in bytes.
const MaxText = 1 << 30

// ErrTooLong is a text of more than MaxText bytes.
var ErrTooLong = errors.New("text is too long to tokenize")

func checkText(text string) error {
	if len(text) > MaxText {
		return fmt.Errorf("%w: %d bytes, at most %d; split it", ErrTooLong, len(text), MaxText)
	}
	return nil
}

// Unit is what offsets count. A byte that is not UTF-8 counts as one character.
type Unit uint8

// Units of offsets.
const (
	Bytes Unit = iota // as Append answers them
	UTF16             // code units, as JavaScript counts
	Runes             // Unicode code points, as Python and Rust's tokenizers count
)

// Convert changes the spans of tokens of text from bytes to another unit, in place and
// in one walk over the text for tokens in order. Offsets outside the text, which no
// tokenizer answers, count as its end.
func Convert(tokens []Token, text string, to Unit) {
	if to == Bytes {
		return
	}
	at, units := 0, 0
	for i := range tokens {
		t := &tokens[i]
		if int(t.Start) < at {
			at, units = 0, 0
		}
		at, units = advance(text, at, units, int(t.Start), to)
		_, end := advance(text, at, units, int(t.End), to)
		t.Start, t.End = int32(units), int32(end)
	}
}

// advance walks from byte at, which is units from the text's begin, up to byte goal.
func advance(text string, at, units, goal int, unit Unit) (int, int) {
	for goal = min(goal, len(text)); at < goal; units++ {
		if text[at] < utf8.RuneSelf {
			at++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[at:])
		at += size
		if unit == UTF16 && r > 0xffff {
			units++
		}
	}
	return at, units
}
