package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/tools/scores"
	"bedside/tools/train"
	"bedside/weights"
)

type measureCommand struct {
	dataFlags   `embed:""`
	recipeFlags `embed:""`

	Part    string `help:"With --split: the part of the data to take." placeholder:"PART"`
	On      string `help:"With --split: train on --part, measure on this part instead of in parts." placeholder:"PART"`
	Parts   int    `help:"Part the notes into so many, labels spread evenly; train on all but one, measure on that. Default: 5." placeholder:"5"`
	Repeats int    `help:"Part the notes in so many ways, measure on one part of each, and give the mean; calibration error, which few notes overstate, over all answers together. Default: part them once, measure on every part, and give the figures over all notes." placeholder:"5"`
	Scores  string `help:"Write what each note got from the model that did not see it, before calibration, to this file: import --scores and mixtures are fitted on such." placeholder:"F.csv"`
	JSON    bool   `help:"Print the figures as JSON."`
}

func (c *measureCommand) Help() string {
	return `Each model chooses its settings, calibration and thresholds by cross-validation
within the notes it is trained on, as train does, and is measured as it would ship.
Nothing is written. No part shares a note with the others, so no model is asked about a
note that it saw. With --on the split decides: notes of both parts are warned of, and
labels that --part does not have are counted and left out.

The file of --scores has the column row and one for each label, in it a logit: what int8
weights, or those of --precision, made of the note before calibration. A label that the
notes trained on did not have has -30, one that all of them had 30; calibration leaves
these out, since they say how notes were parted and nothing of the note.

Examples:
  bedside measure --data notes.csv --text note --label specialty --family lr,svm --C 1,3
  bedside measure --data notes.csv --text note --label specialty --parts 5 --repeats 5
  bedside measure --data notes.csv --text note --label specialty --scores scores.csv`
}

// Run trains, measures and prints.
func (c *measureCommand) Run(ctx context.Context, s streams) error {
	p := newProgress(s)
	defer p.end()
	m, err := c.run(ctx, p.show)
	if err != nil {
		return err
	}
	p.end()
	if c.Scores != "" {
		if err := m.scores.Save(c.Scores); err != nil {
			return err
		}
	}
	if m.shared > 0 {
		warnShared(s, m.shared, len(m.data.Examples), c.On, c.Part)
	}
	mean, each, err := metrics.Repeated(m.runs)
	if err != nil {
		return err
	}
	if mean.N == 0 {
		return fmt.Errorf("%s: no note to measure on: training knows none of their labels (%d unknown)", c.Data, m.unknown)
	}
	for i := range each {
		each[i].UnknownLabels = m.unknown
	}
	mean.UnknownLabels = m.unknown
	switch {
	case c.Repeats == 0 && c.JSON:
		return printJSON(s, each[0])
	case c.Repeats == 0:
		printReport(s.out, each[0])
		return nil
	case c.JSON:
		for i := range each {
			r := &each[i]
			r.PerLabel, r.Reliability, r.Curve, r.Pairs = nil, nil, nil, nil
		}
		return printJSON(s, repeated{mean, each})
	}
	fmt.Fprintf(s.out, "mean of %d runs, standard deviation between them; %d notes each; ECE: over the answers of all runs together\n", c.Repeats, mean.N)
	for i, f := range evaluate.Figures(mean) {
		sum, squares, n := 0.0, 0.0, float64(len(each))
		for _, r := range each {
			v := evaluate.Figures(r)[i].Value
			sum, squares = sum+v, squares+v*v
		}
		fmt.Fprintf(s.out, "  %-30s %.4f  %.4f\n", f.Name, f.Value, math.Sqrt(max(squares/n-sum/n*sum/n, 0)))
	}
	return nil
}

// repeated is what --repeats prints with --json.
type repeated struct {
	metrics.Report
	Runs []metrics.Report `json:"runs"`
}

func (c *measureCommand) check() error {
	switch {
	case c.Split == "" && (c.Part != "" || c.On != ""):
		return usagef("--part and --on need --split")
	case c.On != "" && (c.Part == "" || c.Part == c.On):
		return usagef("--on %q: name with --part another part to train on", c.On)
	case c.On != "" && c.Repeats > 0:
		return usagef("--on and --repeats are two ways to measure: choose one")
	case c.On != "" && c.Parts != 0:
		return usagef("--on and --parts are two ways to measure: choose one")
	case c.Scores != "" && (c.On != "" || c.Repeats > 0):
		return usagef("--scores wants every note measured once: not with --on or --repeats")
	case c.parts() < 2 || c.Repeats < 0 || c.Repeats > 1000:
		return usagef("--parts %d, --repeats %d: want 2 parts or more, and 0 to 1000 repeats", c.Parts, c.Repeats)
	case slices.Contains(c.Family, train.Head):
		return usagef("--family head is not measured in parts: train it with --split and --measure")
	}
	return nil
}

// parts is --parts or its default, which is not kong's for --on must know whether it was given.
func (c *measureCommand) parts() int { return cmp.Or(c.Parts, 5) }

// findings is what trained models answered about notes that they did not see.
type findings struct {
	runs    []metrics.Answers // one for each repeat, or one of all notes
	wide    []metrics.Answers // likewise with float32 weights
	scores  scores.Table      // of all notes, where asked for
	model   weights.Manifest  // of the last model trained
	data    *dataset.Dataset  // the notes answered about
	also    []string          // SHA-256 of the files learned from beside
	words   string            // SHA-256 of the vectors of words, or ""
	shared  int               // notes of data that also stand among those trained on
	unknown int               // labels of data that training did not know
}

// run trains and asks.
func (c *measureCommand) run(ctx context.Context, progress func(stage string, done, total int)) (*findings, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	settings, err := c.settings()
	if err != nil {
		return nil, err
	}
	also, err := c.extras(c.dataFlags)
	if err != nil {
		return nil, err
	}
	data, err := c.load(c.Part)
	if err != nil {
		return nil, err
	}
	m := &measurement{settings: settings, also: also, score: c.Scores != "", progress: progress, out: &findings{data: data}}
	m.out.scores.Labels = data.Labels
	for _, d := range also {
		m.out.also = append(m.out.also, d.SHA256)
	}
	if v := settings.Words(); v != nil {
		m.out.words = v.SHA256
	}
	if c.On != "" {
		kept, err := c.load(c.On)
		if err != nil {
			return nil, err
		}
		m.models = 1
		m.out.data, m.out.shared = kept, input{data: data, kept: kept}.seenBefore()
		return m.out, m.ask(ctx, data, kept, true)
	}
	if len(data.Examples) < 2*c.parts() {
		return nil, fmt.Errorf("%s: %d notes are too few for %d parts", c.Data, len(data.Examples), c.parts())
	}
	if m.models = c.parts(); c.Repeats > 0 {
		m.models = c.Repeats
	}
	for k := range m.models {
		seed, part := c.Seed, k
		if c.Repeats > 0 {
			seed, part = seed+uint64(k), 0
		}
		held := train.Part(data, c.parts(), seed)[part]
		if err := m.ask(ctx, data.Pick(others(data, held)), data.Pick(held), c.Repeats > 0); err != nil {
			return nil, err
		}
	}
	return m.out, nil
}

// others gives the examples that are not held.
func others(d *dataset.Dataset, held []int) []int {
	var out []int
	for i := range d.Examples {
		if !slices.Contains(held, i) {
			out = append(out, i)
		}
	}
	return out
}

// measurement is what every model of a measurement is made of, and what came out so far.
type measurement struct {
	settings train.Settings
	also     []*dataset.Dataset
	score    bool // keep the logits
	progress func(stage string, done, total int)
	models   int
	asked    int
	out      *findings
}

// ask trains on the notes of seen, and has those of held answered: apart from the answers
// so far, or with them.
func (m *measurement) ask(ctx context.Context, seen, held *dataset.Dataset, apart bool) error {
	settings, of := m.settings, m.asked
	settings.Also = beside(seen, held, m.also)
	settings.Progress = func(stage string, done, total int) {
		m.progress(fmt.Sprintf("model %d of %d: %s", of+1, m.models, stage), of*total+done, m.models*total)
	}
	m.asked++
	model, err := train.Train(ctx, seen, settings)
	if err != nil {
		return err
	}
	if err := m.answer(ctx, model, settings.Precision, held, &m.out.runs, apart); err != nil {
		return err
	}
	if m.score {
		if err := m.keep(ctx, model, held); err != nil {
			return err
		}
	}
	return m.answer(ctx, model, train.Float32, held, &m.out.wide, apart)
}

func (m *measurement) answer(ctx context.Context, model *train.Model, precision string, held *dataset.Dataset, runs *[]metrics.Answers, apart bool) error {
	manifest, tensors := model.Bundle(precision)
	engine, err := evaluate.InMemory(manifest, tensors)
	if err != nil {
		return err
	}
	answers, _, err := evaluate.Collect(ctx, engine, &manifest, held, nil)
	if err != nil {
		return err
	}
	m.out.model, m.out.unknown = manifest, evaluate.Unknown(&manifest, held)
	if apart || len(*runs) == 0 {
		*runs = append(*runs, answers)
		return nil
	}
	(*runs)[0] = metrics.Pool([]metrics.Answers{(*runs)[0], answers})
	return nil
}

// keep adds the logits of held to the scores.
func (m *measurement) keep(ctx context.Context, model *train.Model, held *dataset.Dataset) error {
	manifest, tensors := model.Bundle(m.settings.Precision)
	engine, err := evaluate.InMemory(manifest, tensors)
	if err != nil {
		return err
	}
	for _, e := range held.Examples {
		r, err := engine(ctx, e.Text)
		if err != nil {
			return fmt.Errorf("row %d: %w", e.Row, err)
		}
		logits := make([]float64, len(manifest.Task.Labels)) // all of the data's: a fold's models know even those that its notes lack
		for _, l := range r.Labels {
			logits[l.Index] = l.Logit
		}
		m.out.scores.Add(e.Row, logits)
	}
	return nil
}

func printJSON(s streams, v any) error {
	out := json.NewEncoder(s.out)
	out.SetIndent("", " ")
	return out.Encode(v)
}
