// Package head fits the head of a frozen encoder: softmax or sigmoids on its vectors, with
// at most one hidden layer before them. gorgonia differentiates and steps (Adam; Kingma
// and Ba, 2015, https://arxiv.org/abs/1412.6980).
//
// The objective is that of package fit, so that C means the same, on columns of deviation
// 1. The same examples, options and seed give the same bits, on any number of cores.
package head

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"bedside/tools/fit"
)

// Examples are vectors and their labels.
type Examples struct {
	Vectors []float32 // [rows][Width]
	Width   int
	Targets fit.Targets
}

// Select names the examples of the named rows, in that order.
func (e Examples) Select(rows []int) Examples {
	s := Examples{Width: e.Width, Targets: e.Targets.Select(rows), Vectors: make([]float32, 0, len(rows)*e.Width)}
	for _, i := range rows {
		s.Vectors = append(s.Vectors, e.row(i)...)
	}
	return s
}

func (e Examples) row(i int) []float32 { return e.Vectors[i*e.Width:][:e.Width] }

// Options choose a head.
type Options struct {
	C      float64 // inverse regularization strength, > 0, as in fit.LogisticOptions
	Hidden int     // units of the hidden layer; 0 for none
	Seed   uint64  // of the order of the examples, and of where a hidden layer starts

	// Epochs are the passes over the examples: at most so many where there are others to
	// validate on, else just so many.
	Epochs int
}

// MaxEpochs is a good Options.Epochs where there are examples to validate on.
const MaxEpochs = 100

// Head scores vectors. Between two layers stands a tanh.
type Head struct {
	Layers []Layer
	Epochs int // passes that it took
}

// Layer is a dense layer.
type Layer struct {
	In, Out int
	Weight  []float32 // [Out][In]
	Bias    []float32 // [Out]
}

// Fit learns a head from the examples to train on. It stops when the loss on those to
// validate on, of which there may be none, no longer falls, and keeps the head that had the
// lowest. Classes, or the two sides of each label, weigh the same. Labels that no example
// to train on has, or all have, get the bias fit.Floor, or -fit.Floor, and no weights.
func Fit(ctx context.Context, train, validate Examples, o Options) (*Head, error) {
	if err := check(train, validate, o); err != nil {
		return nil, err
	}
	t, err := newTask(train.Targets)
	if err != nil {
		return nil, err
	}
	if len(t.open) == 0 {
		return t.head(nil, train.Width, 0), nil
	}
	scale := newScaler(train)
	d := newDescent(t, scale.batch(train, t), scale.batch(validate, t), o)
	defer d.network.close()
	best, err := d.run(ctx, o.Epochs)
	if err != nil {
		return nil, err
	}
	if !finite(best.layers) {
		return nil, fmt.Errorf("the fit diverged: C of %g is too large for these vectors", o.C)
	}
	scale.fold(best.layers[0])
	return t.head(best.layers, train.Width, best.epochs), nil
}

func check(train, validate Examples, o Options) error {
	switch {
	case !(o.C > 0) || math.IsInf(o.C, 0):
		return fmt.Errorf("the regularization C is %g; it must be a positive number", o.C)
	case o.Hidden < 0:
		return fmt.Errorf("%d hidden units: want 0 or more", o.Hidden)
	case o.Epochs < 1:
		return fmt.Errorf("%d epochs: want 1 or more", o.Epochs)
	case len(train.Targets.Sets) == 0:
		return errors.New("no examples to learn from")
	case train.Targets.Labels != validate.Targets.Labels && len(validate.Targets.Sets) > 0:
		return fmt.Errorf("%d labels to train on, %d to validate on", train.Targets.Labels, validate.Targets.Labels)
	}
	if err := train.check(train.Width); err != nil {
		return err
	}
	if len(validate.Targets.Sets) == 0 {
		return nil
	}
	return validate.check(train.Width)
}

func (e Examples) check(width int) error {
	rows := len(e.Targets.Sets)
	if err := e.Targets.Validate(rows); err != nil {
		return err
	}
	if e.Width < 1 || e.Width != width || len(e.Vectors) != rows*width {
		return fmt.Errorf("%d numbers for %d vectors of %d, wanted of %d", len(e.Vectors), rows, e.Width, width)
	}
	for i, v := range e.Vectors {
		if x := float64(v); math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("vector %d, element %d: %g is not a number to learn from", i/width, i%width, x)
		}
	}
	return nil
}

// Scores gives the scores [rows][labels] of vectors, one after the other.
func (h *Head) Scores(vectors []float32) []float64 {
	x := make([]float64, len(vectors))
	for i, v := range vectors {
		x[i] = float64(v)
	}
	for i, l := range h.Layers {
		if i > 0 {
			for j, v := range x {
				x[j] = math.Tanh(v)
			}
		}
		x = l.apply(x)
	}
	return x
}

func (l Layer) apply(x []float64) []float64 {
	out := make([]float64, 0, len(x)/l.In*l.Out)
	for row := range slices.Chunk(x, l.In) {
		for n := range l.Out {
			sum := float64(l.Bias[n])
			for k, w := range l.Weight[n*l.In:][:l.In] {
				sum += float64(w) * row[k]
			}
			out = append(out, sum)
		}
	}
	return out
}
