// Package reference defines the operations Bedside's models are made of, in plain Go.
//
// Every function gives the same bits on every machine: sums run in a stated order,
// products are rounded before they are added, and exp is its own.
package reference

// Weight is an element type of a weight matrix.
type Weight interface{ ~int8 | ~float32 }

// SparseScale computes
//
//	out[l] = bias[l] + scale[l] * values[k], where columns[k] is l
//
// and bias[l] where no column is. Columns are distinct and below len(out).
func SparseScale(out []float64, columns []int32, values []float64, scale, bias []float32) {
	for l := range out {
		out[l] = float64(bias[l])
	}
	for k, l := range columns {
		out[l] += float64(values[k] * float64(scale[l]))
	}
}

// SparseLinear computes
//
//	out[l] = bias[l] + scale[l] * sum over k of values[k] * weight[columns[k]*L + l]
//
// with L = len(out), for a sparse row of values at the given columns. weight has shape
// [columns, L]; int8 weights are symmetric with one scale per output.
func SparseLinear[W Weight](out []float64, columns []int32, values []float64, weight []W, scale, bias []float32) {
	clear(out)
	labels := len(out)
	for k, column := range columns {
		at := int(column) * labels
		row := weight[at : at+labels : at+labels]
		x := values[k]
		for l := range out {
			out[l] += float64(x * float64(row[l]))
		}
	}
	for l := range out {
		out[l] = float64(out[l]*float64(scale[l])) + float64(bias[l])
	}
}
