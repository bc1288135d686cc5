package quantize

import (
	"fmt"
	"slices"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/weights"
)

// Dense is a dense layer in a bundle's format.
type Dense struct {
	Tensors []weights.Values

	worth      dense     // what the tensors hold, in float32
	multiplier []float32 // of inputs, which are rounded then; nil where they stay as they are
}

// NewDense makes a named layer of weight [out][in] and bias [out], smoothed for int8 on rows
// x [rows][in], of which there must be one at least.
func NewDense(name, format string, weight, bias, x []float32) (*Dense, error) {
	if len(weight) == 0 || len(bias) == 0 || len(weight)%len(bias) != 0 || len(x) == 0 || len(x)%(len(weight)/len(bias)) != 0 {
		return nil, fmt.Errorf("tensor %s: %d weights and %d biases for inputs of %d numbers are no layer", name, len(weight), len(bias), len(x))
	}
	d := dense{weight: weight, bias: bias, in: len(weight) / len(bias), out: len(bias)}
	if format != weights.Int8 {
		tensors, worth, err := d.floatTensors(name, format)
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name+weights.Weight, err)
		}
		return &Dense{Tensors: tensors, worth: worth}, nil
	}
	f, err := smooth(x, d)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", name, err)
	}
	d, multiplier := f.apply(f.shifted(d)), inverse(f.factors)
	return &Dense{Tensors: d.int8Tensors(name, multiplier), worth: d.rounded(), multiplier: multiplier}, nil
}

// Apply is what the layer makes of rows [rows][in], weights and inputs rounded as in the bundle.
func (d *Dense) Apply(rows []float32) []float32 {
	if d.multiplier == nil {
		return d.worth.apply(rows)
	}
	x := slices.Clone(rows)
	scaleColumns(x, d.multiplier)
	return d.worth.apply(roundedRows(x, d.worth.in))
}

// floatTensors are the tensors of a dense layer in half precision or float32, and the layer
// that they hold.
func (d dense) floatTensors(name, format string) ([]weights.Values, dense, error) {
	outs := kernels.Padded(d.out, kernels.PanelWidth)
	shape := []int{outs / kernels.PanelWidth, d.in, kernels.PanelWidth}
	bias := weights.Float32s(name+weights.Bias, padded(d.bias), outs)
	switch format {
	case weights.Float32:
		return []weights.Values{bias, weights.Float32s(name+weights.Weight, kernels.PackPanels(d.weight, d.in, d.out), shape...)}, d, nil
	case weights.Float16:
		bits, err := halves(d.weight)
		if err != nil {
			return nil, d, err
		}
		d.weight = make([]float32, len(bits))
		for i, b := range bits {
			d.weight[i] = reference.Half(b)
		}
		return []weights.Values{bias, halfTensor(name+weights.Weight, kernels.PackPanels(bits, d.in, d.out), shape...)}, d, nil
	}
	return nil, d, fmt.Errorf("weights %.64q: want %s, %s or %s", format, weights.Int8, weights.Float16, weights.Float32)
}
