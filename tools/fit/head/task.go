package head

import (
	"math"

	"bedside/tools/fit"
)

// task is what the labels that are to be fitted ask of scores.
type task struct {
	labels        int
	multiClass    bool
	open          []int     // labels to be fitted; the others are decided
	with, without []float64 // per label: weight of an example that has it, that has it not
	decided       []float32 // per label: its score, where it is not open
}

func newTask(t fit.Targets) (*task, error) {
	balance := fit.BalancedLabels
	if t.MultiClass {
		balance = fit.BalancedClasses
	}
	k := &task{labels: t.Labels, multiClass: t.MultiClass, decided: make([]float32, t.Labels)}
	var err error
	if k.with, k.without, err = balance.Weights(t); err != nil {
		return nil, err
	}
	counts := make([]int, t.Labels)
	for _, set := range t.Sets {
		for _, l := range set {
			counts[l]++
		}
	}
	for l, c := range counts {
		switch c {
		case 0:
			k.decided[l] = fit.Floor
		case len(t.Sets):
			k.decided[l] = -fit.Floor
		default:
			k.open = append(k.open, l)
		}
	}
	return k, nil
}

// weigh gives, for examples and open labels, [examples][open]: the weight where the example
// has the label, else 0; and the weight whichever it is.
//
// With scores z the loss of multi-class examples is the sum of -has*logsoftmax(z), that of
// multi-label ones of all*softplus(z) - has*z.
func (k *task) weigh(sets [][]int) (has, all []float64) {
	has, all = make([]float64, len(sets)*len(k.open)), make([]float64, len(sets)*len(k.open))
	for i, set := range sets {
		right := make([]bool, k.labels)
		for _, l := range set {
			right[l] = true
		}
		for a, l := range k.open {
			at := i*len(k.open) + a
			if all[at] = k.without[l]; right[l] {
				has[at], all[at] = k.with[l], k.with[l]
			}
		}
	}
	return has, all
}

// loss is the loss of scores [examples][open].
func (k *task) loss(z, has, all []float64) float64 {
	sum, n := 0.0, len(k.open)
	for at := 0; at < len(z); at += n {
		if k.multiClass {
			norm := logSumExp(z[at : at+n])
			for a := at; a < at+n; a++ {
				sum += has[a] * (norm - z[a])
			}
			continue
		}
		for a := at; a < at+n; a++ {
			sum += all[a]*(max(z[a], 0)+math.Log1p(math.Exp(-math.Abs(z[a])))) - has[a]*z[a]
		}
	}
	return sum
}

func logSumExp(z []float64) float64 {
	top, sum := math.Inf(-1), 0.0
	for _, v := range z {
		top = max(top, v)
	}
	for _, v := range z {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

// head makes a head of fitted layers, the last of which has the open labels alone; nil
// where there are none.
func (k *task) head(layers []layer, width, epochs int) *Head {
	h := &Head{Epochs: epochs}
	if len(layers) == 0 {
		layers = []layer{{in: width}}
	}
	for _, l := range layers[:len(layers)-1] {
		h.Layers = append(h.Layers, l.turned())
	}
	fitted := layers[len(layers)-1].turned()
	last := Layer{In: fitted.In, Out: k.labels, Weight: make([]float32, k.labels*fitted.In), Bias: k.decided}
	for a, l := range k.open {
		copy(last.Weight[l*last.In:][:last.In], fitted.Weight[a*last.In:])
		last.Bias[l] = fitted.Bias[a]
	}
	h.Layers = append(h.Layers, last)
	return h
}
