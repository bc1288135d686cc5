package encoder

// span is tokens of a note, [CLS] and [SEP] not counted.
type span struct{ first, length int }

// split appends the windows of a note of n tokens to dst: the fewest of at most `most`
// tokens each of which shares `overlap` with the next, their lengths differing by one
// at most, so that none is left with a few words and little sense. overlap < most.
func split(dst []span, n, most, overlap int) []span {
	if n < 1 {
		return dst
	}
	windows := 1
	if n > most {
		windows += (n - most + most - overlap - 1) / (most - overlap)
	}
	all := n + (windows-1)*overlap
	first := 0
	for i := range windows {
		length := all / windows
		if i < all%windows {
			length++
		}
		dst = append(dst, span{first, length})
		first += length - overlap
	}
	return dst
}
