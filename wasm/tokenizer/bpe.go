package tokenizer

import (
	"slices"
	"unicode/utf8"
)

// BPE tokenizes for GPT-2: words by its pattern, then pairs of tokens merged within
// words, lowest rank first and leftmost first among equals. One goroutine at a time.
type BPE struct {
	merges  *Merges
	special *finder
	cache   []cached

	symbols []symbol
	heap    []uint64
}

// cached is how a short word is cut.
type cached struct {
	key   cacheKey
	count uint8
	ends  [cacheTokens]uint8
	ids   [cacheTokens]int32
}

// cacheKey is a word and, in the last byte, its length.
type cacheKey [24]byte

const (
	cacheSlots  = 1 << 12 // of 60 bytes; a word takes the place of the one that was there
	cacheTokens = 7
)

// symbol is a token of the word at hand, at its first byte; those of all other bytes
// are dead.
type symbol struct {
	id   int32 // -1: dead
	prev int32 // byte where the token before begins, -1
	end  int32 // byte where it ends and the next begins
}

// keepSymbols bounds the scratch memory that is kept from one text to the next.
const keepSymbols = 1 << 16

// NewBPE makes a tokenizer of merges. Special tokens, as "<|endoftext|>", are recognized
// in texts; they must be tokens of the vocabulary.
func NewBPE(m *Merges, special ...string) (*BPE, error) {
	f, err := newFinder(special, m.ID)
	if err != nil {
		return nil, err
	}
	return &BPE{merges: m, special: f, cache: make([]cached, cacheSlots)}, nil
}

// Merges are those it was made of.
func (b *BPE) Merges() *Merges { return b.merges }

// Append appends the tokens of text to dst, in order. The bytes the tokens stand for,
// put together, are the text, whatever its bytes; spans are widened to whole characters,
// so that those of neighbours are equal or overlap where they share one. A word of n
// bytes that is not in the cache takes time O(n log n) and up to 40 n bytes of memory;
// beyond that nothing is allocated but dst. The only error is ErrTooLong.
func (b *BPE) Append(dst []Token, text string) ([]Token, error) {
	if err := checkText(text); err != nil {
		return dst, err
	}
	for at := 0; at < len(text); {
		start, size, id := b.special.next(text, at)
		for at < start {
			end := at + gptWord(text[at:start])
			dst = b.appendWord(dst, text, at, end)
			at = end
		}
		if size > 0 {
			dst = append(dst, Token{id, int32(start), int32(start + size)})
			at = start + size
		}
	}
	if cap(b.symbols) > keepSymbols {
		b.symbols, b.heap = nil, nil
	}
	return dst, nil
}

// appendWord appends the tokens of text[start:end], which is not empty.
func (b *BPE) appendWord(dst []Token, text string, start, end int) []Token {
	word := text[start:end]
	var key cacheKey
	if len(word) >= len(key) {
		b.merge(word)
		return b.appendSymbols(dst, text, start)
	}
	copy(key[:], word)
	key[len(key)-1] = uint8(len(word))
	slot := &b.cache[hashWord(word)%cacheSlots]
	if slot.key != key {
		b.merge(word)
		if !slot.fill(key, b.symbols) {
			return b.appendSymbols(dst, text, start)
		}
	}
	from := start
	for k := range slot.ids[:slot.count] {
		to := start + int(slot.ends[k])
		first, last := spanRunes(text, from, to)
		dst = append(dst, Token{slot.ids[k], first, last})
		from = to
	}
	return dst
}

func (b *BPE) appendSymbols(dst []Token, text string, start int) []Token {
	for at := 0; at < len(b.symbols); {
		s := b.symbols[at]
		first, last := spanRunes(text, start+at, start+int(s.end))
		dst = append(dst, Token{s.id, first, last})
		at = int(s.end)
	}
	return dst
}

// spanRunes widens text[start:end] to whole characters.
func spanRunes(text string, start, end int) (int32, int32) {
	if start < len(text) && !utf8.RuneStart(text[start]) {
		start, _ = runeAround(text, start)
	}
	if end < len(text) && !utf8.RuneStart(text[end]) {
		_, end = runeAround(text, end)
	}
	return int32(start), int32(end)
}

// runeAround is the character that byte at lies within; a byte that belongs to none is
// one.
func runeAround(text string, at int) (start, end int) {
	for start = at - 1; start >= 0 && start > at-utf8.UTFMax; start-- {
		if utf8.RuneStart(text[start]) {
			if _, size := utf8.DecodeRuneInString(text[start:]); start+size > at {
				return start, start + size
			}
			break
		}
	}
	return at, at
}

// fill caches the word's tokens unless they are too many.
func (c *cached) fill(key cacheKey, symbols []symbol) bool {
	count := uint8(0)
	for at := 0; at < len(symbols); at = int(symbols[at].end) {
		if count == cacheTokens {
			c.key = cacheKey{}
			return false
		}
		c.ids[count], c.ends[count] = symbols[at].id, uint8(symbols[at].end)
		count++
	}
	c.key, c.count = key, count
	return true
}

func hashWord(word string) uint64 {
	hash := uint64(len(word))
	for _, c := range []byte(word) {
		hash = (hash ^ uint64(c)) * 0x9e3779b97f4a7c15
		hash ^= hash >> 29
	}
	return hash
}

// merge cuts the word into symbols.
func (b *BPE) merge(word string) {
	b.symbols, b.heap = slices.Grow(b.symbols[:0], len(word)), b.heap[:0]
	for i, c := range []byte(word) {
		b.symbols = append(b.symbols, symbol{b.merges.letter[c], int32(i - 1), int32(i + 1)})
	}
	for at := range len(word) - 1 {
		b.offer(at)
	}
	for len(b.heap) > 0 {
		top := b.pop()
		rank, at := uint32(top>>32), int(uint32(top))
		left := &b.symbols[at]
		if left.id < 0 || int(left.end) == len(b.symbols) {
			continue
		}
		right := &b.symbols[left.end]
		if b.merges.rank(left.id, right.id) != rank {
			continue // offered before a neighbour merged
		}
		left.id, left.end = b.merges.merged[rank], right.end
		right.id = -1
		if int(left.end) < len(b.symbols) {
			b.symbols[left.end].prev = int32(at)
			b.offer(at)
		}
		if left.prev >= 0 {
			b.offer(int(left.prev))
		}
	}
}

// offer puts the pair that begins at byte at and does not end the word on the heap, if
// it merges.
func (b *BPE) offer(at int) {
	left := &b.symbols[at]
	rank := b.merges.rank(left.id, b.symbols[left.end].id)
	if rank == noRank {
		return
	}
	b.heap = append(b.heap, uint64(rank)<<32|uint64(at))
	for i := len(b.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if b.heap[parent] <= b.heap[i] {
			break
		}
		b.heap[parent], b.heap[i] = b.heap[i], b.heap[parent]
		i = parent
	}
}

// pop takes the pair of the lowest rank, leftmost among equals, from the heap.
func (b *BPE) pop() uint64 {
	h := b.heap
	top, n := h[0], len(h)-1
	h[0] = h[n]
	h = h[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && h[child+1] < h[child] {
			child++
		}
		if h[i] <= h[child] {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	b.heap = h
	return top
}
