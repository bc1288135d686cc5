package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	sugarme "github.com/sugarme/tokenizer"
	"github.com/sugarme/tokenizer/model"
	"github.com/sugarme/tokenizer/model/wordpiece"
	"github.com/sugarme/tokenizer/normalizer"
	"github.com/sugarme/tokenizer/pretokenizer"

	"bedside/wasm/tokenizer"
)

// CrossCheck is how far another library's WordPiece agrees with Bedside's.
type CrossCheck struct {
	Texts     int `json:"texts"`     // that were compared
	Skipped   int `json:"skipped"`   // that were not: other than printable ASCII, where the library is known to err
	Differing int `json:"differing"` // whose ids or places differ
}

// CrossCheck cuts texts with github.com/sugarme/tokenizer too and compares ids and places.
func (t Tokenizer) CrossCheck(texts []string) (CrossCheck, error) {
	var c CrossCheck
	ours, err := t.New()
	if err != nil {
		return c, err
	}
	theirs, err := t.sugarme()
	if err != nil {
		return c, fmt.Errorf("github.com/sugarme/tokenizer: %w", err)
	}
	for _, text := range texts {
		if !plain(text) {
			c.Skipped++
			continue
		}
		c.Texts++
		want, err := ours.Append(nil, text)
		if err != nil {
			return c, err
		}
		got, err := encode(theirs, text)
		if err != nil || !slices.Equal(got, want) {
			c.Differing++
		}
	}
	return c, nil
}

// maxCrossChecked is the longest text that is compared, in bytes; the library is slow.
const maxCrossChecked = 16 << 10

// plain says whether a text is printable ASCII and line ends, without what may be a special
// token.
func plain(text string) bool {
	if len(text) > maxCrossChecked {
		return false
	}
	for _, r := range text {
		if (r < ' ' || r > '~') && r != '\n' {
			return false
		}
	}
	return !strings.ContainsRune(text, '[')
}

// sugarme is the other library's tokenizer with this vocabulary.
func (t Tokenizer) sugarme() (other *sugarme.Tokenizer, err error) {
	defer recovered(&err)
	vocabulary := make(model.Vocab, t.Tokens)
	for line := range strings.Lines(string(t.Vocabulary)) {
		vocabulary[strings.TrimSuffix(line, "\n")] = len(vocabulary)
	}
	pieces := wordpiece.NewWordPieceBuilder().Vocab(&vocabulary).UnkToken("[UNK]").MaxInputCharsPerWord(t.MaxWord).Build()
	other = sugarme.NewTokenizer(pieces)
	other.WithNormalizer(normalizer.NewBertNormalizer(true, t.Lowercase, !t.JoinCJK, t.StripAccents))
	other.WithPreTokenizer(pretokenizer.NewBertPreTokenizer())
	return other, nil
}

func encode(with *sugarme.Tokenizer, text string) (tokens []tokenizer.Token, err error) {
	defer recovered(&err)
	e, err := with.EncodeSingle(text)
	if err != nil {
		return nil, err
	}
	for i, id := range e.Ids {
		tokens = append(tokens, tokenizer.Token{ID: int32(id), Start: int32(e.Offsets[i][0]), End: int32(e.Offsets[i][1])})
	}
	return tokens, nil
}

// recovered turns a panic of the library, which it is known for, into an error. What it says
// may quote the text and is left out.
func recovered(err *error) {
	if recover() != nil {
		*err = fmt.Errorf("it panicked")
	}
}
