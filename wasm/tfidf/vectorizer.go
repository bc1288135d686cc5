package tfidf

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"bedside/wasm/text"
	"bedside/weights"
)

// MaxHits bounds how many occurrences of known n-grams a Vector remembers for
// explanations; later ones still count.
const MaxHits = 1 << 18

// Vectorizer turns text into the TF-IDF vector of a bundle's blocks. It holds scratch
// memory: one goroutine at a time.
type Vectorizer struct {
	normalizer text.Normalizer
	blocks     []block
	lexicon    *lexicon // nil where there is none
	columns    int
	counts     []int32 // per column of the blocks, zero between calls
}

type block struct {
	weights.Block
	analyzer *Analyzer
	first    int // column of the block's first term
	table    table
	idf      []float32
}

// Vector is a sparse vector with what is needed to explain it. Reuse it: its memory
// is kept.
type Vector struct {
	Normalized text.Normalized
	Columns    []int32   // distinct, in order of first occurrence, block by block
	Values     []float64 // tf-idf of each column
	Counts     []int32   // occurrences of each column
	Hits       []Hit     // occurrences in order, the first MaxHits

	Strongest []int32 // per column of the lexicon, which come last: the phrase that gives it its value
	Phrases   []Hit   // occurrences of the lexicon's phrases, in place of columns; the first MaxHits
}

// Hit is an occurrence of a known n-gram: its column, and its place in the normalized text.
type Hit struct {
	Column, Start, End int32
}

// New builds a vectorizer from a bundle's tensors.
func New(m *weights.Manifest, tensors weights.Tensors) (*Vectorizer, error) {
	v := &Vectorizer{normalizer: Normalizer(m.Text)}
	var blocks []weights.Block
	if m.TFIDF != nil {
		blocks = m.TFIDF.Blocks
	}
	columns := 0
	for i, b := range blocks {
		t, err := newTable(tensors.Uint64(weights.KeysTensor(i)))
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", weights.KeysTensor(i), err)
		}
		v.blocks = append(v.blocks, block{b, NewAnalyzer(b, i), columns, t, tensors.Float32(weights.IDFTensor(i))})
		columns += b.Terms
	}
	v.counts, v.columns = make([]int32, columns), columns
	if m.Lexicon != nil {
		var err error
		if v.lexicon, err = newLexicon(m.Lexicon, tensors, columns); err != nil {
			return nil, err
		}
		v.columns += m.Lexicon.Concepts
	}
	return v, nil
}

// Normalizer is the preparation that a manifest asks for.
func Normalizer(t weights.Text) text.Normalizer {
	return text.Normalizer{
		Dialogue:     t.Prepare == weights.Dialogue,
		Lowercase:    t.Lowercase,
		StripAccents: t.StripAccents == "unicode",
	}
}

// Columns is the length of the vectors.
func (v *Vectorizer) Columns() int { return v.columns }

// Transform fills out from a note.
func (v *Vectorizer) Transform(out *Vector, note string) {
	v.normalizer.Normalize(&out.Normalized, note)
	out.Columns, out.Values, out.Counts, out.Hits = out.Columns[:0], out.Values[:0], out.Counts[:0], out.Hits[:0]
	out.Strongest, out.Phrases = out.Strongest[:0], out.Phrases[:0]
	for i := range v.blocks {
		v.blocks[i].count(out, v.counts)
	}
	if v.lexicon != nil {
		v.lexicon.find(out)
	}
}

// Analyzer answers which analyzer a column belongs to.
func (v *Vectorizer) Analyzer(column int32) string {
	if int(column) >= len(v.counts) {
		return weights.Phrase
	}
	i := len(v.blocks) - 1
	for v.blocks[i].first > int(column) {
		i--
	}
	return v.blocks[i].Block.Analyzer
}

// count appends the block's columns to out.
func (b *block) count(out *Vector, counts []int32) {
	begin := len(out.Columns)
	b.analyzer.Each(out.Normalized.Bytes, func(g Gram) {
		term := b.table.find(g.Key)
		if term < 0 {
			return
		}
		column := int32(b.first) + term
		if counts[column] == 0 {
			out.Columns = append(out.Columns, column)
		}
		counts[column]++
		if len(out.Hits) < MaxHits {
			out.Hits = append(out.Hits, Hit{column, g.Start, g.End})
		}
	})
	squares := 0.0
	for _, column := range out.Columns[begin:] {
		n := counts[column]
		counts[column] = 0
		value := b.termFrequency(n) * float64(b.idf[int(column)-b.first])
		squares += float64(value * value) // the conversion keeps every machine from fusing the two
		out.Counts = append(out.Counts, n)
		out.Values = append(out.Values, value)
	}
	if b.Norm == "l2" && squares > 0 {
		length := math.Sqrt(squares)
		for i := begin; i < len(out.Values); i++ {
			out.Values[i] /= length
		}
	}
}

func (b *block) termFrequency(n int32) float64 {
	if b.SublinearTF {
		return 1 + Log(int(n))
	}
	return float64(n)
}

// Log is the natural logarithm of a positive integer, to within 2 ulp and the same on
// every machine, which math.Log is not.
func Log(n int) float64 {
	exponent := bits.Len(uint(n)) - 1
	m := float64(n) / float64(uint64(1)<<exponent) // in [1, 2)
	if m > math.Sqrt2 {
		m, exponent = m/2, exponent+1
	}
	z := (m - 1) / (m + 1) // ln m = 2 artanh z, |z| < 0.172
	zz := z * z
	sum := 0.0
	for k := 23; k >= 1; k -= 2 {
		sum = float64(sum*zz) + 1/float64(k)
	}
	return float64(float64(exponent)*math.Ln2) + float64(2*z*sum)
}

// table finds a key's position in an ascending list.
type table struct {
	keys  []uint64
	slots []uint32 // 0 is empty; else tag<<tagShift | position+1
	shift uint
}

const (
	tagShift     = 22
	positionMask = 1<<tagShift - 1

	// maxRun bounds the taken slots that stand side by side. Hashes fill less than half
	// the slots and stay far below it; other keys would make every look-up a long walk.
	maxRun = 512
)

var _ = [1]struct{}{}[weights.MaxTerms>>tagShift] // positions must fit beside the tag

func newTable(keys []uint64) (table, error) {
	if len(keys) == 0 {
		return table{}, errors.New("no keys")
	}
	size := uint(bits.Len(uint(len(keys)))) + 1
	t := table{keys, make([]uint32, 1<<size), 64 - size}
	mask, run := uint64(len(t.slots)-1), 0
	for i, key := range keys {
		if i > 0 && keys[i-1] >= key {
			return table{}, fmt.Errorf("keys are not strictly ascending at position %d", i)
		}
		at := key >> t.shift
		for t.slots[at] != 0 {
			at = (at + 1) & mask
		}
		if t.slots[(at-1)&mask] == 0 {
			run = 0
		}
		if run++; run > maxRun {
			return table{}, fmt.Errorf("keys crowd together at position %d, which hashes do not", i)
		}
		t.slots[at] = uint32(key)<<tagShift | uint32(i+1)
	}
	return t, nil
}

// find answers the position of key, or -1. The tag spares most misses a look at keys.
func (t *table) find(key uint64) int32 {
	tag := uint32(key) << tagShift
	for at := key >> t.shift; ; at = (at + 1) & uint64(len(t.slots)-1) {
		slot := t.slots[at]
		if slot == 0 {
			return -1
		}
		if i := slot & positionMask; slot&^positionMask == tag && t.keys[i-1] == key {
			return int32(i - 1)
		}
	}
}
