package fit

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"
)

// objective is a loss plus half the squared length of the weights, all variables but
// the last free ones (the biases). It remembers its last evaluation, because the
// optimizer asks for value and gradient one after the other.
type objective struct {
	free int
	loss func(x, gradient []float64) float64

	at       []float64
	known    bool
	value    float64
	gradient []float64
}

func newObjective(size, free int, loss func(x, gradient []float64) float64) *objective {
	return &objective{free: free, loss: loss, at: make([]float64, size), gradient: make([]float64, size)}
}

func (o *objective) evaluate(x []float64) {
	if o.known && floats.Equal(o.at, x) {
		return
	}
	copy(o.at, x)
	w := o.at[:len(x)-o.free]
	o.value = o.loss(o.at, o.gradient) + floats.Dot(w, w)/2
	floats.Add(o.gradient[:len(w)], w)
	o.known = true
}

// evaluations is the number of them that an iteration may take on average.
const evaluations = 10

// store is the number of steps that L-BFGS remembers.
const store = 10

// resolution is the norm of gradient below which steps change a value by less than its
// rounding, so that line searches are blind.
func resolution(value float64) float64 {
	const epsilon = 0x1p-52
	return 8 * math.Sqrt(epsilon*value)
}

// minimize runs L-BFGS from x until the gradient's norm, which bounds the distance from
// the optimum since the objective curves by at least 1, is half of the tolerance. It
// gives nil when it failed, and with ErrNotConverged the point it reached.
func (o *objective) minimize(ctx context.Context, x []float64, opts LogisticOptions, iterated func(int)) ([]float64, error) {
	o.evaluate(make([]float64, len(x)))
	goal := max(opts.Tolerance/2, resolution(o.value))
	problem := optimize.Problem{
		Func:   func(x []float64) float64 { o.evaluate(x); return o.value },
		Grad:   func(g, x []float64) { o.evaluate(x); copy(g, o.gradient) },
		Status: func() (optimize.Status, error) { return optimize.NotTerminated, ctx.Err() },
	}
	result, err := optimize.Minimize(problem, x, &optimize.Settings{
		Converger:       &convergence{goal: goal, iterated: iterated},
		MajorIterations: opts.Iterations,
		FuncEvaluations: evaluations * opts.Iterations,
	}, &optimize.LBFGS{Store: store, GradStopThreshold: math.NaN()})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if result == nil {
		return nil, err
	}
	o.evaluate(result.X)
	if norm := floats.Norm(o.gradient, 2); !(norm <= goal) {
		return result.X, fmt.Errorf("%w: gradient %.3g after %d iterations, %.3g wanted", ErrNotConverged, norm, result.MajorIterations, goal)
	}
	return result.X, nil
}

// convergence stops at a Euclidean norm of the gradient.
type convergence struct {
	goal     float64
	iterated func(int)
	count    int
}

func (c *convergence) Init(int) { c.count = 0 }

func (c *convergence) Converged(at *optimize.Location) optimize.Status {
	c.count++
	if c.iterated != nil {
		c.iterated(c.count)
	}
	if floats.Norm(at.Gradient, 2) <= c.goal {
		return optimize.GradientThreshold
	}
	return optimize.NotTerminated
}
