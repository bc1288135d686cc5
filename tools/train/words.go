package train

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"bedside/tools/fit"
	"bedside/tools/words"
	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// wordsWeight is how much the block of word vectors counts beside others, whose rows
// have length 1: of 0.5 and 1, the better in cross-validation over the dialogues of MTS-Dialog.
const wordsWeight = 0.5

// WithWords adds to a feature set a block of single words that share what they learn: a
// word's weights are a linear map of its vector, and the map is what is fitted. A word
// that no note uses has weights too, those of words used alike. In the bundle the block
// is one like others.
func (f FeatureSet) WithWords(v *words.Vectors) FeatureSet {
	f.Name += "+words"
	f.Blocks = append(slices.Clip(f.Blocks), Block{
		Block: weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 1, SublinearTF: true, Norm: "l2"},
		Words: v,
	})
	return f
}

// Words are the vectors of the feature sets, nil where they have none.
func (s Settings) Words() *words.Vectors {
	for _, f := range s.Features {
		for _, b := range f.Blocks {
			if b.Words != nil {
				return b.Words
			}
		}
	}
	return nil
}

// wordKeys gives the words that have vectors by key. What is no single word, as notes are
// prepared and split, has none; of words that are prepared alike the first counts.
// spelling is what is known of keys.
func wordKeys(t weights.Text, b Block, position int, spelling map[uint64][]byte) (map[uint64]int, error) {
	var normalized text.Normalized
	normalizer, analyzer := tfidf.Normalizer(t), tfidf.NewAnalyzer(b.Block, position)
	of, unique := map[uint64]int{}, true
	for i, word := range b.Words.Words {
		normalizer.Normalize(&normalized, word)
		analyzer.Each(normalized.Bytes, func(g tfidf.Gram) {
			if g.Start > 0 || int(g.End) < len(normalized.Bytes) {
				return
			}
			if known, stands := spelling[g.Key]; !stands {
				spelling[g.Key] = bytes.Clone(normalized.Bytes)
			} else if !bytes.Equal(known, normalized.Bytes) {
				unique = false
			}
			if _, taken := of[g.Key]; !taken {
				of[g.Key] = i
			}
		})
	}
	if !unique {
		return nil, &CollisionError{b.Analyzer}
	}
	if len(of) == 0 {
		return nil, fmt.Errorf("none of the %d words that have vectors is a word as notes are split", len(b.Words.Words))
	}
	return of, nil
}

// fitWords is Fit for a block of word vectors: every word that has one is a term.
func (c *Corpus) fitWords(df []int, notes int) *Vocabulary {
	v := &Vocabulary{Block: c.block.Block, Keys: slices.Sorted(maps.Keys(c.words)), column: slices.Repeat([]int32{-1}, len(c.keys))}
	v.Block.Terms, v.width = len(v.Keys), c.block.Words.Width
	for at, key := range v.Keys {
		n := 0
		if id, stands := slices.BinarySearch(c.keys, key); stands {
			v.column[id], n = int32(at), df[id]
		}
		v.IDF = append(v.IDF, math.Log(float64(1+notes)/float64(1+n))+1)
		for _, x := range c.block.Words.Of(c.words[key]) {
			v.vectors = append(v.vectors, wordsWeight*float64(x))
		}
	}
	return v
}

// span is a run of columns: where it begins among the terms, and among what is fitted.
type span struct {
	from, terms int
	to, width   int
	vectors     []float64 // [terms][width]; nil where terms are fitted as they are
}

// spans are the columns of a matrix of so many: those of the vocabularies, and what follows.
func spans(vocabularies []*Vocabulary, columns int) []span {
	var all []span
	next := span{}
	for _, v := range vocabularies {
		next.terms, next.width, next.vectors = len(v.Keys), len(v.Keys), v.vectors
		if v.vectors != nil {
			next.width = v.width
		}
		all = append(all, next)
		next.from, next.to = next.from+next.terms, next.to+next.width
	}
	next.terms, next.width, next.vectors = columns-next.from, columns-next.from, nil
	return append(all, next)
}

// project turns rows of terms into what is fitted: in a block of word vectors, the sum of
// the vectors, each times its word's value.
func project(vocabularies []*Vocabulary, m *fit.Matrix) *fit.Matrix {
	columns := spans(vocabularies, m.Cols)
	last := columns[len(columns)-1]
	out := &fit.Matrix{Rows: m.Rows, Cols: last.to + last.width, Start: []int{0}}
	for i := range m.Rows {
		p := m.Start[i]
		for _, s := range columns {
			var sum []float64
			if s.vectors != nil {
				sum = make([]float64, s.width)
			}
			for ; p < m.Start[i+1] && int(m.Index[p]) < s.from+s.terms; p++ {
				term := int(m.Index[p]) - s.from
				if s.vectors != nil {
					floats.AddScaled(sum, m.Value[p], s.vectors[term*s.width:(term+1)*s.width])
					continue
				}
				out.Index, out.Value = append(out.Index, int32(s.to+term)), append(out.Value, m.Value[p])
			}
			for j, x := range sum {
				out.Index, out.Value = append(out.Index, int32(s.to+j)), append(out.Value, x)
			}
		}
		out.Start = append(out.Start, len(out.Index))
	}
	return out
}

// unfold gives a model of what is fitted as one of the terms, which scores alike.
func unfold(vocabularies []*Vocabulary, m *fit.Linear) *fit.Linear {
	terms, fitted := 0, 0
	for _, s := range spans(vocabularies, 0)[:len(vocabularies)] {
		terms, fitted = terms+s.terms, fitted+s.width
	}
	columns := spans(vocabularies, terms+m.Features-fitted)
	out := &fit.Linear{Features: terms + m.Features - fitted, Labels: m.Labels, Bias: m.Bias}
	out.Weight = make([]float64, out.Features*m.Labels)
	for _, s := range columns {
		from, to := out.Weight[s.from*m.Labels:(s.from+s.terms)*m.Labels], m.Weight[s.to*m.Labels:(s.to+s.width)*m.Labels]
		if s.vectors == nil {
			copy(from, to)
			continue
		}
		for at, x := range s.vectors {
			term, j := at/s.width, at%s.width
			floats.AddScaled(from[term*m.Labels:(term+1)*m.Labels], x, to[j*m.Labels:(j+1)*m.Labels])
		}
	}
	return out
}
