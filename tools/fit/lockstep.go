package fit

import (
	"context"
	"errors"
	"fmt"
)

// lockstep minimizes one objective per label, each with an optimizer of its own, and
// evaluates all of them together: in every round each label still running asks for one
// point, and one pass over the rows answers them all. That reads the rows once instead
// of once per label, and since rounds wait for every label, it is reproducible.
type lockstep struct {
	field    *field
	loss     *binaryLoss
	size     int // variables per label
	arrivals chan arrival
	answers  []chan struct{} // per label
	gradient [][]float64     // per label
	value    []float64       // per label

	x, g, values []float64 // of a round, labels side by side
}

// arrival is a label at the end of its step: with a point to evaluate, or finished.
type arrival struct {
	label int
	x     []float64 // nil when finished
	err   error
}

func newLockstep(s space, l *binaryLoss) *lockstep {
	k := len(l.with)
	ls := &lockstep{field: newField(s, l, k), loss: l, size: s.dim() + 1,
		arrivals: make(chan arrival), answers: make([]chan struct{}, k),
		gradient: make([][]float64, k), value: make([]float64, k)}
	for a := range k {
		ls.answers[a] = make(chan struct{})
	}
	ls.x, ls.g, ls.values = make([]float64, ls.size*k), make([]float64, ls.size*k), make([]float64, k)
	return ls
}

// minimize starts label a at points[a] and leaves there where it ended; finished is
// called as labels end.
func (ls *lockstep) minimize(ctx context.Context, points [][]float64, o LogisticOptions, finished func()) error {
	for a := range points {
		go func() {
			x, err := newObjective(ls.size, 1, ls.ask(a)).minimize(ctx, points[a], o, nil)
			if x != nil {
				points[a] = x
			}
			ls.arrivals <- arrival{label: a, err: err}
		}()
	}
	var failed error
	unfinished := 0
	for running := len(points); running > 0; {
		asked := make([][]float64, len(points))
		for range running {
			switch came := <-ls.arrivals; {
			case came.x != nil:
				asked[came.label] = came.x
				continue
			case errors.Is(came.err, ErrNotConverged):
				unfinished++
			case came.err != nil:
				failed = came.err
			}
			finished()
			running--
		}
		ls.answer(asked)
	}
	if failed == nil && unfinished > 0 {
		failed = fmt.Errorf("%w: %d of %d labels", ErrNotConverged, unfinished, len(points))
	}
	return failed
}

// ask gives the loss function of a label's objective.
func (ls *lockstep) ask(a int) func(x, gradient []float64) float64 {
	return func(x, gradient []float64) float64 {
		ls.gradient[a] = gradient
		ls.arrivals <- arrival{label: a, x: x}
		<-ls.answers[a]
		return ls.value[a]
	}
}

// answer evaluates the points asked for (nil for none) and lets their labels go on.
func (ls *lockstep) answer(asked [][]float64) {
	var labels []int
	round := &binaryLoss{}
	for a, x := range asked {
		if x != nil {
			labels = append(labels, a)
			round.with = append(round.with, ls.loss.with[a])
			round.without = append(round.without, ls.loss.without[a])
		}
	}
	k := len(labels)
	if k == 0 {
		return
	}
	x, g, values := ls.x[:ls.size*k], ls.g[:ls.size*k], ls.values[:k]
	parallel(ls.size, 1024, func(lo, hi int) {
		for at, a := range labels {
			for j := lo; j < hi; j++ {
				x[j*k+at] = asked[a][j]
			}
		}
	})
	ls.field.use(round, k)
	ls.field.evaluate(x, g, values)
	parallel(ls.size, 1024, func(lo, hi int) {
		for at, a := range labels {
			for j := lo; j < hi; j++ {
				ls.gradient[a][j] = g[j*k+at]
			}
		}
	})
	for at, a := range labels {
		ls.value[a] = values[at]
		ls.answers[a] <- struct{}{}
	}
}

// at evaluates all points once more; x, labels side by side, and field.residual are
// theirs afterwards.
func (ls *lockstep) at(points [][]float64) {
	k := len(points)
	for a, point := range points {
		for j, v := range point {
			ls.x[j*k+a] = v
		}
	}
	ls.field.use(ls.loss, k)
	ls.field.evaluate(ls.x, ls.g, ls.values)
}
