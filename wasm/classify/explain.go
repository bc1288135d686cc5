package classify

import (
	"math"
	"slices"
	"unicode/utf8"

	"bedside/weights"
)

const (
	defaultFeatures = 24
	maxSpans        = 16 // per feature
)

// explain fills r.Explanations for the top o.Explain labels.
func (m *linear) explain(r *Result, note string, o Options) {
	labels := r.Labels[:min(o.Explain, len(r.Labels))]
	var twins []int32
	if m.sharesWords && len(labels) > 0 {
		twins = m.twins()
	}
	for _, label := range labels {
		r.Explanations = append(r.Explanations, m.explainLabel(label, o.features(), twins))
	}
	if o.Offsets == "utf16" && len(m.vector.Normalized.Bytes) > 0 {
		var offsets []*int
		for _, e := range r.Explanations {
			for _, f := range e.Features {
				offsets = ends(offsets, f.Spans)
			}
		}
		toUTF16(offsets, note)
	}
}

// twins gives, for each column of the vector, an earlier one of another block that stands
// for the same words of the note, or -1. A reader sees words, not blocks: such columns
// are listed as one.
func (m *linear) twins() []int32 {
	twins := slices.Repeat([]int32{-1}, len(m.vector.Columns))
	for k, column := range m.vector.Columns {
		m.listed[column] = int32(k + 1)
	}
	first := map[[2]int32]int32{} // by the place of their first occurrence
	for _, h := range m.vector.Hits {
		k := m.listed[h.Column] - 1
		if k < 0 || m.vectorizer.Analyzer(h.Column) != weights.Word {
			continue
		}
		m.listed[h.Column] = 0
		place := [2]int32{h.Start, h.End}
		if earlier, known := first[place]; !known {
			first[place] = k
		} else if m.vector.Counts[earlier] == m.vector.Counts[k] {
			twins[k] = earlier
		}
	}
	for _, column := range m.vector.Columns {
		m.listed[column] = 0
	}
	return twins
}

// explainLabel lists twins, which may be nil, as one.
func (m *linear) explainLabel(label Label, features int, twins []int32) Explanation {
	l := label.Index
	contributions := make([]float64, len(m.vector.Columns))
	for k := range contributions {
		at := k
		if twins != nil && twins[k] >= 0 {
			at = int(twins[k])
		}
		contributions[at] += m.contribution(k, l)
	}
	order := largest(contributions, features)
	e := Explanation{Index: l, Name: label.Name, Logit: label.Logit, Bias: float64(m.bias[l]), Features: []Feature{}}
	for _, k := range order {
		column := m.vector.Columns[k]
		e.Features = append(e.Features, Feature{
			Contribution: contributions[k],
			Analyzer:     m.vectorizer.Analyzer(column),
			Count:        int(m.vector.Counts[k]),
			Spans:        [][2]int{},
		})
		m.listed[column] = int32(len(e.Features))
		contributions[k] = 0
	}
	for _, c := range contributions {
		e.Rest += c
	}
	m.locate(e.Features)
	m.locatePhrases(e.Features)
	for _, k := range order {
		m.listed[m.vector.Columns[k]] = 0
	}
	return e
}

// largest answers the positions of the n largest contributions by magnitude, largest
// first, ties by position, zeros left out. It keeps a short sorted list, since n is
// far smaller than the number of contributions.
func largest(contributions []float64, n int) []int {
	order := make([]int, 0, min(n, len(contributions))+1)
	for k, c := range contributions {
		size := math.Abs(c)
		if c == 0 || len(order) == n && size <= math.Abs(contributions[order[n-1]]) {
			continue
		}
		order = append(order, k)
		at := len(order) - 1
		for ; at > 0 && math.Abs(contributions[order[at-1]]) < size; at-- {
			order[at] = order[at-1]
		}
		order[at] = k
		order = order[:min(len(order), n)]
	}
	return order
}

// locate fills the spans of the features that m.listed names.
func (m *linear) locate(features []Feature) {
	for _, h := range m.vector.Hits {
		i := m.listed[h.Column]
		if i == 0 || h.Start == h.End || len(features[i-1].Spans) == maxSpans {
			continue
		}
		start, end := m.vector.Normalized.Span(int(h.Start), int(h.End))
		features[i-1].Spans = append(features[i-1].Spans, [2]int{start, end})
	}
}

// locatePhrases fills the spans of the features among them that are a lexicon's: where
// the phrase stands that gives the column its value.
func (m *linear) locatePhrases(features []Feature) {
	begin := len(m.vector.Columns) - len(m.vector.Strongest)
	of := map[int32][]int{} // features by phrase
	for k, phrase := range m.vector.Strongest {
		if i := m.listed[m.vector.Columns[begin+k]]; i != 0 {
			of[phrase] = append(of[phrase], int(i-1))
		}
	}
	for _, h := range m.vector.Phrases {
		for _, i := range of[h.Column] {
			if len(features[i].Spans) < maxSpans {
				start, end := m.vector.Normalized.Span(int(h.Start), int(h.End))
				features[i].Spans = append(features[i].Spans, [2]int{start, end})
			}
		}
	}
}

// ends appends the offsets that spans are made of.
func ends(dst []*int, spans [][2]int) []*int {
	for i := range spans {
		dst = append(dst, &spans[i][0], &spans[i][1])
	}
	return dst
}

// toUTF16 turns byte offsets into UTF-16 code units, in one walk over the note.
func toUTF16(offsets []*int, note string) {
	slices.SortFunc(offsets, func(a, b *int) int { return *a - *b })
	at, units := 0, 0
	for _, offset := range offsets {
		for at < *offset {
			r, size := utf8.DecodeRuneInString(note[at:])
			at += size
			units++
			if r > 0xffff {
				units++
			}
		}
		*offset = units
	}
}
