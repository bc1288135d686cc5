package train

import (
	"maps"
	"math"
	"slices"

	"bedside/tools/fit"
	"bedside/weights"
)

// phraseWords is the length of the longest phrase of a lexicon.
const phraseWords = 4

// PhraseBlock takes notes apart into the phrases of a lexicon.
var PhraseBlock = Block{Block: weights.Block{Analyzer: weights.Phrase, MinN: 1, MaxN: phraseWords}}

// Lexicon is which phrases are evidence for which labels, and how strong: a phrase's level says
// what the odds are that a note with it has the label, above Base.
type Lexicon struct {
	Keys     []uint64 // ascending
	Ends     []int32  // per phrase, where its entries end
	Concepts []int32  // per entry, the label; ascending within a phrase
	Levels   []uint8  // per entry

	Base []float64 // per label, the log-odds of a note without a phrase for it
	Unit float64   // of levels beside n-grams
}

// step is the log-odds that a level stands for.
const step = 0.045

// besideUnit is a level's worth beside n-grams, whose rows have length 1: much, for it is
// known to be evidence for its label.
const besideUnit = 0.2 * step

// least is the smallest probability that an entry is kept for.
const least = 0.02

// entry is a phrase and a label, with what the notes learnt from say of them.
type entry struct {
	phrase, label int32 // ids in the corpus, and among the labels
	with, notes   int32 // notes with the phrase and the label; with the phrase
	odds          float32
	in, of        float32 // overlap with the label's title
	value         float32
}

// tally is the entries of some notes, each phrase's from start[phrase] to start[phrase+1].
type tally struct {
	entries []entry
	start   []int32
	prior   []float64 // per label, and its log-odds
	logit   []float64
}

// weighting turns an entry's features into log-odds: a logistic regression, fitted on notes
// that the entry was not counted on.
type weighting [entryFeatures]float64

const entryFeatures = 11

// lexicographer learns lexicons of one corpus and its labels.
type lexicographer struct {
	corpus *Corpus
	labels int
	sets   [][]int // per note
	titles *titles
	beside [][]share  // per phrase of texts beside the notes
	words  [][][]byte // per phrase
	log    []float64  // of counts of notes
}

// share is the part of a phrase's texts that have a label.
type share struct {
	label int32
	part  float64
}

// newLexicographer takes a corpus of notes, and which of them are texts beside the notes
// that belong to none.
func newLexicographer(c *Corpus, labels []string, sets [][]int, beside []int) *lexicographer {
	log := make([]float64, len(sets)+1)
	for n := range log {
		log[n] = math.Log(float64(max(n, 1)))
	}
	x := &lexicographer{c, len(labels), sets, newTitles(labels), make([][]share, len(c.keys)), splitAll(c.spelling), log}
	texts := make([]float64, len(c.keys)) // of a phrase, one for each of their labels
	for _, i := range beside {
		for _, g := range c.notes[i] {
			for _, l := range sets[i] {
				x.beside[g.id] = addText(x.beside[g.id], int32(l))
				texts[g.id]++
			}
		}
	}
	for phrase, shares := range x.beside {
		for k := range shares {
			shares[k].part /= texts[phrase]
		}
	}
	return x
}

// addText counts one more text with the label; parts are counts meanwhile.
func addText(shares []share, label int32) []share {
	for k := range shares {
		if shares[k].label == label {
			shares[k].part++
			return shares
		}
	}
	return append(shares, share{label, 1})
}

// likeness says how much a phrase is like the label's title, or like the texts beside the
// notes that have the label: see titles.overlap.
func (x *lexicographer) likeness(phrase, label int32) (in, of float64) {
	in, of = x.titles.overlap(x.words[phrase], int(label))
	if in > 0 {
		return in, of
	}
	for _, s := range x.beside[phrase] {
		if s.label == label {
			return s.part, s.part * s.part
		}
	}
	return 0, 0
}

// learn makes the lexicon of the examples, and for each of them the levels that it has by
// a lexicon counted without its fold: what a classifier must learn from, because a
// lexicon knows too much of its own notes.
func (x *lexicographer) learn(examples, fold []int) (*Lexicon, [][]level) {
	parts := deal(examples, fold)
	tallies := make([]*tally, len(parts))
	for p := range parts {
		tallies[p] = x.count(slices.Concat(slices.Concat(parts[:p]...), slices.Concat(parts[p+1:]...)))
	}
	w := x.fitWeighting(tallies, parts)
	held := make([][]level, len(x.sets))
	for p, part := range parts {
		l := x.lexicon(tallies[p], w)
		for _, i := range part {
			held[i] = l.levels(x.corpus, i)
		}
	}
	return x.lexicon(x.count(examples), w), held
}

// deal parts examples by their folds, or in two where they are all of one.
func deal(examples, fold []int) [][]int {
	groups := map[int][]int{}
	for _, i := range examples {
		groups[fold[i]] = append(groups[fold[i]], i)
	}
	if len(groups) == 1 {
		clear(groups)
		for k, i := range examples {
			groups[k%2] = append(groups[k%2], i)
		}
	}
	var parts [][]int
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		parts = append(parts, groups[k])
	}
	return parts
}

// smoothing is the weight of the prior in the share of a phrase's notes with a label.
const smoothing = 2

// count counts which labels the notes of each phrase have. Weak entries are left out: those of
// a share near the label's own, or of one note where the title does not bear it out.
func (x *lexicographer) count(examples []int) *tally {
	notes := make([][]int32, len(x.corpus.keys))
	t := &tally{start: make([]int32, 1, len(notes)+1), prior: make([]float64, x.labels), logit: make([]float64, x.labels)}
	for _, i := range examples {
		for _, g := range x.corpus.notes[i] {
			notes[g.id] = append(notes[g.id], int32(i))
		}
		for _, l := range x.sets[i] {
			t.prior[l] += 1 / float64(len(examples))
		}
	}
	for l, p := range t.prior {
		t.logit[l] = logit(p)
	}
	with, met := make([]int32, x.labels), []int32(nil)
	for phrase, in := range notes {
		for _, i := range in {
			for _, l := range x.sets[i] {
				if with[l]++; with[l] == 1 {
					met = append(met, int32(l))
				}
			}
		}
		for _, s := range x.beside[phrase] {
			if s.part > majority && with[s.label] == 0 {
				met = append(met, s.label)
			}
		}
		slices.Sort(met)
		for _, l := range met {
			if e, ok := x.newEntry(t, int32(phrase), l, with[l], int32(len(in))); ok {
				t.entries = append(t.entries, e)
			}
			with[l] = 0
		}
		met = met[:0]
		t.start = append(t.start, int32(len(t.entries)))
	}
	return t
}

// A label that none of a phrase's notes has, of which there may be fewNotes, gets an entry all the
// same where more than a majority of the phrase's texts beside the notes have it.
const (
	majority = 0.5
	fewNotes = 2
)

// newEntry makes an entry, where it is not too weak.
func (x *lexicographer) newEntry(t *tally, phrase, label, with, notes int32) (e entry, ok bool) {
	share := (float64(with) + smoothing*t.prior[label]) / (float64(notes) + smoothing)
	odds := logit(share)
	if with > 0 && (share < 2*least || odds < t.logit[label]+0.4) || with == 0 && notes > fewNotes {
		return e, false
	}
	in, of := x.likeness(phrase, label)
	// A phrase of one note is its own, unless all its words are the title's.
	if with == 1 && in < 1 || with == 0 && in == 0 {
		return e, false
	}
	return entry{phrase: phrase, label: label, with: with, notes: notes, odds: float32(odds), in: float32(in), of: float32(of)}, true
}

func logit(p float64) float64 {
	p = min(max(p, 1e-4), 1-1e-4)
	return math.Log(p / (1 - p))
}

// features of an entry, for a weighting.
func (x *lexicographer) features(e entry, prior float64) (f [entryFeatures]float64) {
	once := 0.0
	if e.with <= 1 {
		once = 1
	}
	odds, in, of := float64(e.odds), float64(e.in), float64(e.of)
	return [...]float64{
		1, odds, x.log[e.with], x.log[e.notes], prior,
		in, of, in * of, float64(len(x.words[e.phrase]) - 1), once, odds * in * of,
	}
}

// fitWeighting fits what entries are worth on the notes of the fold that they were not counted
// on: first on each note's and label's strongest entries by their odds, then on those that
// the first fit finds strongest, for the strongest is what will count.
func (x *lexicographer) fitWeighting(tallies []*tally, parts [][]int) weighting {
	w, best := weighting{1: 1}, newStrongest(x.labels)
	for range 2 {
		r := &regression{}
		for p, part := range parts {
			t := tallies[p]
			t.rate(x, w)
			for _, i := range part {
				for _, e := range t.strongest(x.corpus, i, best) {
					_, has := slices.BinarySearch(x.sets[i], int(e.label))
					r.add(x.features(e, t.logit[e.label]), has)
				}
			}
		}
		w = r.fit(w)
	}
	return w
}

// rate sets the values of all entries.
func (t *tally) rate(x *lexicographer, w weighting) {
	for k := range t.entries {
		e := &t.entries[k]
		e.value = float32(w.value(x.features(*e, t.logit[e.label])))
	}
}

func (w weighting) value(f [entryFeatures]float64) float64 {
	sum := 0.0
	for j, v := range w {
		sum += float64(v * f[j])
	}
	return sum
}

// strongest gives, by label, a note's entry with the highest value.
func (t *tally) strongest(c *Corpus, note int, best *strongest) []entry {
	for _, g := range c.notes[note] {
		for k := t.start[g.id]; k < t.start[g.id+1]; k++ {
			best.offer(t.entries[k].label, t.entries[k].value, k)
		}
	}
	out := make([]entry, 0, len(best.met))
	best.take(func(_ int32, _ float32, k int32) { out = append(out, t.entries[k]) })
	return out
}

// strongest keeps what is offered with the highest value, by label.
type strongest struct {
	value []float32
	what  []int32
	known []bool
	met   []int32 // labels known
}

func newStrongest(labels int) *strongest {
	return &strongest{value: make([]float32, labels), what: make([]int32, labels), known: make([]bool, labels)}
}

func (s *strongest) offer(label int32, value float32, what int32) {
	if !s.known[label] {
		s.known[label], s.met = true, append(s.met, label)
	} else if value <= s.value[label] {
		return
	}
	s.value[label], s.what[label] = value, what
}

// take empties s, by ascending label.
func (s *strongest) take(visit func(label int32, value float32, what int32)) {
	slices.Sort(s.met)
	for _, l := range s.met {
		visit(l, s.value[l], s.what[l])
		s.known[l] = false
	}
	s.met = s.met[:0]
}

// lexicon makes one of a tally's entries, by what they are worth.
func (x *lexicographer) lexicon(t *tally, w weighting) *Lexicon {
	t.rate(x, w)
	out := &Lexicon{Base: make([]float64, x.labels), Unit: besideUnit}
	for l, p := range t.logit {
		out.Base[l] = max(p, logit(least))
	}
	for phrase, key := range x.corpus.keys {
		begin := len(out.Levels)
		for _, e := range t.entries[t.start[phrase]:t.start[phrase+1]] {
			if v := math.Round((float64(e.value) - out.Base[e.label]) / step); v >= 1 {
				out.Concepts = append(out.Concepts, e.label)
				out.Levels = append(out.Levels, uint8(min(v, 255)))
			}
		}
		if len(out.Levels) > begin {
			out.Keys, out.Ends = append(out.Keys, key), append(out.Ends, int32(len(out.Levels)))
		}
	}
	return out
}

// level is a label's level in a note.
type level struct {
	label int32
	level uint8
}

// levels are those of a note, by ascending label.
func (l *Lexicon) levels(c *Corpus, note int) []level {
	best, at := newStrongest(len(l.Base)), 0
	for _, g := range c.notes[note] { // ids, and so keys, ascend
		for key := c.keys[g.id]; at < len(l.Keys) && l.Keys[at] < key; {
			at++
		}
		if at == len(l.Keys) || l.Keys[at] != c.keys[g.id] {
			continue
		}
		begin := int32(0)
		if at > 0 {
			begin = l.Ends[at-1]
		}
		for e := begin; e < l.Ends[at]; e++ {
			best.offer(l.Concepts[e], float32(l.Levels[e]), e)
		}
	}
	out := make([]level, 0, len(best.met))
	best.take(func(label int32, v float32, _ int32) { out = append(out, level{label, uint8(v)}) })
	return out
}

// asColumns makes a matrix of the levels of rows.
func asColumns(rows [][]level, labels int, unit float64) *fit.Matrix {
	m := &fit.Matrix{Rows: len(rows), Cols: labels, Start: []int{0}}
	for _, row := range rows {
		for _, v := range row {
			m.Index, m.Value = append(m.Index, v.label), append(m.Value, float64(v.level)*unit)
		}
		m.Start = append(m.Start, len(m.Index))
	}
	return m
}

// scores are the log-odds of rows where the lexicon is all there is, [rows][labels].
func (l *Lexicon) scores(rows [][]level) []float64 {
	out := make([]float64, 0, len(rows)*len(l.Base))
	for _, row := range rows {
		begin := len(out)
		for _, b := range l.Base {
			out = append(out, float64(float32(b)))
		}
		for _, v := range row {
			out[begin+int(v.label)] += float64(v.level) * step
		}
	}
	return out
}
