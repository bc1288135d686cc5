package train

import (
	"fmt"
	"math"

	"bedside/tools/fit"
	"bedside/tools/words"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// Block is a feature block with the document-frequency limits of its fitting, as
// scikit-learn's min_df (a count) and max_df (a share).
type Block struct {
	weights.Block
	MinDF int
	MaxDF float64
	Words *words.Vectors // see WithWords; nil for others
}

// Vocabulary is what TfidfVectorizer.fit learns: the n-grams kept, and their weights.
type Vocabulary struct {
	Block weights.Block // with Terms filled in
	Keys  []uint64      // ascending; a term's column is its place here
	IDF   []float64     // ln((1+notes)/(1+df)) + 1

	column  []int32   // by id in the corpus, -1 where not kept
	vectors []float64 // of a block of word vectors, [terms][width]
	width   int
}

// Fit learns the vocabulary of the given notes.
func (c *Corpus) Fit(notes []int) (*Vocabulary, error) {
	df := make([]int, len(c.keys))
	for _, i := range notes {
		for _, g := range c.notes[i] {
			df[g.id]++
		}
	}
	if c.words != nil {
		return c.fitWords(df, len(notes)), nil
	}
	v := &Vocabulary{Block: c.block.Block, column: make([]int32, len(c.keys))}
	most := c.block.MaxDF * float64(len(notes))
	for id, n := range df {
		v.column[id] = -1
		if n > 0 && n >= c.block.MinDF && float64(n) <= most {
			v.column[id] = int32(len(v.Keys))
			v.Keys = append(v.Keys, c.keys[id])
			v.IDF = append(v.IDF, math.Log(float64(1+len(notes))/float64(1+n))+1)
		}
	}
	v.Block.Terms = len(v.Keys)
	if len(v.Keys) == 0 {
		return nil, fmt.Errorf("no n-gram stands in at least %d and at most %g %% of the %d notes fitted on: they are too few, or all alike",
			c.block.MinDF, 100*c.block.MaxDF, len(notes))
	}
	return v, nil
}

// Transform makes the tf-idf rows of the given notes: [len(notes), len(v.Keys)].
func (c *Corpus) Transform(v *Vocabulary, notes []int) *fit.Matrix {
	m := &fit.Matrix{Rows: len(notes), Cols: len(v.Keys), Start: []int{0}}
	for _, i := range notes {
		begin, squares := len(m.Value), 0.0
		for _, g := range c.notes[i] {
			column := v.column[g.id]
			if column < 0 {
				continue
			}
			x := float64(g.n)
			if v.Block.SublinearTF {
				x = 1 + tfidf.Log(int(g.n))
			}
			x *= v.IDF[column]
			squares += float64(x * x)
			m.Index, m.Value = append(m.Index, column), append(m.Value, x)
		}
		if v.Block.Norm == "l2" && squares > 0 {
			for k := begin; k < len(m.Value); k++ {
				m.Value[k] /= math.Sqrt(squares)
			}
		}
		m.Start = append(m.Start, len(m.Value))
	}
	return m
}

// join puts matrices of the same rows side by side.
func join(parts []*fit.Matrix) *fit.Matrix {
	if len(parts) == 1 {
		return parts[0]
	}
	out := &fit.Matrix{Rows: parts[0].Rows, Start: []int{0}}
	for i := range out.Rows {
		first := 0
		for _, p := range parts {
			for k := p.Start[i]; k < p.Start[i+1]; k++ {
				out.Index = append(out.Index, int32(first)+p.Index[k])
				out.Value = append(out.Value, p.Value[k])
			}
			first += p.Cols
		}
		out.Start = append(out.Start, len(out.Index))
		out.Cols = first
	}
	return out
}
