package train

import (
	"math"
	"slices"

	"bedside/tools/fit"
	"bedside/weights"
)

// Precision of a bundle's weights.
const (
	Int8    = "int8"
	Float32 = "float32"
)

// head makes the tensors of a linear head.
func head(m *fit.Linear, precision string) []weights.Values {
	bias, scale := make([]float32, m.Labels), make([]float32, m.Labels)
	for l, b := range m.Bias {
		bias[l], scale[l] = float32(b), 1
	}
	var weight weights.Values
	if precision == Float32 {
		values := make([]float32, len(m.Weight))
		for i, w := range m.Weight {
			values[i] = float32(w)
		}
		weight = weights.Float32s(weights.LinearWeight, values, m.Features, m.Labels)
	} else {
		var values []int8
		values, scale = quantize(m)
		weight = weights.Int8s(weights.LinearWeight, values, m.Features, m.Labels)
	}
	return []weights.Values{
		weight,
		weights.Float32s(weights.LinearScale, scale, m.Labels),
		weights.Float32s(weights.LinearBias, bias, m.Labels),
	}
}

// asShipped is the model with its weights as a bundle of that precision holds them,
// so that calibration and thresholds are fitted on the scores they will meet. Its last
// rows are a lexicon's.
func asShipped(m *fit.Linear, precision string, lexicon int) *fit.Linear {
	if precision == Float32 {
		return m
	}
	even, factor := evened(m, lexicon)
	values, scale := quantize(even)
	shipped := *m
	shipped.Weight = make([]float64, len(values))
	for i, v := range values {
		shipped.Weight[i] = float64(v) * float64(scale[i%m.Labels])
		if i >= (m.Features-lexicon)*m.Labels {
			shipped.Weight[i] *= factor
		}
	}
	return &shipped
}

// evened divides the weights of the last rows, a lexicon's, so that no label's are larger
// than the largest of its n-grams', and says by what: the lexicon's values grow by as much.
// They are few and strong, and would leave n-grams one or two of the steps of an int8.
func evened(m *fit.Linear, lexicon int) (*fit.Linear, float64) {
	if m == nil || lexicon == 0 {
		return m, 1
	}
	first := m.Features - lexicon
	grams, values := make([]float64, m.Labels), make([]float64, m.Labels)
	for i, w := range m.Weight {
		of := grams
		if i/m.Labels >= first {
			of = values
		}
		of[i%m.Labels] = max(of[i%m.Labels], math.Abs(w))
	}
	factor := 1.0
	for l := range grams {
		if grams[l] > 0 {
			factor = max(factor, values[l]/grams[l])
		}
	}
	factor = min(factor, maxFactor)
	out := *m
	out.Weight = slices.Clone(m.Weight)
	for i := first * m.Labels; i < len(out.Weight); i++ {
		out.Weight[i] /= factor
	}
	return &out, factor
}

// maxFactor leaves the strong weights some steps too.
const maxFactor = 8

// quantize rounds weights [features][labels] to int8, symmetric, with one scale a label.
func quantize(m *fit.Linear) (values []int8, scale []float32) {
	values, scale = make([]int8, len(m.Weight)), make([]float32, m.Labels)
	for l := range scale {
		scale[l] = float32(bestScale(column(m.Weight, l, m.Labels)))
	}
	for i, w := range m.Weight {
		values[i] = int8(toStep(w, float64(scale[i%m.Labels])))
	}
	return values, scale
}

// bestScale is the scale with the least squared rounding error among those that clip
// the largest weights by up to a half.
func bestScale(weight []float64) float64 {
	largest := 0.0
	for _, w := range weight {
		largest = max(largest, math.Abs(w))
	}
	if largest < 1e-30 { // nothing, or too little for a float32 scale
		return 1
	}
	best, least := 0.0, math.Inf(1)
	for clip := 1.0; clip > 0.49; clip -= 0.05 {
		scale, sum := float64(float32(largest*clip/127)), 0.0
		for _, w := range weight {
			e := w - scale*toStep(w, scale)
			sum += e * e
		}
		if sum < least {
			best, least = scale, sum
		}
	}
	return best
}

func toStep(w, scale float64) float64 {
	return min(max(math.Round(w/scale), -127), 127)
}
