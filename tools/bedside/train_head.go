package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/tools/train"
	"bedside/tools/vectors"
	"bedside/weights"
)

// openEncoder opens what --encoder names; nil without it.
func (c *trainCommand) openEncoder() (*vectors.Encoder, error) {
	head := slices.Contains(c.Family, train.Head)
	switch {
	case head && len(c.Family) > 1:
		return nil, usagef("--family head reads notes with an encoder, the others by their n-grams: train them apart")
	case head && c.Encoder == "":
		return nil, usagef("--family head needs --encoder, a bundle to take the encoder of; \"bedside import\" makes one")
	case !head && (c.Encoder != "" || c.Cache != ""):
		return nil, usagef("--encoder and --cache are for --family head")
	case !head && c.Hidden != noHidden:
		return nil, usagef("--hidden is for --family head")
	case !head:
		return nil, nil
	case !slices.Equal(c.Features, []string{"notebook"}):
		return nil, usagef("--features are of n-grams: not with --family head")
	case len(c.Also) > 0 || c.Prepare != "":
		return nil, usagef("--also and --prepare are for linear models: not with --family head")
	case same(c.Out, c.Encoder):
		return nil, usagef("--out is the encoder's own directory: choose another")
	}
	cache := c.Cache
	if cache == "" {
		var err error
		if cache, err = vectors.DefaultCache(); err != nil {
			return nil, fmt.Errorf("there is no place for the vectors of notes, name one with --cache: %w", err)
		}
	}
	return vectors.Open(c.Encoder, vectors.Options{Device: c.Device, Cache: cache})
}

// noHidden is the default of --hidden.
const noHidden = "0"

// hidden are the values of --hidden, ascending, none of which is too much for the encoder,
// if there is one: the layer becomes its pooler.
func (c *trainCommand) hidden(e *vectors.Encoder) ([]int, error) {
	var units []int
	for field := range strings.SplitSeq(c.Hidden, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		switch {
		case err != nil || n < 0:
			return nil, usagef("--hidden %q: want whole numbers, 0 for no hidden layer", field)
		case e != nil && n > 0 && e.Manifest.Encoder.Pooler:
			return nil, fmt.Errorf("--hidden %d: the encoder of %s has a pooler, and a bundle one layer between encoder and head; for a hidden layer import it with --no-pooler", n, c.Encoder)
		case e != nil && n > e.Width():
			return nil, fmt.Errorf("--hidden %d: the vectors of %s have %d numbers, and a hidden layer at most as many units", n, c.Encoder, e.Width())
		}
		units = append(units, n)
	}
	slices.Sort(units)
	return slices.Compact(units), nil
}

// same says whether two paths lead to one thing that is there.
func same(a, b string) bool {
	at, err := os.Stat(a)
	other, e := os.Stat(b)
	return err == nil && e == nil && os.SameFile(at, other)
}

// train fits a linear model, or a head on what the encoder makes of the notes. Those of
// which it makes nothing are skipped.
func (in input) train(ctx context.Context, d *dataset.Dataset, s train.Settings) (*train.Model, error) {
	if in.encoder == nil {
		return train.Train(ctx, d, s)
	}
	read, err := in.read(ctx, d)
	if err != nil {
		return nil, err
	}
	s.Frozen = train.Frozen{Width: in.encoder.Width(), Weights: in.encoder.Manifest.Encoder.Weights}
	examples := d.Examples
	d.Examples = nil
	for i, v := range read {
		if v != nil {
			d.Examples = append(d.Examples, examples[i])
		}
	}
	d.Skipped += len(examples) - len(d.Examples)
	return train.TrainHead(ctx, d, slices.DeleteFunc(read, func(v []float32) bool { return v == nil }), s)
}

func (in input) read(ctx context.Context, d *dataset.Dataset) ([][]float32, error) {
	notes := make([]string, len(d.Examples))
	for i, e := range d.Examples {
		notes[i] = e.Text
	}
	return in.encoder.Vectors(ctx, notes, func(done, total int) { in.progress("reading notes", done, total) })
}

// measureHead evaluates on vectors, which are the encoder's own.
func (in input) measureHead(ctx context.Context, model *train.Model) (metrics.Report, error) {
	if _, err := in.read(ctx, in.kept); err != nil {
		return metrics.Report{}, err
	}
	manifest, _ := model.Bundle("")
	engine := evaluate.Scored(&manifest, func(ctx context.Context, note string) ([]float64, error) {
		v, err := in.encoder.Vectors(ctx, []string{note}, nil)
		if err != nil || v[0] == nil {
			return nil, err
		}
		return model.Scores(v[0]), nil
	})
	report, err := evaluate.Run(ctx, engine, &manifest, in.kept, nil)
	report.LatencyMS = 0 // the encoder's would be the one to know
	return report, err
}

// headed is the encoder as the model's head reads it: once for a note, however many its
// windows, with the head's hidden layer for a pooler.
func headed(e *vectors.Encoder, model *train.Model) *weights.Encoder {
	shape := *e.Manifest.Encoder
	shape.Window.Combine = weights.MeanPooled
	shape.Pooler = shape.Pooler || model.Hidden != nil
	return &shape
}
