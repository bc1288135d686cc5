// Package tfidf turns notes into the vectors of scikit-learn's TfidfVectorizer.
//
// N-grams are known by 64-bit keys, never by their text, so that a model travels
// without the words it was trained on.
package tfidf

import (
	"unicode/utf8"

	"bedside/wasm/text"
	"bedside/weights"
)

// Gram is one occurrence of an n-gram in normalized text.
type Gram struct {
	Key        uint64
	Start, End int32 // bytes of the normalized text, without padding
	PadStart   bool  // char_wb: the n-gram begins with the space before the word
	PadEnd     bool  // char_wb: it ends with the space after the word
}

// Analyzer splits normalized text into the n-grams of one block. It holds scratch
// memory: one goroutine at a time.
type Analyzer struct {
	chars      bool
	stems      bool
	minN, maxN int
	stop       *keySet
	seed       uint64

	tokens []token
	runes  []rune
	places []int32 // byte offset of each rune of the word at hand, and its end
}

type token struct {
	hash       uint64
	start, end int32
}

// NewAnalyzer makes the analyzer of block number position of a checked manifest.
func NewAnalyzer(b weights.Block, position int) *Analyzer {
	a := &Analyzer{
		chars: b.Analyzer == weights.CharWB,
		minN:  b.MinN,
		maxN:  b.MaxN,
		seed:  finish(step(0, uint64(position)+1)),
	}
	switch {
	case b.Analyzer == weights.Phrase:
		a.stems, a.stop = true, functionKeys()
	case b.StopWords == "english":
		a.stop = englishKeys()
	}
	return a
}

// Each visits the n-grams of normalized text.
func (a *Analyzer) Each(normalized []byte, visit func(Gram)) {
	switch {
	case a.chars:
		a.eachChars(normalized, visit)
	case a.stems:
		a.eachPhrase(normalized, visit)
	default:
		a.eachWords(normalized, visit)
	}
}

// AppendText appends the n-gram as scikit-learn's vocabulary spells it.
func (a *Analyzer) AppendText(dst, normalized []byte, g Gram) []byte {
	if a.chars {
		if g.PadStart {
			dst = append(dst, ' ')
		}
		dst = append(dst, normalized[g.Start:g.End]...)
		if g.PadEnd {
			dst = append(dst, ' ')
		}
		return dst
	}
	gram := normalized[g.Start:g.End]
	if a.stems {
		return a.appendStems(dst, gram)
	}
	for i, t := range a.tokenize(nil, gram) {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, gram[t.start:t.end]...)
	}
	return dst
}

func (a *Analyzer) eachWords(normalized []byte, visit func(Gram)) {
	a.tokens = a.tokenize(a.tokens[:0], normalized)
	for i := range a.tokens {
		key := a.seed
		for n, t := range a.tokens[i:min(i+a.maxN, len(a.tokens))] {
			key = step(key, t.hash)
			if n+1 >= a.minN {
				visit(Gram{Key: finish(key), Start: a.tokens[i].start, End: t.end})
			}
		}
	}
}

// tokenize appends the matches of \b\w\w+\b that are not stop words.
func (a *Analyzer) tokenize(dst []token, s []byte) []token {
	for i := 0; i < len(s); {
		size, isWord, _ := classify(s[i:])
		if !isWord {
			i += size
			continue
		}
		start, runes := i, 0
		hash := uint64(0)
		for isWord {
			for _, c := range s[i : i+size] {
				hash = step(hash, uint64(c))
			}
			i, runes = i+size, runes+1
			if i == len(s) {
				break
			}
			size, isWord, _ = classify(s[i:])
		}
		if runes >= 2 && !a.stop.has(hash) {
			dst = append(dst, token{hash, int32(start), int32(i)})
		}
	}
	return dst
}

func (a *Analyzer) eachChars(s []byte, visit func(Gram)) {
	for i := 0; i < len(s); {
		size, _, isSpace := classify(s[i:])
		if isSpace {
			i += size
			continue
		}
		a.runes, a.places = append(a.runes[:0], ' '), append(a.places[:0], int32(i))
		for !isSpace {
			r := rune(s[i])
			if size > 1 {
				r, _ = utf8.DecodeRune(s[i:])
			}
			a.runes, a.places = append(a.runes, r), append(a.places, int32(i))
			i += size
			if i == len(s) {
				break
			}
			size, _, isSpace = classify(s[i:])
		}
		a.runes, a.places = append(a.runes, ' '), append(a.places, int32(i), int32(i))
		a.eachInWord(visit)
	}
}

// eachInWord visits the n-grams of the padded word in a.runes. A word shorter than
// the shortest n-gram counts once, whole.
func (a *Analyzer) eachInWord(visit func(Gram)) {
	n := len(a.runes)
	minN := min(a.minN, n)
	for i := 0; i+minN <= n; i++ {
		key := a.seed
		last := min(i+a.maxN, n)
		for j := i; j < last; j++ {
			key = step(key, uint64(a.runes[j]))
			if j-i+1 >= minN {
				visit(Gram{finish(key), a.places[i], a.places[j+1], i == 0, j == n-1})
			}
		}
	}
}

// classify answers the first character's size and classes.
func classify(s []byte) (size int, isWord, isSpace bool) {
	if c := s[0]; c < utf8.RuneSelf {
		return 1, text.IsWord(rune(c)), text.IsSpace(rune(c))
	}
	r, size := utf8.DecodeRune(s)
	return size, text.IsWord(r), text.IsSpace(r)
}
