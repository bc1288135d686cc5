package fit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// ErrNotConverged says that the solver stopped before the tolerance was met. The model
// it reached is returned with it.
var ErrNotConverged = errors.New("not converged")

// Progress tells how far a fit has come. Calls do not overlap.
type Progress struct {
	Done, Total int // labels finished, of how many; Total is 1 where all are solved together
	Iteration   int // of the solver, where all labels are solved together
}

// problem is what the fits of one design to one set of targets share.
type problem struct {
	design        *Design
	c             float64
	shares        [][]share
	with, without []float64 // per label, row weights
	open          []int     // labels to be fitted; the others are decided
	result        *Linear
}

func (d *Design) problem(t Targets, c float64, b Balance) (*problem, error) {
	if err := t.Validate(len(d.of)); err != nil {
		return nil, err
	}
	if !(c > 0) || math.IsInf(c, 0) {
		return nil, fmt.Errorf("the regularization C is %g; it must be a positive number", c)
	}
	p := &problem{design: d, c: c, shares: d.shares(t)}
	p.result = &Linear{Features: d.rows.Cols, Labels: t.Labels,
		Weight: make([]float64, d.rows.Cols*t.Labels), Bias: make([]float64, t.Labels)}
	for l, count := range t.counts() {
		switch count {
		case 0:
			p.result.Bias[l] = Floor
		case len(t.Sets):
			p.result.Bias[l] = -Floor
		default:
			p.open = append(p.open, l)
		}
	}
	var err error
	p.with, p.without, err = b.Weights(t)
	return p, err
}

// sides gives, per distinct row, the weights of its copies with and without the label,
// times C.
func (p *problem) sides(label int) (with, without []float64) {
	n := p.design.rows.Rows
	with, without = make([]float64, n), make([]float64, n)
	for i, shares := range p.shares {
		rest := p.design.copies[i]
		if at, found := slices.BinarySearchFunc(shares, label, func(s share, l int) int { return s.label - l }); found {
			rest -= shares[at].rows
			with[i] = p.c * p.with[label] * float64(shares[at].rows)
		}
		without[i] = p.c * p.without[label] * float64(rest)
	}
	return with, without
}

// set stores fitted weights ([features][labels given]) and biases in the result.
func (p *problem) set(labels []int, weight, bias []float64) {
	k, all := len(labels), p.result.Labels
	for a, l := range labels {
		p.result.Bias[l] = bias[a]
	}
	for j := range p.result.Features {
		for a, l := range labels {
			p.result.Weight[j*all+l] = weight[j*k+a]
		}
	}
}

// each fits the open labels one by one, on all cores. It stops at the first failure,
// but goes on past labels that did not converge and says so in the end.
func (p *problem) each(ctx context.Context, progress func(Progress), fit func(ctx context.Context, label int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	done, unfinished := 0, 0
	parallel(len(p.open), 1, func(lo, _ int) {
		if ctx.Err() != nil {
			return
		}
		err := fit(ctx, p.open[lo])
		mu.Lock()
		defer mu.Unlock()
		if errors.Is(err, ErrNotConverged) {
			unfinished++
		} else if err != nil {
			cancel(fmt.Errorf("label %d: %w", p.open[lo], err))
			return
		}
		done++
		report(progress, Progress{Done: done, Total: len(p.open)})
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if unfinished > 0 {
		return fmt.Errorf("%d of %d labels: %w", unfinished, len(p.open), ErrNotConverged)
	}
	return nil
}

// end gives the result, unless the fit failed.
func (p *problem) end(err error) (*Linear, error) {
	if err != nil && !errors.Is(err, ErrNotConverged) {
		return nil, err
	}
	if !finite(p.result.Weight) || !finite(p.result.Bias) {
		return nil, fmt.Errorf("the fit diverged: C of %g is too large for these features", p.c)
	}
	return p.result, err
}

func finite(values []float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

func report(progress func(Progress), p Progress) {
	if progress != nil {
		progress(p)
	}
}
