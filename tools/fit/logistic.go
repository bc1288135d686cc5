package fit

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// LogisticOptions choose a logistic regression.
type LogisticOptions struct {
	C           float64 // inverse regularization strength, > 0
	Balance     Balance
	Multinomial bool    // softmax over the labels of a multi-class task; else one against the rest
	Start       *Linear // where to start, such as the fit for a smaller C; nil means zero

	// Tolerance bounds the distance (Euclidean, over the weights of a label, or of all
	// where Multinomial) from the exact optimum, as far as rounding lets it be known;
	// 0 means DefaultTolerance.
	Tolerance  float64
	Iterations int            // of a solver, at most; 0 means 10000
	Progress   func(Progress) // may be nil
}

// DefaultTolerance moves the score of a row of unit length by no more than itself.
const DefaultTolerance = 1e-3

const defaultIterations = 10000

// Logistic minimizes, over weights w and biases,
//
//	C * sum over rows of weight*loss + |w|*|w|/2
//
// with the logarithmic loss. Labels that no row has, or all have, get the bias Floor,
// or -Floor, and no weights.
func (d *Design) Logistic(ctx context.Context, t Targets, o LogisticOptions) (*Linear, error) {
	p, err := d.problem(t, o.C, o.Balance)
	if err != nil {
		return nil, err
	}
	if o.Multinomial && !t.MultiClass {
		return nil, errors.New("softmax needs a multi-class task: fit one against the rest")
	}
	if o.Multinomial && o.Balance == BalancedLabels {
		return nil, errors.New("softmax has no yes-or-no problems to weigh: balance classes instead")
	}
	if err := checkStart(o.Start, d.rows.Cols, t.Labels); err != nil {
		return nil, err
	}
	if o.Tolerance <= 0 {
		o.Tolerance = DefaultTolerance
	}
	if o.Iterations <= 0 {
		o.Iterations = defaultIterations
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(p.open) == 0 {
		return p.result, nil
	}
	if o.Multinomial {
		return p.end(p.fitSoftmax(ctx, d.space(), o))
	}
	return p.end(p.fitEach(ctx, d.space(), o))
}

func checkStart(s *Linear, features, labels int) error {
	if s == nil {
		return nil
	}
	if s.Features != features || s.Labels != labels || len(s.Weight) != features*labels || len(s.Bias) != labels {
		return fmt.Errorf("the model to start from has %d features, %d labels, %d weights and %d biases, for %d features and %d labels",
			s.Features, s.Labels, len(s.Weight), len(s.Bias), features, labels)
	}
	if !finite(s.Weight) || !finite(s.Bias) {
		return errors.New("the model to start from is not finite")
	}
	return nil
}

// start gives the coordinates and biases to start the labels from, side by side.
func (p *problem) start(s space, from *Linear, labels []int) []float64 {
	k, dim := len(labels), s.dim()
	x := make([]float64, (dim+1)*k)
	if from == nil {
		return x
	}
	weight := make([]float64, from.Features*k)
	for j := range from.Features {
		for a, l := range labels {
			weight[j*k+a] = from.Weight[j*from.Labels+l]
		}
	}
	rows := p.design.rows
	scores := make([]float64, rows.Rows*k)
	parallel(rows.Rows, chunk, func(lo, hi int) { combine(rows, scores, weight, k, lo, hi) })
	copy(x, s.enter(weight, scores, k))
	for a, l := range labels {
		x[dim*k+a] = from.Bias[l]
	}
	return x
}

// fitSoftmax fits the open labels together; labels that no row has take no part.
func (p *problem) fitSoftmax(ctx context.Context, s space, o LogisticOptions) error {
	k, size := len(p.open), s.dim()*len(p.open)
	f := newField(s, p.softmax(), k)
	value := make([]float64, 1)
	obj := newObjective(size+k, k, func(x, gradient []float64) float64 {
		f.evaluate(x, gradient, value)
		return value[0]
	})
	iterations := 0
	x, err := obj.minimize(ctx, p.start(s, o.Start, p.open), o, func(iteration int) {
		iterations = iteration
		report(o.Progress, Progress{Total: 1, Iteration: iteration})
	})
	if x == nil {
		return err
	}
	p.set(p.open, s.leave(x[:size], f.residual, k), x[size:])
	report(o.Progress, Progress{Done: 1, Total: 1, Iteration: iterations})
	return err
}

// batchBytes bounds the memory of the optimizers that run in lockstep.
const batchBytes = 1 << 30

// fitEach fits every open label against the rest, in batches.
func (p *problem) fitEach(ctx context.Context, s space, o LogisticOptions) error {
	vectors := 2*store + 10 // of an optimizer, about
	batch := max(1, batchBytes/(8*vectors*(s.dim()+1)))
	done := 0
	var unfinished error
	for labels := range slices.Chunk(p.open, batch) {
		err := p.fitBatch(ctx, s, labels, o, func() {
			done++
			report(o.Progress, Progress{Done: done, Total: len(p.open)})
		})
		if err != nil && !errors.Is(err, ErrNotConverged) {
			return err
		}
		if err != nil {
			unfinished = err
		}
	}
	return unfinished
}

func (p *problem) fitBatch(ctx context.Context, s space, labels []int, o LogisticOptions, finished func()) error {
	k, size := len(labels), s.dim()+1
	start := p.start(s, o.Start, labels)
	points := make([][]float64, k)
	l := &binaryLoss{}
	for a, label := range labels {
		points[a] = make([]float64, size)
		for j := range size {
			points[a][j] = start[j*k+a]
		}
		with, without := p.sides(label)
		l.with, l.without = append(l.with, with), append(l.without, without)
	}
	ls := newLockstep(s, l)
	err := ls.minimize(ctx, points, o, finished)
	if err != nil && !errors.Is(err, ErrNotConverged) {
		return err
	}
	ls.at(points)
	weights := s.dim() * k
	p.set(labels, s.leave(ls.x[:weights], ls.field.residual, k), ls.x[weights:])
	return err
}

// softmax weighs every row's labels by their copies, balance and C.
func (p *problem) softmax() *softmaxLoss {
	position := make([]int, p.result.Labels)
	for a, l := range p.open {
		position[l] = a
	}
	s := &softmaxLoss{labels: len(p.open), shares: make([][]weighted, len(p.shares)), total: make([]float64, len(p.shares))}
	for i, shares := range p.shares {
		for _, share := range shares {
			w := p.c * p.with[share.label] * float64(share.rows)
			s.shares[i] = append(s.shares[i], weighted{position[share.label], w})
			s.total[i] += w
		}
	}
	return s
}
