package quantize

import (
	"slices"

	"bedside/wasm/tokenizer"
)

// pieceTokens are the lengths that calibration text is cut to in turn, [CLS] and [SEP] not
// counted. Activations in short texts are others than in long ones, and the vector of [CLS],
// which the head reads, others than those of words: of both there must be enough.
var pieceTokens = []int{8, 128, 16, 64, 32}

// longText is the tokens beyond which a text may begin at any of its quarters.
const longText = 128

// Pieces are the tokens of texts, to calibrate on: pieces of several lengths, none longer than
// window, with [CLS] and [SEP], until they have enough tokens. The texts take turns, a piece
// each, so that no long one stands for all; long ones do not all begin at their beginnings,
// which may be alike. used is how many of them pieces come from.
func Pieces(w *tokenizer.WordPiece, texts []string, window, enough int) (pieces [][]int32, used int, err error) {
	rest := make([][]tokenizer.Token, len(texts))
	for i, text := range texts {
		tokens, err := w.Append(nil, text)
		if err != nil {
			return nil, used, err
		}
		if len(tokens) > longText {
			begin := i % 4 * len(tokens) / 4
			tokens = slices.Concat(tokens[begin:], tokens[:begin])
		}
		rest[i] = tokens
	}
	total := 0
	for before := -1; before < len(pieces); {
		before = len(pieces)
		for i, tokens := range rest {
			if total >= enough {
				return pieces, used, nil
			}
			if len(tokens) == 0 {
				continue
			}
			if before == 0 {
				used++
			}
			n := min(pieceTokens[len(pieces)%len(pieceTokens)], window-2, len(tokens))
			pieces = append(pieces, sequence(w, tokens[:n]))
			rest[i], total = tokens[n:], total+n+2
		}
	}
	return pieces, used, nil
}

// Starts are the first tokens of each text, window at most, with [CLS] and [SEP].
func Starts(w *tokenizer.WordPiece, texts []string, window int) ([][]int32, error) {
	var starts [][]int32
	for _, text := range texts {
		tokens, err := w.Append(nil, text)
		if err != nil {
			return nil, err
		}
		if len(tokens) > 0 {
			starts = append(starts, sequence(w, tokens[:min(len(tokens), window-2)]))
		}
	}
	return starts, nil
}

func sequence(w *tokenizer.WordPiece, tokens []tokenizer.Token) []int32 {
	ids := slices.Grow([]int32{w.Special().Class}, len(tokens)+1)
	for _, t := range tokens {
		ids = append(ids, t.ID)
	}
	return append(ids, w.Special().Separator)
}
