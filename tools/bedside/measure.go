package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/tools/train"
)

type measureCommand struct {
	dataFlags   `embed:""`
	recipeFlags `embed:""`

	Part    string `help:"With --split: the part of the data to take." placeholder:"PART"`
	Parts   int    `help:"Part the notes into so many, labels spread evenly; train on all but one, measure on that." default:"5"`
	Repeats int    `help:"Part the notes in so many ways, measure on one part of each, and give the mean; calibration error, which few notes overstate, over all answers together. Default: part them once, measure on every part, and give the figures over all notes." placeholder:"5"`
	JSON    bool   `help:"Print the figures as JSON."`
}

func (c *measureCommand) Help() string {
	return `Each model chooses its settings, calibration and thresholds by cross-validation
within the notes it is trained on, as train does, and is measured as it would ship. No
note is measured by a model that saw it, and nothing is written.

Examples:
  bedside measure --data notes.csv --text note --label specialty --family lr,svm --C 1,3
  bedside measure --data notes.csv --text note --label specialty --parts 5 --repeats 5`
}

// Run trains, measures and prints.
func (c *measureCommand) Run(ctx context.Context, s streams) error {
	if c.Part != "" && c.Split == "" {
		return usagef("--part needs --split")
	}
	if c.Parts < 2 || c.Repeats < 0 || c.Repeats > 1000 {
		return usagef("--parts %d, --repeats %d: want 2 parts or more, and 0 to 1000 repeats", c.Parts, c.Repeats)
	}
	if slices.Contains(c.Family, train.Head) {
		return usagef("--family head is not measured in parts: train it with --split and --measure")
	}
	settings, err := c.settings()
	if err != nil {
		return err
	}
	also, err := c.extras(c.dataFlags)
	if err != nil {
		return err
	}
	data, err := c.load(c.Part)
	if err != nil {
		return err
	}
	if len(data.Examples) < 2*c.Parts {
		return fmt.Errorf("%s: %d notes are too few for %d parts", c.Data, len(data.Examples), c.Parts)
	}
	p := newProgress(s)
	defer p.end()
	m := &measurement{settings, data, also, p}
	if c.Repeats > 0 {
		return c.repeat(ctx, s, m)
	}
	var all metrics.Answers
	for k, held := range train.Part(data, c.Parts, c.Seed) {
		answers, err := m.run(ctx, held, k+1, c.Parts)
		if err != nil {
			return err
		}
		all = together(all, answers)
	}
	report, err := metrics.Measure(all)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(s, report)
	}
	printReport(s.out, report)
	return nil
}

// repeat measures on one part of each way to part the notes.
func (c *measureCommand) repeat(ctx context.Context, s streams, m *measurement) error {
	var reports []metrics.Report
	var all metrics.Answers
	for k := range c.Repeats {
		answers, err := m.run(ctx, train.Part(m.data, c.Parts, c.Seed+uint64(k))[0], k+1, c.Repeats)
		if err != nil {
			return err
		}
		report, err := metrics.Measure(answers)
		if err != nil {
			return err
		}
		reports = append(reports, report)
		all = together(all, answers)
	}
	mean := meanReport(reports)
	over, err := metrics.Measure(all)
	if err != nil {
		return err
	}
	mean.ECE, mean.Reliability = over.ECE, over.Reliability
	if c.JSON {
		for i := range reports {
			reports[i].PerLabel, reports[i].Reliability = nil, nil
		}
		return printJSON(s, repeated{mean, reports})
	}
	fmt.Fprintf(s.out, "mean of %d runs, standard deviation between them; %d notes each; ECE: over the answers of all runs together\n", c.Repeats, mean.N)
	for i, f := range evaluate.Figures(mean) {
		sum, squares, n := 0.0, 0.0, float64(len(reports))
		for _, r := range reports {
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

// together joins answers; those before may be none.
func together(before, more metrics.Answers) metrics.Answers {
	if len(before.Truth) == 0 {
		return more
	}
	before.MultiClass = before.MultiClass && more.MultiClass
	before.Truth = append(before.Truth, more.Truth...)
	before.Asserted = append(before.Asserted, more.Asserted...)
	before.Probabilities = append(before.Probabilities, more.Probabilities...)
	return before
}

// meanReport has the mean figures, and no tables.
func meanReport(reports []metrics.Report) metrics.Report {
	var mean metrics.Report
	n := float64(len(reports))
	for _, r := range reports {
		mean.N += r.N
		mean.Accuracy += r.Accuracy / n
		mean.MacroF1 += r.MacroF1 / n
		mean.MicroF1 += r.MicroF1 / n
		mean.Top1InSet += r.Top1InSet / n
		mean.RecallAt3 += r.RecallAt3 / n
		mean.LRAP += r.LRAP / n
		mean.MAP += r.MAP / n
		mean.ECE += r.ECE / n
		mean.Coverage += r.Coverage / n
		mean.RightIfSure += r.RightIfSure / n
	}
	mean.N /= len(reports)
	return mean
}

// measurement is what every model of a measurement is made of.
type measurement struct {
	settings train.Settings
	data     *dataset.Dataset
	also     []*dataset.Dataset
	progress *progress
}

// run trains on the notes that are not held, and answers those that are.
func (m *measurement) run(ctx context.Context, held []int, run, runs int) (metrics.Answers, error) {
	var seen []int
	for i := range m.data.Examples {
		if !slices.Contains(held, i) {
			seen = append(seen, i)
		}
	}
	data, settings := m.data.Pick(seen), m.settings
	settings.Also = beside(data, m.also)
	settings.Progress = func(stage string, done, total int) {
		m.progress.show(fmt.Sprintf("model %d of %d: %s", run, runs, stage), (run-1)*total+done, runs*total)
	}
	model, err := train.Train(ctx, data, settings)
	if err != nil {
		return metrics.Answers{}, err
	}
	manifest, tensors := model.Bundle(settings.Precision)
	engine, err := evaluate.InMemory(manifest, tensors)
	if err != nil {
		return metrics.Answers{}, err
	}
	answers, _, err := evaluate.Collect(ctx, engine, &manifest, m.data.Pick(held), nil)
	return answers, err
}

func printJSON(s streams, v any) error {
	out := json.NewEncoder(s.out)
	out.SetIndent("", " ")
	return out.Encode(v)
}
