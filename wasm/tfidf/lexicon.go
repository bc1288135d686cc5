package tfidf

import (
	"fmt"

	"bedside/weights"
)

// lexicon gives each concept the level of its strongest phrase in a note.
type lexicon struct {
	weights.Lexicon
	analyzer *Analyzer
	first    int // column of the first concept
	table    table
	ends     []int32 // per phrase, where its entries end
	concepts []int32 // per entry
	levels   []uint8

	counts []int32 // per phrase, zero between calls
	level  []uint8 // per concept, likewise
	phrase []int32 // per concept with a level, the phrase it has it from
}

func newLexicon(x *weights.Lexicon, tensors weights.Tensors, first int) (*lexicon, error) {
	t, err := newTable(tensors.Uint64(weights.LexiconKeys))
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", weights.LexiconKeys, err)
	}
	m := &lexicon{
		Lexicon:  *x,
		analyzer: NewAnalyzer(x.Block(), weights.LexiconPosition),
		first:    first,
		table:    t,
		ends:     tensors.Int32(weights.LexiconEnds),
		concepts: tensors.Int32(weights.LexiconConcepts),
		levels:   tensors.Uint8(weights.LexiconLevels),
		counts:   make([]int32, x.Phrases),
		level:    make([]uint8, x.Concepts),
		phrase:   make([]int32, x.Concepts),
	}
	return m, m.check()
}

// check holds the entries to the format: every phrase has some, of ascending concepts.
func (m *lexicon) check() error {
	begin := int32(0)
	for p, end := range m.ends {
		if end <= begin || int(end) > m.Entries {
			return fmt.Errorf("tensor %s: phrase %d ends at entry %d, after %d of %d", weights.LexiconEnds, p, end, begin, m.Entries)
		}
		last := int32(-1)
		for e := begin; e < end; e++ {
			if m.concepts[e] <= last || int(m.concepts[e]) >= m.Concepts {
				return fmt.Errorf("tensor %s: entry %d is of concept %d, after %d, of %d", weights.LexiconConcepts, e, m.concepts[e], last, m.Concepts)
			}
			if last = m.concepts[e]; m.levels[e] == 0 {
				return fmt.Errorf("tensor %s: entry %d has level 0", weights.LexiconLevels, e)
			}
		}
		begin = end
	}
	if int(begin) != m.Entries {
		return fmt.Errorf("tensor %s: phrases end at entry %d of %d", weights.LexiconEnds, begin, m.Entries)
	}
	return nil
}

// find appends the columns of concepts to out, each with its strongest phrase; of equal
// ones, the first in the note.
func (m *lexicon) find(out *Vector) {
	begin := len(out.Columns)
	m.analyzer.Each(out.Normalized.Bytes, func(g Gram) {
		p := m.table.find(g.Key)
		if p < 0 {
			return
		}
		if len(out.Phrases) < MaxHits {
			out.Phrases = append(out.Phrases, Hit{p, g.Start, g.End})
		}
		if m.counts[p]++; m.counts[p] == 1 {
			m.speak(out, p)
		}
	})
	for _, column := range out.Columns[begin:] {
		c := int(column) - m.first
		out.Values = append(out.Values, float64(m.level[c])*m.Unit)
		out.Counts = append(out.Counts, m.counts[m.phrase[c]])
		out.Strongest = append(out.Strongest, m.phrase[c])
		m.level[c] = 0
	}
	m.reset(out)
}

// speak lets a phrase speak for its concepts.
func (m *lexicon) speak(out *Vector, p int32) {
	begin := int32(0)
	if p > 0 {
		begin = m.ends[p-1]
	}
	for e := begin; e < m.ends[p]; e++ {
		c := m.concepts[e]
		if m.level[c] == 0 {
			out.Columns = append(out.Columns, int32(m.first)+c)
		}
		if m.levels[e] > m.level[c] {
			m.level[c], m.phrase[c] = m.levels[e], p
		}
	}
}

func (m *lexicon) reset(out *Vector) {
	if len(out.Phrases) == MaxHits { // some were counted and not listed
		clear(m.counts)
		return
	}
	for _, h := range out.Phrases {
		m.counts[h.Column] = 0
	}
}
