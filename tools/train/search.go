// Package train learns bundles from labelled notes: vocabulary and linear classifier, or the
// head of a frozen encoder; calibration and thresholds; chosen by cross-validation.
package train

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bedside/tools/dataset"
	"bedside/tools/fit"
	heads "bedside/tools/fit/head"
	quantized "bedside/tools/quantize"
	"bedside/weights"
)

// Families of classifiers.
const (
	LogisticRegression = "lr"
	SVM                = "svm"
)

// Candidate is one choice of settings.
type Candidate struct {
	Features FeatureSet
	Family   string
	C        float64
	Hidden   int // units of a head's hidden layer; 0 for none
}

func (c Candidate) String() string {
	if c.Features.Lexicon && len(c.Features.Blocks) == 0 { // nothing is fitted that a family and C would matter to
		return c.Features.Name
	}
	if c.Hidden > 0 {
		return fmt.Sprintf("%s, %s with %d hidden units, C=%g", c.Features.Name, c.Family, c.Hidden, c.C)
	}
	return fmt.Sprintf("%s, %s, C=%g", c.Features.Name, c.Family, c.C)
}

// Trial is how a candidate did on held-out folds.
type Trial struct {
	Candidate Candidate
	MacroF1   float64
	MicroF1   float64

	scores   []float64 // held-out scores [examples][labels]
	asserted []bool    // what they lead to, likewise
}

// Settings say what to train and what to choose from.
type Settings struct {
	MultiLabel bool
	Prepare    string       // "" or weights.Dialogue
	Also       []Extra      // to learn from, beside the examples
	Copies     int          // an example counts as so many texts of Also; 0 means 1
	Features   []FeatureSet // cheapest first
	Families   []string
	Cs         []float64 // ascending
	Hidden     []int     // units of a head's hidden layer, ascending; nil for heads without one
	Frozen     Frozen    // whose vectors a head reads
	Folds      int
	Slack      float64 // macro-F1 that cheaper features may fall short by; see choose
	Seed       uint64
	Precision  string                              // of the weights that held-out scores are made with; "" means Int8
	Progress   func(stage string, done, total int) // may be nil
}

// Extra is a text to learn from that is no example: nothing is chosen, calibrated or
// measured on it.
type Extra struct {
	Text   string
	Labels []int // indexes into the dataset's labels, ascending
	Of     int   // the example it belongs to, which it is held out with; -1 for none
}

// Only narrows the settings to one candidate.
func (s Settings) Only(c Candidate) Settings {
	s.Features, s.Families, s.Cs = []FeatureSet{c.Features}, []string{c.Family}, []float64{c.C}
	s.Hidden = []int{c.Hidden}
	return s
}

func (s Settings) progress(stage string, done, total int) {
	if s.Progress != nil {
		s.Progress(stage, done, total)
	}
}

// Model is what training gives.
type Model struct {
	Labels       []string
	Text         weights.Text
	MultiLabel   bool
	Best         Trial   // the one chosen
	Trials       []Trial // every candidate, in the order tried
	Vocabularies []*Vocabulary
	Lexicon      *Lexicon    // nil where the features have none
	Linear       *fit.Linear // nil where a lexicon is all there is
	Head         *heads.Head // in place of Vocabularies and Linear
	Calibration  weights.Calibration
	Thresholds   []float64

	Hidden *quantized.Dense // the head's hidden layer as it ships; nil for none
}

// Train chooses the candidate with the best macro-F1 on held-out folds (see choose),
// fits its calibration and thresholds on the held-out scores, and the model on all
// examples.
// The same data, settings and seed give the same model, bit for bit.
func Train(ctx context.Context, d *dataset.Dataset, s Settings) (*Model, error) {
	if err := check(d, s); err != nil {
		return nil, err
	}
	t := newTrainer(d, s)
	t.steps = (1+s.Folds*len(s.Families)*len(s.Cs))*len(s.Features) + 1
	var trials []Trial
	var corpora [][]*Corpus // by trial
	for _, features := range s.Features {
		analyzed, err := t.analyze(ctx, features)
		if err != nil {
			return nil, err
		}
		tried, err := t.try(ctx, features, analyzed)
		if err != nil {
			return nil, err
		}
		for _, trial := range tried {
			trials, corpora = append(trials, trial), append(corpora, analyzed)
		}
	}
	best := choose(trials, t.targets, s.Slack, s.Seed)
	return t.finish(ctx, trials, best, corpora[best])
}

func check(d *dataset.Dataset, s Settings) error {
	if len(s.Features) == 0 || len(s.Families) == 0 || len(s.Cs) == 0 {
		return fmt.Errorf("nothing to train: %d feature sets, %d families, %d values of C", len(s.Features), len(s.Families), len(s.Cs))
	}
	if !(s.Slack >= 0) {
		return fmt.Errorf("slack of %g: want 0 or more", s.Slack)
	}
	if len(d.Examples) == 0 {
		return errors.New("no labelled notes to train on")
	}
	if len(d.Labels) < 2 {
		return errors.New("all notes have the same label: there is nothing to tell apart")
	}
	if len(d.Labels) > weights.MaxLabels {
		return fmt.Errorf("%d distinct labels: a bundle holds at most %d", len(d.Labels), weights.MaxLabels)
	}
	for _, label := range d.Labels {
		if len(label) > weights.MaxNameBytes {
			return fmt.Errorf("a label has %d bytes: a bundle holds names of at most %d", len(label), weights.MaxNameBytes)
		}
	}
	texts := map[int]bool{}
	for _, e := range d.Examples {
		if !s.MultiLabel && len(e.Labels) != 1 {
			return fmt.Errorf("row %d has %d labels: train with --multi-label", e.Row, len(e.Labels))
		}
		texts[e.Group] = true
	}
	for i, e := range s.Also {
		if e.Of < -1 || e.Of >= len(d.Examples) || len(e.Labels) == 0 || !s.MultiLabel && len(e.Labels) != 1 {
			return fmt.Errorf("text %d of those to learn from beside the notes has %d labels and belongs to example %d of %d", i, len(e.Labels), e.Of, len(d.Examples))
		}
	}
	if s.Folds < 2 || s.Folds > len(d.Examples) {
		return fmt.Errorf("%d folds for %d examples: want at least 2 folds and an example for each", s.Folds, len(d.Examples))
	}
	if len(texts) < s.Folds {
		return fmt.Errorf("%d folds for %d distinct notes: equal notes stay together, so want a distinct one for each fold", s.Folds, len(texts))
	}
	return nil
}

func targets(d *dataset.Dataset, multiLabel bool) fit.Targets {
	sets := make([][]int, len(d.Examples))
	for i, e := range d.Examples {
		sets[i] = e.Labels
	}
	t := fit.MultiLabel(len(d.Labels), sets)
	t.MultiClass = !multiLabel
	return t
}

// trainer is one run of Train.
type trainer struct {
	Settings
	data        *dataset.Dataset
	text        weights.Text
	targets     fit.Targets               // of the examples
	all         fit.Targets               // of the examples, then of the texts of Also
	fold        []int                     // per example
	lexicons    map[string]*lexicographer // by name of the feature set
	done, steps int
}

func newTrainer(d *dataset.Dataset, s Settings) *trainer {
	t := &trainer{Settings: s, data: d, text: Text, targets: targets(d, s.MultiLabel), fold: folds(d, s.Folds, s.Seed), lexicons: map[string]*lexicographer{}}
	t.text.Prepare = s.Prepare
	t.all = t.targets
	t.all.Sets = slices.Clone(t.targets.Sets)
	for _, e := range s.Also {
		t.all.Sets = append(t.all.Sets, e.Labels)
	}
	return t
}

// with adds to examples the texts of Also that may be learnt from beside them.
func (t *trainer) with(examples []int) []int {
	in := map[int]bool{-1: true}
	for _, i := range examples {
		in[i] = true
	}
	texts := slices.Clone(examples)
	for k, e := range t.Also {
		if in[e.Of] {
			texts = append(texts, len(t.data.Examples)+k)
		}
	}
	return texts
}

// learned is what the texts to fit on give.
type learned struct {
	vocabularies []*Vocabulary
	lexicon      *Lexicon    // nil where the features have none
	matrix       *fit.Matrix // of the texts; nil where a lexicon is all there is
	of           fit.Targets
}

// concepts is the number of columns that are a lexicon's.
func (l learned) concepts() int {
	if l.lexicon == nil {
		return 0
	}
	return len(l.lexicon.Base)
}

// learn makes the matrix of texts to fit on, and their targets. Copies of examples weigh
// in the fit alone, not in the vocabulary.
func (t *trainer) learn(f FeatureSet, corpora []*Corpus, texts []int) (learned, error) {
	vocabularies, err := vocabularies(corpora, texts)
	if err != nil {
		return learned{}, err
	}
	l := learned{vocabularies: vocabularies}
	var held [][]level
	if x := t.lexicons[f.Name]; x != nil {
		l.lexicon, held = x.learn(t.own(texts), t.fold)
		if len(l.lexicon.Keys) == 0 {
			return learned{}, errors.New("no phrase tells the labels apart: the notes are too few for a lexicon, train with n-grams")
		}
	}
	if len(corpora) == 0 {
		return l, nil
	}
	rows := texts
	for range t.Copies - 1 {
		for _, i := range texts {
			if i < len(t.data.Examples) {
				rows = append(rows[:len(rows):len(rows)], i)
			}
		}
	}
	l.matrix, l.of = project(vocabularies, transform(corpora, vocabularies, rows)), t.all.Select(rows)
	if l.lexicon != nil {
		levels := make([][]level, len(rows))
		for r, i := range rows {
			if levels[r] = held[i]; i >= len(t.data.Examples) {
				levels[r] = l.lexicon.levels(t.lexicons[f.Name].corpus, i)
			}
		}
		l.matrix = join([]*fit.Matrix{l.matrix, asColumns(levels, t.targets.Labels, l.lexicon.Unit)})
	}
	return l, nil
}

// own leaves out the texts of Also.
func (t *trainer) own(texts []int) []int {
	return slices.DeleteFunc(slices.Clone(texts), func(i int) bool { return i >= len(t.data.Examples) })
}

// read gives the levels of notes and, where a lexicon is not all there is, their matrix.
func (t *trainer) read(f FeatureSet, corpora []*Corpus, l learned, notes []int) ([][]level, *fit.Matrix) {
	var levels [][]level
	if l.lexicon != nil {
		for _, i := range notes {
			levels = append(levels, l.lexicon.levels(t.lexicons[f.Name].corpus, i))
		}
	}
	switch {
	case len(corpora) == 0:
		return levels, nil
	case l.lexicon == nil:
		return nil, transform(corpora, l.vocabularies, notes)
	}
	return levels, join([]*fit.Matrix{transform(corpora, l.vocabularies, notes), asColumns(levels, t.targets.Labels, l.lexicon.Unit)})
}

func (t *trainer) step(stage string) {
	t.done++
	t.progress(stage, t.done, t.steps)
}

func (t *trainer) analyze(ctx context.Context, f FeatureSet) ([]*Corpus, error) {
	notes := make([]string, len(t.data.Examples))
	for i, e := range t.data.Examples {
		notes[i] = e.Text
	}
	for _, e := range t.Also {
		notes = append(notes, e.Text)
	}
	var corpora []*Corpus
	for position, b := range f.Blocks {
		c, err := Analyze(ctx, t.text, b, position, notes)
		if err != nil {
			return nil, fmt.Errorf("features %s: %w", f.Name, err)
		}
		corpora = append(corpora, c)
	}
	if f.Lexicon {
		c, err := Analyze(ctx, t.text, PhraseBlock, weights.LexiconPosition, notes)
		if err != nil {
			return nil, fmt.Errorf("features %s: %w", f.Name, err)
		}
		var beside []int
		for k, e := range t.Also {
			if e.Of < 0 {
				beside = append(beside, len(t.data.Examples)+k)
			}
		}
		t.lexicons[f.Name] = newLexicographer(c, t.data.Labels, t.all.Sets, beside)
	}
	t.step("counted n-grams, " + f.Name)
	return corpora, nil
}

// try scores every family and C on held-out folds; a fold's features are made once.
func (t *trainer) try(ctx context.Context, f FeatureSet, corpora []*Corpus) ([]Trial, error) {
	var trials []Trial
	for _, family := range t.Families {
		for _, c := range t.Cs {
			scores := make([]float64, len(t.data.Examples)*t.targets.Labels)
			trials = append(trials, Trial{Candidate: Candidate{Features: f, Family: family, C: c}, scores: scores})
		}
	}
	for k := range t.Folds {
		if err := t.tryFold(ctx, k, f, corpora, trials); err != nil {
			return nil, fmt.Errorf("features %s, fold %d: %w", f.Name, k, err)
		}
	}
	for i := range trials {
		trials[i].asserted = t.assert(trials[i].scores)
		trials[i].MacroF1, trials[i].MicroF1 = f1(trials[i].asserted, t.targets)
	}
	return trials, nil
}

func (t *trainer) tryFold(ctx context.Context, k int, f FeatureSet, corpora []*Corpus, trials []Trial) error {
	var seen, held []int
	for i, fold := range t.fold {
		if fold == k {
			held = append(held, i)
		} else {
			seen = append(seen, i)
		}
	}
	l, err := t.learn(f, corpora, t.with(seen))
	if err != nil {
		return err
	}
	levels, test := t.read(f, corpora, l, held)
	if l.matrix == nil {
		for _, trial := range trials {
			t.record(trial, held, l.lexicon.scores(levels))
			t.step(fmt.Sprintf("fold %d of %d, %s", k+1, t.Folds, trial.Candidate))
		}
		return ctx.Err()
	}
	design, err := fit.Prepare(ctx, l.matrix)
	if err != nil {
		return err
	}
	var model *fit.Linear
	for i, trial := range trials {
		if i > 0 && trials[i-1].Candidate.Family != trial.Candidate.Family {
			model = nil
		}
		if model, err = t.fit(ctx, design, l.of, trial.Candidate, model); err != nil {
			return err
		}
		scores, err := asShipped(unfold(l.vocabularies, model), t.Precision, l.concepts()).Decision(test)
		if err != nil {
			return err
		}
		t.record(trial, held, scores)
		t.step(fmt.Sprintf("fold %d of %d, %s", k+1, t.Folds, trial.Candidate))
	}
	return nil
}

// record keeps the scores [held][labels] of a trial.
func (t *trainer) record(trial Trial, held []int, scores []float64) {
	labels := t.targets.Labels
	for r, example := range held {
		copy(trial.scores[example*labels:], scores[r*labels:(r+1)*labels])
	}
}

// fit fits one candidate; start, if any, is the fit for a smaller C.
func (t *trainer) fit(ctx context.Context, d *fit.Design, of fit.Targets, c Candidate, start *fit.Linear) (*fit.Linear, error) {
	balance := fit.BalancedLabels
	if of.MultiClass {
		balance = fit.BalancedClasses
	}
	switch c.Family {
	case LogisticRegression:
		return d.Logistic(ctx, of, fit.LogisticOptions{C: c.C, Balance: balance, Multinomial: of.MultiClass, Start: start})
	case SVM:
		return d.SVM(ctx, of, fit.SVMOptions{C: c.C, Balance: balance, Seed: t.Seed})
	}
	return nil, fmt.Errorf("family %q: want %s or %s", c.Family, LogisticRegression, SVM)
}

// assert answers which labels held-out scores lead to when the calibration and
// thresholds for each fold are fitted on the other folds.
func (t *trainer) assert(scores []float64) []bool {
	labels, asserted := t.targets.Labels, make([]bool, len(scores))
	if t.targets.MultiClass {
		for i := range t.fold {
			row := scores[i*labels : (i+1)*labels]
			best := 0
			for l := range row {
				if row[l] > row[best] {
					best = l
				}
			}
			asserted[i*labels+best] = true
		}
		return asserted
	}
	for k := range t.Folds {
		var others, held []int
		for i, fold := range t.fold {
			if fold == k {
				held = append(held, i)
			} else {
				others = append(others, i)
			}
		}
		known := rows(scores, others, labels)
		of := t.targets.Select(others)
		calibration, thresholds := Settle(known, of)
		p := Probabilities(calibration, rows(scores, held, labels), labels)
		for r, i := range held {
			for l := range labels {
				asserted[i*labels+l] = p[r*labels+l] >= thresholds[l]
			}
		}
	}
	return asserted
}

// finish fits the best trial's settings on everything.
func (t *trainer) finish(ctx context.Context, trials []Trial, best int, corpora []*Corpus) (*Model, error) {
	chosen := trials[best]
	all := make([]int, len(t.data.Examples))
	for i := range all {
		all[i] = i
	}
	l, err := t.learn(chosen.Candidate.Features, corpora, t.with(all))
	if err != nil {
		return nil, err
	}
	var model *fit.Linear
	if l.matrix != nil {
		design, err := fit.Prepare(ctx, l.matrix)
		if err != nil {
			return nil, err
		}
		if model, err = t.fit(ctx, design, l.of, chosen.Candidate, nil); err != nil {
			return nil, err
		}
		model = unfold(l.vocabularies, model)
	}
	calibration, thresholds := Settle(chosen.scores, t.targets)
	t.step("fitted " + chosen.Candidate.String())
	return &Model{
		Labels:       t.data.Labels,
		Text:         t.text,
		MultiLabel:   t.MultiLabel,
		Best:         chosen,
		Trials:       trials,
		Vocabularies: l.vocabularies,
		Lexicon:      l.lexicon,
		Linear:       model,
		Calibration:  calibration,
		Thresholds:   thresholds,
	}, nil
}

// vocabularies fits the blocks' vocabularies on texts.
func vocabularies(corpora []*Corpus, texts []int) ([]*Vocabulary, error) {
	var fitted []*Vocabulary
	for _, c := range corpora {
		v, err := c.Fit(texts)
		if err != nil {
			return nil, err
		}
		fitted = append(fitted, v)
	}
	return fitted, nil
}

func transform(corpora []*Corpus, vocabularies []*Vocabulary, notes []int) *fit.Matrix {
	var parts []*fit.Matrix
	for i, c := range corpora {
		parts = append(parts, c.Transform(vocabularies[i], notes))
	}
	return join(parts)
}

// rows takes the named rows of a dense matrix [rows][labels].
func rows(matrix []float64, named []int, labels int) []float64 {
	out := make([]float64, 0, len(named)*labels)
	for _, i := range named {
		out = append(out, matrix[i*labels:(i+1)*labels]...)
	}
	return out
}

// f1 is macro- and micro-averaged over all labels; an undefined F1 counts as 0.
func f1(asserted []bool, t fit.Targets) (macro, micro float64) {
	right := indicator(t)
	hits, sums := make([]float64, t.Labels), make([]float64, t.Labels)
	for at := range asserted {
		l := at % t.Labels
		if asserted[at] {
			sums[l]++
		}
		if right[at] {
			sums[l]++
		}
		if asserted[at] && right[at] {
			hits[l]++
		}
	}
	var hit, sum float64
	for l := range hits {
		if hit, sum = hit+hits[l], sum+sums[l]; sums[l] > 0 {
			macro += 2 * hits[l] / sums[l] / float64(t.Labels)
		}
	}
	if sum == 0 {
		return macro, 0
	}
	return macro, 2 * hit / sum
}
