package fit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
)

// SVMOptions choose a linear support vector machine.
type SVMOptions struct {
	C         float64 // inverse regularization strength, > 0
	Balance   Balance
	Seed      uint64         // of the order in which rows are visited
	Tolerance float64        // spread of the projected gradients at the end, as liblinear's -e; 0 means 1e-4
	Passes    int            // over a label's rows, at most; 0 means 10000
	Progress  func(Progress) // may be nil
}

const (
	defaultSpread = 1e-4
	defaultPasses = 10000
)

// SVM minimizes, for each label against the rest, over weights w and the bias b,
//
//	C * sum over rows of weight*max(0, 1-y*score)^2 + (|w|*|w| + b*b)/2
//
// by dual coordinate descent (Hsieh et al., ICML 2008) with shrinking. The bias is
// regularized as liblinear does it, as the weight of a feature that is always 1. Labels
// that no row has, or all have, get the bias Floor, or -Floor, and no weights.
func (d *Design) SVM(ctx context.Context, t Targets, o SVMOptions) (*Linear, error) {
	p, err := d.problem(t, o.C, o.Balance)
	if err != nil {
		return nil, err
	}
	if math.IsNaN(o.Tolerance) || o.Tolerance < 0 {
		return nil, errors.New("the tolerance must not be negative")
	}
	if o.Tolerance == 0 {
		o.Tolerance = defaultSpread
	}
	if o.Passes <= 0 {
		o.Passes = defaultPasses
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return p.end(p.each(ctx, o.Progress, func(ctx context.Context, label int) error {
		with, without := p.sides(label)
		dual := newDual(d, with, without)
		err := dual.descend(ctx, rand.New(rand.NewPCG(o.Seed, uint64(label))), o)
		weight, bias := dual.primal()
		p.set([]int{label}, weight, []float64{bias})
		return err
	}))
}

// dual is the dual problem of one label: a non-negative variable for each distinct row
// on each side that it stands on.
type dual struct {
	machine machine
	design  *Design
	row     []int     // per variable, its distinct row
	sign    []float64 // +1 with the label, -1 without
	ridge   []float64 // what the squared hinge adds to the diagonal: 1/(2 C weight)
	alpha   []float64

	order    []int // the variables, those still visited first
	active   int
	from, to float64 // bounds on the last pass's projected gradients, for shrinking
}

func newDual(d *Design, with, without []float64) *dual {
	u := &dual{design: d}
	if d.gramPays {
		u.machine = &gramMachine{gram: d.gram(), score: make([]float64, d.rows.Rows)}
	} else {
		u.machine = newSparseMachine(d.rows)
	}
	add := func(row int, sign, weight float64) {
		if weight > 0 {
			u.order = append(u.order, len(u.row))
			u.row, u.sign, u.ridge = append(u.row, row), append(u.sign, sign), append(u.ridge, 1/(2*weight))
		}
	}
	for i := range with {
		add(i, 1, with[i])
		add(i, -1, without[i])
	}
	u.alpha = make([]float64, len(u.row))
	u.activate()
	return u
}

// activate visits all variables again.
func (u *dual) activate() {
	u.active, u.from, u.to = len(u.order), math.Inf(-1), math.Inf(1)
}

// descend passes over the variables until a pass over all of them finds the projected
// gradients within the tolerance.
func (u *dual) descend(ctx context.Context, random *rand.Rand, o SVMOptions) error {
	for range o.Passes {
		if err := ctx.Err(); err != nil {
			return err
		}
		low, high := u.pass(random)
		if high-low > o.Tolerance {
			u.from, u.to = low, high
			if low >= 0 {
				u.from = math.Inf(-1)
			}
			if high <= 0 {
				u.to = math.Inf(1)
			}
			continue
		}
		if u.active == len(u.order) {
			return nil
		}
		u.activate()
	}
	return fmt.Errorf("%w after %d passes", ErrNotConverged, o.Passes)
}

// pass visits the active variables in random order, solves each, and sets aside those
// at 0 whose gradient says they will stay there.
func (u *dual) pass(random *rand.Rand) (low, high float64) {
	const still = 1e-12 // a projected gradient too small to act on
	low, high = math.Inf(1), math.Inf(-1)
	for at := 0; at < u.active; at++ {
		other := at + random.IntN(u.active-at)
		u.order[at], u.order[other] = u.order[other], u.order[at]
		v := u.order[at]
		gradient := u.sign[v]*u.machine.at(u.row[v]) - 1 + u.alpha[v]*u.ridge[v]
		projected := gradient
		if u.alpha[v] == 0 {
			if gradient > u.to {
				u.active--
				u.order[at], u.order[u.active] = u.order[u.active], u.order[at]
				at--
				continue
			}
			projected = min(gradient, 0)
		}
		low, high = min(low, projected), max(high, projected)
		if math.Abs(projected) > still {
			old := u.alpha[v]
			u.alpha[v] = max(old-gradient/(u.machine.square(u.row[v])+u.ridge[v]), 0)
			u.machine.move(u.row[v], u.sign[v]*(u.alpha[v]-old))
		}
	}
	return low, high
}

// primal gives the weights and the bias that the variables stand for.
func (u *dual) primal() (weight []float64, bias float64) {
	weight = make([]float64, u.design.rows.Cols)
	for v, a := range u.alpha {
		if a == 0 {
			continue
		}
		index, value := u.design.rows.row(u.row[v])
		for p, j := range index {
			weight[j] += u.sign[v] * a * value[p]
		}
		bias += u.sign[v] * a
	}
	return weight, bias
}

// A machine keeps the scores of the rows while multiples of rows join the weights.
type machine interface {
	at(row int) float64       // the row's score
	square(row int) float64   // its squared length, the constant feature included
	move(row int, by float64) // adds by times the row to the weights
}

// gramMachine keeps every row's score, at the price of a row of products per move.
type gramMachine struct {
	gram, score []float64
	bias        float64
}

func (m *gramMachine) at(row int) float64 { return m.score[row] + m.bias }

func (m *gramMachine) square(row int) float64 { return m.gram[row*len(m.score)+row] + 1 }

func (m *gramMachine) move(row int, by float64) {
	n := len(m.score)
	floats.AddScaled(m.score, by, m.gram[row*n:(row+1)*n])
	m.bias += by
}

// sparseMachine keeps the weights.
type sparseMachine struct {
	rows    *Matrix
	weight  []float64
	bias    float64
	squares []float64
}

func newSparseMachine(rows *Matrix) *sparseMachine {
	m := &sparseMachine{rows: rows, weight: make([]float64, rows.Cols), squares: make([]float64, rows.Rows)}
	for i := range rows.Rows {
		_, value := rows.row(i)
		m.squares[i] = floats.Dot(value, value) + 1
	}
	return m
}

func (m *sparseMachine) at(row int) float64 {
	sum := m.bias
	index, value := m.rows.row(row)
	for p, j := range index {
		sum += value[p] * m.weight[j]
	}
	return sum
}

func (m *sparseMachine) square(row int) float64 { return m.squares[row] }

func (m *sparseMachine) move(row int, by float64) {
	index, value := m.rows.row(row)
	for p, j := range index {
		m.weight[j] += by * value[p]
	}
	m.bias += by
}
