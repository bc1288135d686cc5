package head

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"gorgonia.org/gorgonia"
)

// An epoch takes minBatches steps or more, of at most maxBatch examples each.
const (
	maxBatch   = 128
	minBatches = 16
)

// A fit ends after patience epochs in which the validation loss did not fall by leastGain
// of itself.
const (
	patience  = 8
	leastGain = 1e-3
)

// learningRate is Adam's: small against the weights, near 1, of scaled columns.
const learningRate = 5e-3

// descent is a fit under way.
type descent struct {
	network         *network
	task            *task
	train, validate batch
	random          *rand.Rand

	x, has, all []float64 // of one step
}

// batch is examples with scaled columns.
type batch struct {
	rows, width int
	x           []float64
	has, all    []float64 // as task.weigh gives them
}

// found is where a descent has come.
type found struct {
	layers []layer
	epochs int
	loss   float64
}

func newDescent(t *task, train, validate batch, o Options) *descent {
	step := min(maxBatch, max(1, train.rows/minBatches))
	layers := start(train.width, len(t.open), o)
	return &descent{
		network: newNetwork(step, layers, t.multiClass, 1/(o.C*float64(train.rows))),
		task:    t, train: train, validate: validate, random: rand.New(rand.NewPCG(o.Seed, 0x0bde2)),
		x:   make([]float64, step*train.width),
		has: make([]float64, step*len(t.open)), all: make([]float64, step*len(t.open)),
	}
}

// run gives the layers of the lowest validation loss, or the last ones.
func (d *descent) run(ctx context.Context, epochs int) (found, error) {
	best := found{loss: math.Inf(1)}
	hope := 0 // the last epoch that was worth its time
	for epoch := 1; epoch <= epochs; epoch++ {
		if err := d.epoch(ctx); err != nil {
			return best, err
		}
		if d.validate.rows == 0 {
			best = found{d.network.layers, epoch, 0}
			continue
		}
		loss := d.task.loss(d.network.scores(d.validate.x), d.validate.has, d.validate.all)
		if loss < (1-leastGain)*best.loss {
			hope = epoch
		}
		if loss < best.loss {
			best = found{clone(d.network.layers), epoch, loss}
		}
		if epoch-hope >= patience {
			break
		}
	}
	return best, nil
}

// epoch goes through the examples once, in an order of its own.
func (d *descent) epoch(ctx context.Context) error {
	n := d.network
	for rows := range slices.Chunk(d.random.Perm(d.train.rows), n.rows) {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.gather(rows)
		if err := n.differentiate(d.x, d.has, d.all); err != nil {
			return err
		}
		if err := n.solver.Step(gorgonia.NodesToValueGrads(n.parameters)); err != nil {
			return err
		}
	}
	return nil
}

// gather lays out the examples of a step. Where they are too few, the rest weighs nothing.
func (d *descent) gather(rows []int) {
	t := &d.train
	labels := len(d.task.open)
	clear(d.has)
	clear(d.all)
	for k, i := range rows {
		copy(d.x[k*t.width:][:t.width], t.x[i*t.width:])
		copy(d.has[k*labels:][:labels], t.has[i*labels:])
		copy(d.all[k*labels:][:labels], t.all[i*labels:])
	}
}

func clone(layers []layer) []layer {
	out := slices.Clone(layers)
	for i := range out {
		out[i].weight, out[i].bias = slices.Clone(out[i].weight), slices.Clone(out[i].bias)
	}
	return out
}

// finite says that there are layers, whose numbers a bundle can hold.
func finite(layers []layer) bool {
	for _, l := range layers {
		for _, v := range slices.Concat(l.weight, l.bias) {
			if math.IsNaN(v) || math.Abs(v) > math.MaxFloat32 {
				return false
			}
		}
	}
	return len(layers) > 0
}
