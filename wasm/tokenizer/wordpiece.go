package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// Options say how a model's texts are prepared. The zero value is cased BERT.
type Options struct {
	Lowercase    bool // do_lower_case
	StripAccents bool // strip_accents, which follows do_lower_case where a model is silent
	JoinCJK      bool // leave ideographs in words: tokenize_chinese_chars is false

	MaxWord int // longest word that is cut into pieces, in characters; 0 means 100

	Special Special
}

// Uncased is BERT that knows neither capitals nor accents.
var Uncased = Options{Lowercase: true, StripAccents: true}

// MaxWordLimit is the largest Options.MaxWord.
const MaxWordLimit = 10_000

// Special names the tokens with a role. Empty names mean BERT's own: [UNK], [CLS],
// [SEP], [PAD], [MASK]. All must stand in the vocabulary; all are recognized in texts.
type Special struct {
	Unknown, Class, Separator, Padding, Mask string

	More []string // recognized in texts too
}

// SpecialIDs are the ids of the tokens with a role.
type SpecialIDs struct {
	Unknown, Class, Separator, Padding, Mask int32
}

// WordPiece tokenizes for BERT: normalization, words, then pieces of words, each the
// longest entry of the vocabulary that fits, continuations marked "##". One goroutine
// at a time.
type WordPiece struct {
	vocabulary *Vocabulary
	special    *finder
	ids        SpecialIDs
	joint      uint32 // the node of "##"
	maxWord    int

	kinds      [256]uint8 // by byte of the text
	fold       [256]uint8 // what a byte of ASCII becomes
	normalizer normalizer
	word       word
}

// word is the word being read, normalized.
type word struct {
	first, last int    // the text it came from; last includes what is too long for bytes
	chars       int    // characters, those too long for bytes included
	bytes       []byte // UTF-8, the first MaxWord characters

	// Where bytes came from: text[first:] one for one while plain, else by byte the
	// range of the character it came from.
	plain    bool
	from, to []int32
}

// NewWordPiece makes a tokenizer with this vocabulary. It refuses a vocabulary without
// the special tokens.
func NewWordPiece(v *Vocabulary, o Options) (*WordPiece, error) {
	if o.MaxWord < 0 || o.MaxWord > MaxWordLimit {
		return nil, fmt.Errorf("words of at most %d characters: want 1 to %d", o.MaxWord, MaxWordLimit)
	}
	names := o.Special.names()
	special, err := newFinder(names, v.ID)
	if err != nil {
		return nil, err
	}
	w := &WordPiece{
		vocabulary: v,
		special:    special,
		joint:      v.index.find("##"),
		maxWord:    o.MaxWord,
		normalizer: normalizer{lowercase: o.Lowercase, stripAccents: o.StripAccents, joinCJK: o.JoinCJK},
	}
	if w.maxWord == 0 {
		w.maxWord = 100
	}
	for i, id := range []*int32{&w.ids.Unknown, &w.ids.Class, &w.ids.Separator, &w.ids.Padding, &w.ids.Mask} {
		*id, _ = v.ID(names[i])
	}
	w.word.bytes = make([]byte, 0, w.maxWord*utf8.UTFMax)
	w.classifyBytes()
	return w, nil
}

func (s Special) names() []string {
	names := []string{s.Unknown, s.Class, s.Separator, s.Padding, s.Mask}
	for i, usual := range []string{"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"} {
		if names[i] == "" {
			names[i] = usual
		}
	}
	return append(names, s.More...)
}

func (w *WordPiece) classifyBytes() {
	for c := range w.kinds {
		r := rune(c)
		w.fold[c] = byte(c)
		switch {
		case c >= utf8.RuneSelf:
			w.kinds[c] = wide
		case isRemoved(r):
			w.kinds[c] = gone
		case isSpace(r):
			w.kinds[c] = space
		case isPunctuation(r):
			w.kinds[c] = apart
		case w.normalizer.lowercase:
			w.fold[c] = byte(toLower(r))
		}
		if w.special.first[c] {
			w.kinds[c] |= opens
		}
	}
}

// Special answers the ids of the tokens with a role. Append adds none of them but
// Unknown: a caller sets Class before and Separator behind, each with an empty span.
func (w *WordPiece) Special() SpecialIDs { return w.ids }

// Append appends the tokens of text to dst, in order. Spans hold the characters that
// the token came from; dropped characters and stripped accents at a token's end are in
// none, and spans of neighbours overlap where one character became both. Bytes that
// are not UTF-8 count as U+FFFD, which is dropped. Nothing is allocated but dst. The
// only error is ErrTooLong.
func (w *WordPiece) Append(dst []Token, text string) ([]Token, error) {
	if err := checkText(text); err != nil {
		return dst, err
	}
	for i := 0; i < len(text); {
		kind := w.kinds[text[i]]
		if kind&opens != 0 {
			if id, size := w.special.at(text[i:]); size > 0 {
				dst = w.endWord(dst)
				dst = append(dst, Token{id, int32(i), int32(i + size)})
				i += size
				continue
			}
			kind &^= opens
		}
		switch kind {
		case letter:
			end := i + 1
			for end < len(text) && w.kinds[text[end]] == letter {
				end++
			}
			w.putASCII(text, i, end)
			i = end
		case wide:
			r, size := utf8.DecodeRuneInString(text[i:])
			dst = w.putRune(dst, r, i, i+size)
			i += size
		case space:
			dst = w.endWord(dst)
			i++
		case apart:
			dst = w.endWord(dst)
			w.putASCII(text, i, i+1)
			dst = w.endWord(dst)
			i++
		case gone:
			i++
		}
	}
	return w.endWord(dst), nil
}

// putASCII adds text[from:to], characters of one byte, to the word.
func (w *WordPiece) putASCII(text string, from, to int) {
	d := &w.word
	if d.chars == 0 {
		d.first, d.plain = from, true
	} else if d.plain && from != d.first+d.chars {
		d.spellOut()
	}
	fits := max(0, min(to-from, w.maxWord-d.chars))
	d.chars, d.last = d.chars+to-from, to
	n := len(d.bytes)
	d.bytes = d.bytes[:n+fits]
	for k := range fits {
		d.bytes[n+k] = w.fold[text[from+k]]
	}
	if !d.plain {
		for k := range fits {
			d.from, d.to = append(d.from, int32(from+k)), append(d.to, int32(from+k+1))
		}
	}
}

// putRune adds what r, which is text[from:to], becomes.
func (w *WordPiece) putRune(dst []Token, r rune, from, to int) []Token {
	m := w.normalizer.mapped(r)
	for k, c := range m.to[:m.count] {
		switch m.kinds[k] {
		case letter:
			w.putLetter(c, from, to)
		case apart:
			dst = w.endWord(dst)
			w.putLetter(c, from, to)
			dst = w.endWord(dst)
		case space:
			dst = w.endWord(dst)
		}
	}
	return dst
}

// putLetter adds c, which comes from text[from:to], to the word.
func (w *WordPiece) putLetter(c rune, from, to int) {
	d := &w.word
	if d.chars == 0 {
		d.first, d.plain = from, false
	} else if d.plain {
		d.spellOut()
	}
	d.chars, d.last = d.chars+1, to
	if d.chars > w.maxWord {
		return
	}
	d.bytes = utf8.AppendRune(d.bytes, c)
	for len(d.from) < len(d.bytes) {
		d.from, d.to = append(d.from, int32(from)), append(d.to, int32(to))
	}
}

// spellOut writes down where each byte of a plain word came from.
func (d *word) spellOut() {
	d.plain = false
	for k := range d.bytes {
		d.from, d.to = append(d.from, int32(d.first+k)), append(d.to, int32(d.first+k+1))
	}
}

// endWord appends the pieces of the word read so far and begins another.
func (w *WordPiece) endWord(dst []Token) []Token {
	d := &w.word
	if d.chars == 0 {
		return dst
	}
	before := len(dst)
	known := d.chars <= w.maxWord
	for at, node := 0, uint32(0); known && at < len(d.bytes); node = w.joint {
		id, size := longest(w.vocabulary.index, node, d.bytes[at:])
		known = size > 0
		if known {
			dst = append(dst, d.piece(id, at, at+size))
		}
		at += size
	}
	if !known {
		dst = append(dst[:before], Token{w.ids.Unknown, int32(d.first), int32(d.last)})
	}
	d.chars, d.bytes, d.from, d.to = 0, d.bytes[:0], d.from[:0], d.to[:0]
	return dst
}

// piece is the token that bytes[start:end] are, start < end.
func (d *word) piece(id int32, start, end int) Token {
	if d.plain {
		return Token{id, int32(d.first + start), int32(d.first + end)}
	}
	return Token{id, d.from[start], d.to[end-1]}
}
