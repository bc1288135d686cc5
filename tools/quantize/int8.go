package quantize

import (
	"math"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/weights"
)

// int8Rows rounds each row of columns elements to int8, symmetric, with the scale that
// takes its largest element to ±127.
func int8Rows(values []float32, columns int) (q []int8, scales []float32) {
	q, scales = make([]int8, len(values)), make([]float32, len(values)/columns)
	parallel(len(scales), func(r int) {
		row, largest := values[r*columns:][:columns], 0.0
		for _, v := range row {
			largest = max(largest, math.Abs(float64(v)))
		}
		scales[r] = 1
		if largest > 1e-30 { // else nothing, or too little for a float32 scale
			scales[r] = float32(largest / 127)
		}
		inverse := 1 / float64(scales[r])
		for c, v := range row {
			q[r*columns+c] = int8(min(max(math.RoundToEven(float64(v)*inverse), -127), 127))
		}
	})
	return q, scales
}

// rounded is the layer with weights as int8 holds them.
func (d dense) rounded() dense {
	q, scales := int8Rows(d.weight, d.in)
	d.weight = make([]float32, len(q))
	parallel(d.out, func(n int) {
		for k, v := range q[n*d.in:][:d.in] {
			d.weight[n*d.in+k] = float32(v) * scales[n]
		}
	})
	return d
}

// roundedRows are rows of activations as kernels.Quantize holds them.
func roundedRows(x []float32, columns int) []float32 {
	out := make([]float32, len(x))
	parallel(len(x)/columns, func(r int) {
		q := make([]uint8, columns)
		scale, zero := reference.Quantize(q, x[r*columns:][:columns])
		for c, v := range q {
			out[r*columns+c] = scale * float32(int32(v)-zero)
		}
	})
	return out
}

// int8Tensors are the tensors of a dense layer in int8, for inputs that are multiplied by
// multiplier first.
func (d dense) int8Tensors(name string, multiplier []float32) []weights.Values {
	q, scales := int8Rows(d.weight, d.in)
	outs := kernels.Padded(d.out, kernels.PanelWidth)
	depth := kernels.Padded(d.in, kernels.PackedDepth)
	return []weights.Values{
		weights.Int8s(name+weights.Weight, kernels.PackInt8(q, d.in, d.out),
			outs/kernels.PanelWidth, depth/kernels.GroupDepth, kernels.PanelWidth, kernels.GroupDepth),
		weights.Float32s(name+weights.Scale, padded(scales), outs),
		weights.Int32s(name+weights.Sums, kernels.PackedSums(q, d.in, d.out), outs),
		weights.Float32s(name+weights.Multiplier, multiplier, d.in),
		weights.Float32s(name+weights.Bias, padded(d.bias), outs),
	}
}

// padded is v with zeros up to whole panels.
func padded(v []float32) []float32 {
	out := make([]float32, kernels.Padded(len(v), kernels.PanelWidth))
	copy(out, v)
	return out
}
