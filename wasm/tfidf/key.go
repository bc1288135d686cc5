package tfidf

// Keys are part of the bundle format: a change here needs a new format version.
//
// A token's hash is step folded over its UTF-8 bytes from 0. A word n-gram's key is
// finish(step folded over its tokens' hashes), a character n-gram's is
// finish(step folded over its runes), both from the block's seed,
// finish(step(0, block position + 1)).

// step takes in one value; the multiplier is 2^64 over the golden ratio, and the
// shift brings high bits back down, which multiplication alone never does.
func step(key, value uint64) uint64 {
	key = (key ^ value) * 0x9e3779b97f4a7c15
	return key ^ key>>29
}

// finish spreads a key over all bits, since tables are indexed by the highest.
func finish(key uint64) uint64 {
	key *= 0xd6e8feb86659fd93
	return key ^ key>>32
}

// keySet is a small open-addressing set of token hashes.
type keySet struct {
	slots []uint64 // 0 is empty
	mask  uint64
}

func newKeySet(keys []uint64) *keySet {
	size := 1
	for size < 4*len(keys) {
		size *= 2
	}
	s := &keySet{make([]uint64, size), uint64(size - 1)}
	for _, k := range keys {
		i := k & s.mask
		for s.slots[i] != 0 {
			i = (i + 1) & s.mask
		}
		s.slots[i] = k
	}
	return s
}

func (s *keySet) has(key uint64) bool {
	if s == nil {
		return false
	}
	for i := key & s.mask; s.slots[i] != 0; i = (i + 1) & s.mask {
		if s.slots[i] == key {
			return true
		}
	}
	return false
}
