package classify

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
	"unicode"
	"unicode/utf8"

	"bedside/wasm/encoder"
	"bedside/wasm/text"
	"bedside/wasm/tokenizer"
	"bedside/weights"
)

// Sentence is the analyzer of features that are sentences, or what stands for them.
const Sentence = "sentence"

const (
	maxSentences = 64 // neighbours are joined where a note has more
	maxSentence  = 64 // tokens; a longer one is cut between words
	maxRuns      = 8  // of a note that is one sentence
	runTokens    = 6  // of such a run, about
)

// occlusion explains an encoder's answer for a note by leaving its sentences out (Zeiler
// and Fergus 2014, https://arxiv.org/abs/1311.2901): what a label's logit loses without a
// sentence is what the sentence contributes. The note's windows stay where they are; those
// that a sentence lies in are read again without it.
type occlusion struct {
	sentences []stretch
	spans     [][2]int   // of the sentences, in the note
	without   []combined // by sentence: the logits of the windows that are left without it
	job       *encoder.Job
	of        []int // by note of the job, which is a window without a sentence: the sentence
}

// stretch is the tokens [first, end) of a note.
type stretch struct{ first, end int }

// occlude plans what to read again beside the job that reads the note. It is nil where the
// note has no two parts, or no token that the model knows.
func (m *Model) occlude(note string, reading *encoder.Job, o Options) (*occlusion, error) {
	tokens := reading.Tokens(0)
	sentences := stretches(note, tokens)
	if r := reading.Results()[0]; len(sentences) < 2 || r.Unknown == r.Tokens {
		return nil, nil
	}
	c := &occlusion{sentences: sentences, without: make([]combined, len(sentences))}
	windows := m.encoder.Spans(len(tokens))
	var rest [][]tokenizer.Token
	for i, s := range sentences {
		c.spans = append(c.spans, [2]int{int(tokens[s.first].Start), int(tokens[s.end-1].End)})
		c.without[i].most = m.manifest.Encoder.Window.Combine == weights.MaxLogits
		first := sort.Search(len(windows), func(k int) bool { return windows[k][1] > s.first })
		for _, w := range windows[first:] {
			if w[0] >= s.end {
				break
			}
			if left := slices.Concat(tokens[w[0]:max(w[0], s.first)], tokens[min(w[1], s.end):w[1]]); len(left) > 0 {
				rest, c.of = append(rest, left), append(c.of, i)
			}
		}
	}
	if o.Offsets == "utf16" {
		toUTF16(ends(nil, c.spans), note)
	}
	reading.Watch = c.watch
	var err error
	c.job, err = m.encoder.BeginTokens(rest...)
	return c, err
}

// watch takes in a window of the note for the sentences that it has nothing of.
func (c *occlusion) watch(_, first, end int, logits []float64) {
	for i, s := range c.sentences {
		if end <= s.first || s.end <= first {
			c.without[i].add(logits)
		}
	}
}

// step reads the next of the windows without a sentence.
func (c *occlusion) step() (done bool, err error) {
	if done, err = c.job.Step(); done {
		for k, r := range c.job.Results() {
			c.without[c.of[k]].add(r.Logits)
		}
	}
	return done, err
}

// explain explains the top o.Explain labels, for a note of which the encoder has these logits.
func (c *occlusion) explain(r *Result, logits []float64, o Options) {
	for _, label := range r.Labels[:min(o.Explain, len(r.Labels))] {
		e := Explanation{Index: label.Index, Name: label.Name, Logit: label.Logit, Features: c.features(logits, label.Index)}
		e.Features = e.Features[:min(len(e.Features), o.features())]
		e.Rest = e.Logit
		for _, f := range e.Features {
			e.Rest -= f.Contribution
		}
		r.Explanations = append(r.Explanations, e)
	}
}

// beside adds sentences to a linear head's n-grams: as many again, for n-grams would crowd them out.
func (c *occlusion) beside(e *Explanation, logits []float64, o Options) {
	sentences := c.features(logits, e.Index)
	e.Features = append(e.Features, sentences[:min(len(sentences), o.features())]...)
	slices.SortStableFunc(e.Features, stronger)
	e.Rest = e.Logit - e.Bias
	for _, f := range e.Features {
		e.Rest -= f.Contribution
	}
}

// features are the sentences with what they contribute to label l, strongest first.
func (c *occlusion) features(logits []float64, l int) []Feature {
	features := make([]Feature, len(c.sentences))
	for i := range features {
		features[i] = Feature{Contribution: logits[l] - c.without[i].logit(l), Analyzer: Sentence, Count: 1, Spans: [][2]int{c.spans[i]}}
	}
	slices.SortStableFunc(features, stronger)
	return features
}

// stronger orders features by falling magnitude.
func stronger(a, b Feature) int {
	return cmp.Compare(math.Abs(b.Contribution), math.Abs(a.Contribution))
}

// combined is the logits of several windows as weights.Window.Combine puts them together;
// the mean of vectors has the mean of logits, the head being affine.
type combined struct {
	logits  []float64 // their sums, or the most of each
	windows int
	most    bool
}

func (c *combined) add(logits []float64) {
	if c.windows++; c.windows == 1 {
		c.logits = slices.Clone(logits)
		return
	}
	for l, x := range logits {
		if c.most {
			c.logits[l] = max(c.logits[l], x)
		} else {
			c.logits[l] += x
		}
	}
}

func (c *combined) logit(l int) float64 {
	if c.most {
		return c.logits[l]
	}
	return c.logits[l] / float64(c.windows)
}

// stretches parts a note of these tokens into its sentences; where it is one, into clauses,
// and where it is one of those too, into runs of words. At most maxSentences.
func stretches(note string, tokens []tokenizer.Token) []stretch {
	parts := joined(sentences(note, tokens, text.Sentences(note)), len(tokens))
	if len(parts) == 1 {
		parts = joined(sentences(note, tokens, text.Clauses(note)), len(tokens))
	}
	if len(parts) == 1 {
		n := min(max(2, len(tokens)/runTokens), maxRuns)
		parts = slices.Collect(runs(note, tokens, parts[0], n))
	}
	return parts
}

// sentences gives the tokens of parts of the note, those that are too long in runs.
func sentences(note string, tokens []tokenizer.Token, parts iter.Seq2[int, int]) iter.Seq[stretch] {
	return func(yield func(stretch) bool) {
		s := stretch{}
		for _, end := range parts {
			for s.end < len(tokens) && int(tokens[s.end].Start) < end {
				s.end++
			}
			if s.end == s.first {
				continue
			}
			for run := range runs(note, tokens, s, (s.end-s.first+maxSentence-1)/maxSentence) {
				if !yield(run) {
					return
				}
			}
			s.first = s.end
		}
	}
}

// joined collects stretches; more than maxSentences are joined to about equal lengths.
func joined(all iter.Seq[stretch], tokens int) []stretch {
	var parts []stretch
	for s := range all {
		if parts = append(parts, s); len(parts) > maxSentences {
			break
		}
	}
	if len(parts) <= maxSentences {
		return parts
	}
	parts, last := parts[:0], -1
	for s := range all {
		if place := s.first * maxSentences / tokens; place != last {
			parts, last = append(parts, s), place
		}
		parts[len(parts)-1].end = s.end
	}
	return parts
}

// runs cuts a stretch where words begin, into n runs of about equal length or, where words
// are long, fewer.
func runs(note string, tokens []tokenizer.Token, s stretch, n int) iter.Seq[stretch] {
	return func(yield func(stretch) bool) {
		first := s.first
		for k := 1; k < n; k++ {
			at := s.first + k*(s.end-s.first)/n
			if at <= first {
				continue
			}
			if at = nearest(note, tokens, at, stretch{first, s.end}); at == s.end {
				break
			}
			if !yield(stretch{first, at}) {
				return
			}
			first = at
		}
		yield(stretch{first, s.end})
	}
}

// nearest is where a word begins within s, at or behind a place, else before it, else
// nowhere: s.end.
func nearest(note string, tokens []tokenizer.Token, at int, s stretch) int {
	for k := at; k < s.end; k++ {
		if beginsWord(note, tokens[k-1], tokens[k]) {
			return k
		}
	}
	for k := at - 1; k > s.first; k-- {
		if beginsWord(note, tokens[k-1], tokens[k]) {
			return k
		}
	}
	return s.end
}

// beginsWord says that a token is no later piece of the word of the one before. Ideographs
// are words.
func beginsWord(note string, before, t tokenizer.Token) bool {
	if before.End != t.Start {
		return before.End < t.Start
	}
	last, _ := utf8.DecodeLastRuneInString(note[:before.End])
	first, _ := utf8.DecodeRuneInString(note[t.Start:])
	return !text.IsWord(last) || !text.IsWord(first) || unicode.Is(unicode.Han, first)
}
