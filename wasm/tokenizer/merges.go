package tokenizer

import (
	"fmt"
	"strings"
)

// Merges is a byte-level BPE: tokens that stand for bytes, and the pairs of tokens that
// become one, first the pair of the lowest rank. It does not change and may be shared.
type Merges struct {
	bytes  []string         // by id: what the token stands for; "" where there is none
	names  map[string]int32 // as in vocab.json
	letter [256]int32       // the token of each byte
	pairs  []uint64         // open addressing: left<<44 | right<<24 | rank+1; 0 is empty
	shift  uint8            // 64 - log2(len(pairs))
	merged []int32          // by rank
}

// NewMerges makes a BPE of ids, as a vocab.json has them, and merges in rising rank,
// "left right" each, both in the spelling of GPT-2: a printable character for every
// byte. Ids must differ and be below MaxTokens; every byte must have a token. Tokens in
// another spelling can only be special ones. The map is kept and must not change.
func NewMerges(ids map[string]int32, merges []string) (*Merges, error) {
	if len(merges) >= MaxTokens {
		return nil, fmt.Errorf("%w: %d merges, at most %d", ErrVocabulary, len(merges), MaxTokens-1)
	}
	m := &Merges{names: ids}
	if err := m.nameBytes(ids); err != nil {
		return nil, err
	}
	log2 := 4
	for 1<<log2 < 2*len(merges) {
		log2++
	}
	m.pairs, m.shift = make([]uint64, 1<<log2), uint8(64-log2)
	for rank, line := range merges {
		if err := m.addMerge(rank, line); err != nil {
			return nil, fmt.Errorf("%w: merge %d, %.40q: %w", ErrVocabulary, rank+1, line, err)
		}
	}
	return m, nil
}

// nameBytes fills bytes and letter.
func (m *Merges) nameBytes(ids map[string]int32) error {
	var first error // of several always the same, though maps have no order
	refuse := func(format string, args ...any) {
		err := fmt.Errorf("%w: "+format, append([]any{ErrVocabulary}, args...)...)
		if first == nil || err.Error() < first.Error() {
			first = err
		}
	}
	names := []string{}
	for name, id := range ids {
		if err := checkEntry(name); err != nil {
			refuse("token %.40q: %w", name, err)
			continue
		}
		if id < 0 || id >= MaxTokens {
			refuse("token %.40q has id %d, want 0 to %d", name, id, MaxTokens-1)
			continue
		}
		for len(names) <= int(id) {
			names = append(names, "")
		}
		if other := names[id]; other != "" {
			refuse("tokens %.40q and %.40q both have id %d", min(name, other), max(name, other), id)
			name = min(name, other)
		}
		names[id] = name
	}
	if first != nil {
		return first
	}
	m.bytes = make([]string, len(names))
	var buffer []byte
	for id, name := range names {
		buffer = appendUnspelled(buffer[:0], name)
		m.bytes[id] = string(buffer)
	}
	for c := range m.letter {
		id, ok := ids[string(byteLetters[c])]
		if !ok {
			return fmt.Errorf("%w: no token %q for byte %#02x", ErrVocabulary, byteLetters[c], c)
		}
		m.letter[c] = id
	}
	return nil
}

func (m *Merges) addMerge(rank int, line string) error {
	left, right, ok := strings.Cut(line, " ")
	if !ok || left == "" || right == "" || strings.Contains(right, " ") {
		return fmt.Errorf("want two tokens and one space between")
	}
	var buffer [64]byte
	both := append(append(buffer[:0], left...), right...)
	var ids [3]int32
	for i, name := range [][]byte{both[:len(left)], both[len(left):], both} {
		if ids[i], ok = m.names[string(name)]; !ok {
			return fmt.Errorf("token %.40q is not in the vocabulary", name)
		}
	}
	slot := m.slot(ids[0], ids[1])
	if e := m.pairs[slot]; e != 0 {
		return fmt.Errorf("it stands already as merge %d", e&rankMask)
	}
	m.pairs[slot] = pairKey(ids[0], ids[1])<<24 | uint64(rank+1)
	m.merged = append(m.merged, ids[2])
	return nil
}

// Ids take 20 bits, ranks, counted from 1, at most 20 of 24.
const rankMask = 1<<24 - 1

func pairKey(left, right int32) uint64 { return uint64(left)<<20 | uint64(right) }

// slot is where the pair lies or would lie.
func (m *Merges) slot(left, right int32) int {
	key := pairKey(left, right)
	mask := len(m.pairs) - 1
	i, step := spread(key, m.shift)
	for m.pairs[i&mask] != 0 && m.pairs[i&mask]>>24 != key {
		i += step
	}
	return i & mask
}

// rank is the pair's, noRank where it does not merge.
func (m *Merges) rank(left, right int32) uint32 {
	e := m.pairs[m.slot(left, right)]
	if e == 0 {
		return noRank
	}
	return uint32(e&rankMask) - 1
}

const noRank = 1<<32 - 1

// Len is one more than the highest id.
func (m *Merges) Len() int { return len(m.bytes) }

// Bytes is what the token stands for, "" where there is none. It need not be valid
// UTF-8: a character may take several tokens.
func (m *Merges) Bytes(id int32) string {
	if id < 0 || int(id) >= len(m.bytes) {
		return ""
	}
	return m.bytes[id]
}

// ID is the id of a token in the spelling of vocab.json, if there is one.
func (m *Merges) ID(name string) (id int32, ok bool) {
	id, ok = m.names[name]
	return id, ok
}

// byteLetters are GPT-2's printable characters for bytes: themselves where Latin-1 has
// a visible character, and the characters from U+0100 on for the rest, in order.
var byteLetters = func() (letters [256]rune) {
	next := rune(0x100)
	for c := range letters {
		switch {
		case '!' <= c && c <= '~' || '¡' <= c && c <= '¬' || '®' <= c:
			letters[c] = rune(c)
		default:
			letters[c] = next
			next++
		}
	}
	return letters
}()

// letterBytes is the inverse, plus one; 0 is no byte's letter.
var letterBytes = func() (bytes [0x144]uint16) {
	for c, r := range byteLetters {
		bytes[r] = uint16(c + 1)
	}
	return bytes
}()

// appendUnspelled appends the bytes that a token's spelling stands for. A spelling with
// other characters stands for itself.
func appendUnspelled(dst []byte, name string) []byte {
	start := len(dst)
	for _, r := range name {
		if int(r) >= len(letterBytes) || letterBytes[r] == 0 {
			return append(dst[:start], name...)
		}
		dst = append(dst, byte(letterBytes[r]-1))
	}
	return dst
}
