package tfidf

import "bytes"

// eachPhrase visits the phrases of normalized text: runs of words within a sentence, each
// without its plural, function words left out.
func (a *Analyzer) eachPhrase(normalized []byte, visit func(Gram)) {
	a.tokens = a.stemmed(a.tokens[:0], normalized)
	for i := range a.tokens {
		key := a.seed
		for n, t := range a.tokens[i:min(i+a.maxN, len(a.tokens))] {
			if t.start == t.end {
				break
			}
			key = step(key, t.hash)
			if n+1 >= a.minN {
				visit(Gram{Key: finish(key), Start: a.tokens[i].start, End: t.end})
			}
		}
	}
}

// stemmed appends the words of s that are no function words, and the ends of sentences.
func (a *Analyzer) stemmed(dst []token, s []byte) []token {
	for i := 0; i < len(s); {
		size, isWord, _ := classify(s[i:])
		if !isWord {
			if endsSentence(s[i]) {
				dst = append(dst, token{start: int32(i), end: int32(i)})
			}
			i += size
			continue
		}
		start := i
		for i < len(s) {
			if size, isWord, _ = classify(s[i:]); !isWord {
				break
			}
			i += size
		}
		kept, added := stem(s[start:i])
		hash := uint64(0)
		for _, c := range kept {
			hash = step(hash, uint64(c))
		}
		if added != 0 {
			hash = step(hash, uint64(added))
		}
		if !a.stop.has(hash) {
			dst = append(dst, token{hash, int32(start), int32(i)})
		}
	}
	return dst
}

func endsSentence(c byte) bool {
	return c == '.' || c == ';' || c == ':' || c == '!' || c == '?'
}

// stem takes an English plural off a word: what is kept of it, and a letter to add, or 0.
func stem(word []byte) (kept []byte, added byte) {
	n := len(word)
	switch {
	case n > 4 && bytes.HasSuffix(word, []byte("ies")):
		return word[:n-3], 'y'
	case n > 3 && word[n-1] == 's' && word[n-2] != 's' && word[n-2] != 'u' && word[n-2] != 'i':
		return word[:n-1], 0
	}
	return word, 0
}

// appendStems spells a phrase as its key sees it.
func (a *Analyzer) appendStems(dst, phrase []byte) []byte {
	for i, t := range a.stemmed(nil, phrase) {
		if i > 0 {
			dst = append(dst, ' ')
		}
		kept, added := stem(phrase[t.start:t.end])
		if dst = append(dst, kept...); added != 0 {
			dst = append(dst, added)
		}
	}
	return dst
}
