package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"bedside/tools/card"
	"bedside/tools/evaluate"
	"bedside/tools/scores"
	"bedside/tools/train"
	"bedside/weights"
	"bedside/weights/bundle"
)

type mixCommand struct {
	Linear        string `help:"Bundle of the linear model." required:"" placeholder:"DIR" type:"existingdir"`
	LinearScores  string `help:"Its out-of-fold logits of the notes, as \"bedside measure --scores\" writes them." required:"" placeholder:"F.csv" type:"existingfile"`
	Encoder       string `help:"Bundle of the encoder." required:"" placeholder:"DIR" type:"existingdir"`
	EncoderScores string `help:"Its out-of-fold logits of the same notes." required:"" placeholder:"F.csv" type:"existingfile"`

	dataFlags  `embed:""`
	MultiLabel bool   `help:"Several labels may be right for one note. Default: as the bundles have it."`
	Part       string `help:"With --split: the part of the data to take." placeholder:"PART"`
	Seed       uint64 `help:"Seed by which notes are parted." default:"1"`

	nameFlags `embed:""`
	Out       string `help:"Directory to write the bundle to." required:"" placeholder:"DIR"`
	JSON      bool   `help:"Print the outcome as JSON."`
}

func (c *mixCommand) Help() string {
	return `The bundle answers with both: their calibrated scores are added up, the encoder's with
a weight w and the linear model's with 1 - w, and the sum is calibrated. Labels have to
be the same, in whatever order. Scores are out-of-fold logits: what a model trained like
the bundle's made of a note that it had not seen, before calibration, for every note of
--data, or of its --part. Never take scores of notes that a model was trained on: w would
go to whichever learnt them by heart.

The notes are dealt into 5 parts, equal texts together. On 4 of them both models, and
their sum for each w of 0, 0.05, ... 1, are calibrated and thresholds are chosen; the 5th
is answered. The w that ships has the least log-loss over all notes so answered, of
several the smallest; calibration and thresholds that ship are then fitted on all notes.
The figures of the mix are of weights that were chosen on 4 parts, for the 5th. Where w
comes out as 0 or 1, or one model alone has no more log-loss than the mix, mixing does not
help: nothing is written, and the exit code is 1.

Example:
  bedside measure --data notes.csv --text note --label specialty --scores linear.csv
  bedside train --data notes.csv --text note --label specialty --out my-linear
  bedside mix --linear my-linear --linear-scores linear.csv \
      --encoder my-encoder --encoder-scores encoder.csv \
      --data notes.csv --text note --label specialty --out my-mix`
}

// blend is what mix prints with --json.
type blend struct {
	Out      string       `json:"out,omitempty"` // absent where nothing was written
	Examples int          `json:"examples"`
	Skipped  int          `json:"skipped_empty"`
	Labels   int          `json:"labels"`
	Unseen   int          `json:"labels_without_notes"`
	Weight   float64      `json:"weight"`
	Linear   blendFigures `json:"linear"`
	Encoder  blendFigures `json:"encoder"`
	Mix      blendFigures `json:"mix"`

	ByWeight []blendFigures `json:"by_weight"`
}

// blendFigures are of notes that calibration, thresholds and, of Mix, the weight did not see.
type blendFigures struct {
	Weight    float64 `json:"weight"` // of Mix, the mean of those chosen
	LogLoss   float64 `json:"log_loss"`
	MacroF1   float64 `json:"macro_f1"`
	MicroF1   float64 `json:"micro_f1"`
	Top1InSet float64 `json:"top1_in_set"`
	ECE       float64 `json:"ece"`
}

// Run chooses the weight, prints what each is worth, and writes the bundle.
func (c *mixCommand) Run(ctx context.Context, s streams) error {
	in, err := c.read()
	if err != nil {
		return err
	}
	p := newProgress(s)
	defer p.end()
	mixture, err := train.Mix(ctx, in.scored, c.Seed, p.show)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Data, err)
	}
	p.end()
	if mixture.Helps() {
		if err := c.write(ctx, in, mixture); err != nil {
			return err
		}
	}
	if err := c.print(s, c.outcome(in, mixture)); err != nil || mixture.Helps() {
		return err
	}
	alone := "linear model"
	if _, encoder := mixture.Alone(); encoder.LogLoss == mixture.Least() {
		alone = "encoder"
	}
	return fmt.Errorf("mixing does not help: on notes that no weight was chosen by, the %s alone does as well, by log-loss; nothing was written", alone)
}

// mixing is all that is read before the work begins.
type mixing struct {
	about           about
	linear, encoder *bundle.Bundle
	scored          train.Scored
}

func (c *mixCommand) read() (in mixing, err error) {
	if c.Part != "" && c.Split == "" {
		return in, usagef("--part needs --split")
	}
	if same(c.Out, c.Linear) || same(c.Out, c.Encoder) {
		return in, usagef("--out is the directory of one of the models: choose another")
	}
	if err := bundle.CanWrite(c.Out); err != nil {
		return in, err
	}
	if in.linear, in.encoder, err = c.members(); err != nil {
		return in, err
	}
	task := in.linear.Manifest.Task
	if in.about, err = c.about(c.Out, task.Kind); err != nil {
		return in, err
	}
	if c.Card == "" && c.Question == "" {
		in.about.Question = in.linear.Manifest.Question
	}
	in.scored.Labels = task.Labels
	if in.scored.Data, err = c.load(c.Part); err != nil {
		return in, err
	}
	if in.scored.Targets, err = train.Targets(in.scored.Data, task.Labels, task.Kind == weights.MultiLabel); err != nil {
		return in, fmt.Errorf("%s: %w", c.Data, err)
	}
	for _, member := range []struct {
		file string
		to   *[]float64
	}{{c.LinearScores, &in.scored.Linear}, {c.EncoderScores, &in.scored.Encoder}} {
		table, err := scores.Load(member.file)
		if err != nil {
			return in, err
		}
		if *member.to, err = table.Match(in.scored.Data, task.Labels); err != nil {
			return in, fmt.Errorf("%s: %w", member.file, err)
		}
	}
	return in, nil
}

// members opens both bundles, and refuses those that cannot be mixed.
func (c *mixCommand) members() (linear, encoder *bundle.Bundle, err error) {
	if linear, err = bundle.Open(os.DirFS(c.Linear)); err != nil {
		return nil, nil, in(c.Linear, err)
	}
	if encoder, err = bundle.Open(os.DirFS(c.Encoder)); err != nil {
		return nil, nil, in(c.Encoder, err)
	}
	l, e := linear.Manifest, encoder.Manifest
	switch {
	case l.Mix != nil:
		return nil, nil, fmt.Errorf("--linear %s: the model %s is a mix already: name the bundle of its linear model", c.Linear, l.Name)
	case e.Mix != nil:
		return nil, nil, fmt.Errorf("--encoder %s: the model %s is a mix already: name the bundle of its encoder", c.Encoder, e.Name)
	case l.Encoder != nil:
		return nil, nil, fmt.Errorf("--linear %s: the model %s is an encoder", c.Linear, l.Name)
	case l.Linear == nil:
		return nil, nil, fmt.Errorf("--linear %s: the model %s is a lexicon alone, which cannot be mixed", c.Linear, l.Name)
	case e.Encoder == nil:
		return nil, nil, fmt.Errorf("--encoder %s: the model %s has no encoder", c.Encoder, e.Name)
	case l.Task.Kind != e.Task.Kind:
		return nil, nil, fmt.Errorf("%s is %s, %s is %s: both have to answer the same question", c.Linear, l.Task.Kind, c.Encoder, e.Task.Kind)
	case c.MultiLabel && l.Task.Kind != weights.MultiLabel:
		return nil, nil, usagef("--multi-label: the bundles give every note one label")
	}
	for _, pair := range []struct {
		dir  string
		has  []string
		of   []string
		than string
	}{{c.Linear, l.Task.Labels, e.Task.Labels, c.Encoder}, {c.Encoder, e.Task.Labels, l.Task.Labels, c.Linear}} {
		if n, first := lacking(pair.of, pair.has); n > 0 {
			return nil, nil, fmt.Errorf("%d of the labels of %s, %q the first, are not among those of %s: both have to have the same", n, pair.dir, first, pair.than)
		}
	}
	return linear, encoder, nil
}

// lacking counts the labels that are not among those known, and names the first.
func lacking(known, labels []string) (n int, first string) {
	for _, name := range labels {
		if !slices.Contains(known, name) {
			n, first = n+1, cmp.Or(first, name)
		}
	}
	return n, first
}

// write makes the bundle.
func (c *mixCommand) write(ctx context.Context, in mixing, m *train.Mixture) error {
	var members [2]train.Member
	for k, b := range []struct {
		dir string
		*bundle.Bundle
	}{{c.Linear, in.linear}, {c.Encoder, in.encoder}} {
		tensors, err := b.Values(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", b.dir, err)
		}
		members[k] = train.Member{Manifest: *b.Manifest, Tensors: tensors}
	}
	manifest, tensors, err := m.Bundle(members[0], members[1])
	if err != nil {
		return err
	}
	manifest.Name, manifest.Title, manifest.Question = in.about.Name, in.about.Title, in.about.Question
	manifest.Card = c.card(in, m)
	manifest.Card.Limits = append(manifest.Card.Limits, unasserted(&manifest)...)
	if err := bundle.Write(c.Out, manifest, tensors); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Out, bundle.CardFile), card.Markdown(manifest), 0o644)
}

// card says how the mix was made, and what it is worth on notes that it was not chosen on.
func (c *mixCommand) card(in mixing, m *train.Mixture) weights.Card {
	l, e, d := in.linear.Manifest, in.encoder.Manifest, in.scored.Data
	protocol := fmt.Sprintf("%d notes in %d parts: scores of models that had not seen the note; weight, calibration and thresholds of the other parts", len(d.Examples), train.MixParts)
	evaluations := []weights.Evaluation{evaluate.Evaluation(protocol, m.Mixed.Report)}
	first, last := m.Alone()
	for _, alone := range []struct {
		what  string
		trial train.MixTrial
	}{{"the linear model alone", first}, {"the encoder alone", last}} {
		evaluations = append(evaluations, weights.Evaluation{
			Protocol: "the same, " + alone.what, N: alone.trial.Report.N, Figures: evaluate.Figures(alone.trial.Report),
		})
	}
	return weights.Card{
		Summary: cmp.Or(in.about.Summary, "A linear model and an encoder that answer together."), IntendedUse: in.about.IntendedUse, Limits: in.about.Limits,
		Data: c.sources(in),
		Training: fmt.Sprintf("The calibrated scores of %s, a linear model, and %s, an encoder, are added up. The encoder's weight of %g has the least log-loss of 21 weights on held-out parts of %d notes, by scores of such models that had not seen them: %.4f, where the linear model alone has %.4f and the encoder alone %.4f. "+
			"The linear model: %s The encoder: %s", l.Name, e.Name, m.Share, len(d.Examples), m.Best().LogLoss, first.LogLoss, last.LogLoss, sentence(l.Card.Training), sentence(e.Card.Training)),
		Refitted: true, Evaluations: evaluations,
	}
}

// sentence is a text that may be empty.
func sentence(text string) string { return cmp.Or(text, "its card does not say how it was made.") }

// sources are those of both models, and the notes that the weight was chosen on.
func (c *mixCommand) sources(in mixing) []weights.Data {
	d := in.scored.Data
	all := append(slices.Concat(in.linear.Manifest.Card.Data, in.encoder.Manifest.Card.Data), weights.Data{
		Name: cmp.Or(in.about.DataName, filepath.Base(c.Data)), Licence: cmp.Or(in.about.DataLicence, "not stated"),
		Rows: d.Rows, Examples: len(d.Examples), SHA256: d.SHA256, Part: c.Part,
	})
	var out []weights.Data
	for _, source := range all {
		if !slices.ContainsFunc(out, func(x weights.Data) bool { return x.SHA256 == source.SHA256 && x.Part == source.Part && x.SHA256 != "" }) {
			out = append(out, source)
		}
	}
	return out
}

func (c *mixCommand) outcome(in mixing, m *train.Mixture) blend {
	d := in.scored.Data
	linear, encoder := m.Alone()
	out := blend{
		Examples: len(d.Examples), Skipped: d.Skipped, Labels: len(in.scored.Labels), Unseen: len(in.scored.Labels) - len(d.Labels),
		Weight: m.Share, Linear: figuresOf(linear), Encoder: figuresOf(encoder), Mix: figuresOf(m.Mixed),
	}
	for _, trial := range m.Trials {
		out.ByWeight = append(out.ByWeight, figuresOf(trial))
	}
	if m.Helps() {
		out.Out = c.Out
	}
	return out
}

func figuresOf(t train.MixTrial) blendFigures {
	r := t.Report
	return blendFigures{t.Share, t.LogLoss, r.MacroF1, r.MicroF1, r.Top1InSet, r.ECE}
}

func (c *mixCommand) print(s streams, o blend) error {
	if c.JSON {
		return printJSON(s, o)
	}
	fmt.Fprintf(s.out, "%d notes, %d labels", o.Examples, o.Labels)
	if o.Unseen > 0 {
		fmt.Fprintf(s.out, ", %d of which no note has", o.Unseen)
	}
	fmt.Fprintf(s.out, "\n\nby the encoder's weight, %d parts (* least log-loss):\n  weight   log-loss  macro-F1  micro-F1  top right     ECE\n", train.MixParts)
	for _, f := range o.ByWeight {
		mark := " "
		if f.Weight == o.Weight {
			mark = "*"
		}
		f.print(s, fmt.Sprintf("%s %-7.2f", mark, f.Weight))
	}
	fmt.Fprintln(s.out, "\nto expect of notes that nothing was chosen on:")
	o.Linear.print(s, "  linear ")
	o.Encoder.print(s, "  encoder")
	o.Mix.print(s, "  mix    ")
	if o.Out == "" {
		return nil
	}
	_, err := fmt.Fprintf(s.out, "\nwrote %s; %s is its model card\n", o.Out, filepath.Join(o.Out, bundle.CardFile))
	return err
}

func (f blendFigures) print(s streams, name string) {
	fmt.Fprintf(s.out, "%s  %8.4f  %8.4f  %8.4f  %9.4f  %6.4f\n", name, f.LogLoss, f.MacroF1, f.MicroF1, f.Top1InSet, f.ECE)
}
