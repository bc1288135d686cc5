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

// Lexicon is which phrases speak for which labels, and how loudly: a phrase's level says
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
// known to speak for its label.
const besideUnit = 0.2 * step

// least is the smallest probability that an entry is kept for.
const least = 0.02

// spoken is what one phrase says of one label in the notes learnt from.
type spoken struct {
	phrase, label int32 // ids in the corpus, and among the labels
	with, notes   int32 // notes with the phrase and the label; with the phrase
	odds          float32
	in, of        float32 // overlap with the label's title
	value         float32
}

// speech is what phrases say, each phrase's part from start[phrase] to start[phrase+1].
type speech struct {
	said  []spoken
	start []int32
	prior []float64 // per label, and its log-odds
	logit []float64
}

// trust turns what a phrase says into log-odds: a logistic regression on features of an
// entry, fitted on notes that the entry was not counted on.
type trust [trustFeatures]float64

const trustFeatures = 11

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
				x.beside[g.id] = count1(x.beside[g.id], int32(l))
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

// count1 counts one more text with the label.
func count1(shares []share, label int32) []share {
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
	said := make([]*speech, len(parts))
	for p := range parts {
		said[p] = x.listen(slices.Concat(slices.Concat(parts[:p]...), slices.Concat(parts[p+1:]...)))
	}
	t := x.trust(said, parts)
	held := make([][]level, len(x.sets))
	for p, part := range parts {
		l := x.write(said[p], t)
		for _, i := range part {
			held[i] = l.levels(x.corpus, i)
		}
	}
	return x.write(x.listen(examples), t), held
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

// listen counts which labels the notes of each phrase have. What says little is left out:
// a share near the label's own, or one note alone where the title does not bear it out.
func (x *lexicographer) listen(examples []int) *speech {
	notes := make([][]int32, len(x.corpus.keys))
	s := &speech{start: make([]int32, 1, len(notes)+1), prior: make([]float64, x.labels), logit: make([]float64, x.labels)}
	for _, i := range examples {
		for _, g := range x.corpus.notes[i] {
			notes[g.id] = append(notes[g.id], int32(i))
		}
		for _, l := range x.sets[i] {
			s.prior[l] += 1 / float64(len(examples))
		}
	}
	for l, p := range s.prior {
		s.logit[l] = logit(p)
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
			if s.part > half && with[s.label] == 0 {
				met = append(met, s.label)
			}
		}
		slices.Sort(met)
		for _, l := range met {
			if n, tells := x.hear(s, int32(phrase), l, with[l], int32(len(in))); tells {
				s.said = append(s.said, n)
			}
			with[l] = 0
		}
		met = met[:0]
		s.start = append(s.start, int32(len(s.said)))
	}
	return s
}

// Where texts beside the notes say so with more than half of their voices, a phrase speaks
// for a label that none of its few notes has.
const (
	half = 0.5
	few  = 2
)

// hear makes an entry, and says whether it tells something.
func (x *lexicographer) hear(s *speech, phrase, label, with, notes int32) (n spoken, tells bool) {
	share := (float64(with) + smoothing*s.prior[label]) / (float64(notes) + smoothing)
	odds := logit(share)
	if with > 0 && (share < 2*least || odds < s.logit[label]+0.4) || with == 0 && notes > few {
		return n, false
	}
	in, of := x.likeness(phrase, label)
	// A phrase of one note is its own, unless all its words are the title's.
	if with == 1 && in < 1 || with == 0 && in == 0 {
		return n, false
	}
	return spoken{phrase: phrase, label: label, with: with, notes: notes, odds: float32(odds), in: float32(in), of: float32(of)}, true
}

func logit(p float64) float64 {
	p = min(max(p, 1e-4), 1-1e-4)
	return math.Log(p / (1 - p))
}

// features of an entry, for trust.
func (x *lexicographer) features(n spoken, prior float64) (f [trustFeatures]float64) {
	once := 0.0
	if n.with <= 1 {
		once = 1
	}
	odds, in, of := float64(n.odds), float64(n.in), float64(n.of)
	return [...]float64{
		1, odds, x.log[n.with], x.log[n.notes], prior,
		in, of, in * of, float64(len(x.words[n.phrase]) - 1), once, odds * in * of,
	}
}

// trust fits what entries are worth on the notes of the fold that they were not counted
// on: first on each note's and label's loudest entries by their odds, then on those that
// the first fit finds loudest, for the loudest is what will count.
func (x *lexicographer) trust(said []*speech, parts [][]int) trust {
	t, best := trust{1: 1}, newStrongest(x.labels)
	for range 2 {
		r := &regression{}
		for p, part := range parts {
			s := said[p]
			s.rate(x, t)
			for _, i := range part {
				for _, n := range s.loudest(x.corpus, i, best) {
					_, has := slices.BinarySearch(x.sets[i], int(n.label))
					r.add(x.features(n, s.logit[n.label]), has)
				}
			}
		}
		t = r.fit(t)
	}
	return t
}

// rate sets the values of all entries.
func (s *speech) rate(x *lexicographer, t trust) {
	for e := range s.said {
		n := &s.said[e]
		n.value = float32(t.value(x.features(*n, s.logit[n.label])))
	}
}

func (t trust) value(f [trustFeatures]float64) float64 {
	sum := 0.0
	for j, w := range t {
		sum += float64(w * f[j])
	}
	return sum
}

// loudest gives, by label, a note's entry with the highest value.
func (s *speech) loudest(c *Corpus, note int, best *strongest) []spoken {
	for _, g := range c.notes[note] {
		for e := s.start[g.id]; e < s.start[g.id+1]; e++ {
			best.offer(s.said[e].label, s.said[e].value, e)
		}
	}
	out := make([]spoken, 0, len(best.met))
	best.take(func(_ int32, _ float32, e int32) { out = append(out, s.said[e]) })
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

// write makes a lexicon of what is said, by what it is worth.
func (x *lexicographer) write(s *speech, t trust) *Lexicon {
	s.rate(x, t)
	out := &Lexicon{Base: make([]float64, x.labels), Unit: besideUnit}
	for l, p := range s.logit {
		out.Base[l] = max(p, logit(least))
	}
	for phrase, key := range x.corpus.keys {
		begin := len(out.Levels)
		for _, n := range s.said[s.start[phrase]:s.start[phrase+1]] {
			if v := math.Round((float64(n.value) - out.Base[n.label]) / step); v >= 1 {
				out.Concepts = append(out.Concepts, n.label)
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
