package tfidf

import "bytes"

// eachPhrase visits the phrases of normalized text: runs of words within a sentence, each
// without its plural, function words left out. However long the text, it holds no more words than a phrase has.
func (a *Analyzer) eachPhrase(normalized []byte, visit func(Gram)) {
	a.tokens = a.tokens[:0]
	first := func() {
		a.phrasesOf(a.tokens, visit)
		a.tokens = a.tokens[:copy(a.tokens, a.tokens[1:])]
	}
	rest := func() {
		for len(a.tokens) > 0 {
			first()
		}
	}
	a.eachStem(normalized, func(t token) {
		if a.tokens = append(a.tokens, t); len(a.tokens) == a.maxN {
			first()
		}
	}, rest)
	rest()
}

// phrasesOf visits the phrases that begin with the first of the words.
func (a *Analyzer) phrasesOf(words []token, visit func(Gram)) {
	key := a.seed
	for n, t := range words {
		key = step(key, t.hash)
		if n+1 >= a.minN {
			visit(Gram{Key: finish(key), Start: words[0].start, End: t.end})
		}
	}
}

// eachStem visits the words of s that are no function words, and ends behind each sentence.
func (a *Analyzer) eachStem(s []byte, visit func(token), ends func()) {
	for i := 0; i < len(s); {
		size, isWord, _ := classify(s[i:])
		if !isWord {
			if endsSentence(s[i]) {
				ends()
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
			visit(token{hash, int32(start), int32(i)})
		}
	}
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
	begin := len(dst)
	a.eachStem(phrase, func(t token) {
		if len(dst) > begin {
			dst = append(dst, ' ')
		}
		kept, added := stem(phrase[t.start:t.end])
		if dst = append(dst, kept...); added != 0 {
			dst = append(dst, added)
		}
	}, func() {})
	return dst
}
