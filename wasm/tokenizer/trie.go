package tokenizer

import "math/bits"

// trie finds the longest entry that a text begins with, one table look-up a byte.
// Nodes are numbers from 0, the root; edges lie in one open-addressing table.
type trie struct {
	edges []uint64 // key<<32 | accepts | child; 0 is empty
	shift uint8    // 64 - log2(len(edges))
	ids   []int32  // by node; -1 where no entry ends
}

const (
	accepts = 1 << 31 // the edge's child ends an entry
	maxNode = 1 << 23 // keys are node<<8|byte and fit 31 bits
	noNode  = maxNode // has no edges
	noID    = -1
)

// newTrie makes an empty trie with room for so many nodes, and more when needed.
func newTrie(room int) *trie {
	t := &trie{ids: append(make([]int32, 0, room), noID)}
	t.resize(bits.Len(uint(2*room | 15)))
	return t
}

// spread hashes a key: a table looks at the highest bits first, and then at the slots
// that follow in steps of the others. Keys chosen to share a slot rarely share the step.
func spread(key uint64, shift uint8) (slot, step int) {
	h := key * 0x9e3779b97f4a7c15 // 2^64 over the golden ratio
	return int(h >> (shift & 63)), int(h>>16) | 1
}

// slot is where the edge with this key lies or would lie.
func (t *trie) slot(key uint32) int {
	mask := len(t.edges) - 1
	i, step := spread(uint64(key), t.shift)
	for t.edges[i&mask] != 0 && uint32(t.edges[i&mask]>>32) != key {
		i += step
	}
	return i & mask
}

// add enters s, which is not empty and holds no NUL, unless it is there already:
// then it answers the earlier id. All entries together have less than maxNode bytes.
func (t *trie) add(s string, id int32) (earlier int32, isNew bool) {
	if most := len(t.ids) + len(s); 2*most > len(t.edges) {
		t.resize(bits.Len(uint(2 * most)))
	}
	node, slot := uint32(0), 0
	edges := t.edges
	for i := range len(s) {
		key := node<<8 | uint32(s[i])
		var edge uint64
		k, step := spread(uint64(key), t.shift)
		for {
			slot = k & (len(edges) - 1)
			if edge = edges[slot]; edge == 0 || uint32(edge>>32) == key {
				break
			}
			k += step
		}
		if edge == 0 {
			edge = uint64(key)<<32 | uint64(len(t.ids))
			edges[slot] = edge
			t.ids = append(t.ids, noID)
		}
		node = uint32(edge) &^ accepts
	}
	if t.ids[node] != noID {
		return t.ids[node], false
	}
	t.edges[slot] |= accepts
	t.ids[node] = id
	return id, true
}

func (t *trie) resize(log2 int) {
	old := t.edges
	t.edges, t.shift = make([]uint64, 1<<log2), uint8(64-log2)
	for _, e := range old {
		if e != 0 {
			t.edges[t.slot(uint32(e>>32))] = e
		}
	}
}

// find is the node that s leads to, or noNode.
func (t *trie) find(s string) uint32 {
	node := uint32(0)
	for _, c := range []byte(s) {
		edge := t.edges[t.slot(node<<8|uint32(c))]
		if edge == 0 {
			return noNode
		}
		node = uint32(edge) &^ accepts
	}
	return node
}

// longest is the longest entry below node that s begins with, and its size in bytes;
// size 0 where there is none.
func longest[S string | []byte](t *trie, node uint32, s S) (id int32, size int) {
	end := uint32(noNode)
	mask := len(t.edges) - 1
	for i := range len(s) {
		key := node<<8 | uint32(s[i])
		k, step := spread(uint64(key), t.shift)
		edge := t.edges[k&mask]
		for edge != 0 && uint32(edge>>32) != key {
			k += step
			edge = t.edges[k&mask]
		}
		if edge == 0 {
			break
		}
		node = uint32(edge) &^ accepts
		if edge&accepts != 0 {
			end, size = node, i+1
		}
	}
	if size == 0 {
		return noID, 0
	}
	return t.ids[end], size
}
