package quantize

import (
	"errors"
	"math"
	"slices"
)

// alphas are tried in turn: how much of the range goes from activations into weights. 0 leaves
// both as they are.
var alphas = []float64{0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}

// sampled is how many rows of activations outputs are compared on.
const sampled = 128

// smoothing moves range from a layer's inputs into its weights: inputs are divided by
// factors, the weights' columns multiplied. What rounding then does to the outputs on average
// is taken back by shift.
type smoothing struct {
	factors []float32
	shift   []float32 // added to the bias
}

// fitted is how a smoothing was chosen. Errors are of outputs on inputs that it was not
// fitted to, relative, as roots of mean squares.
type fitted struct {
	smoothing
	alpha         float64
	after, before float64 // with that smoothing and shift, without any
}

// smooth chooses the factors
//
//	s[k] = max|x[k]|^α / max|w[k]|^(1-α)
//
// of SmoothQuant (Xiao et al. 2022, arXiv:2211.10438), with the α that gives the least
// error of the layer's outputs once its inputs x, [rows][in], and its weights are rounded,
// and the outputs shifted by their mean error (Nagel et al. 2019, arXiv:1906.04721, section
// 4.2): activations of transformers have much of their energy in their mean. Candidates are
// fitted to one half of the rows and compared on the other; the best is fitted to all.
//
// Outputs that overflow are an error.
func smooth(x []float32, d dense) (fitted, error) {
	half := len(x) / d.in / 2 * d.in
	known, others := x[:len(x)-half], x[half:]
	fit, compare := newSample(known, d), newSample(others, d)
	activations, columns := columnMaxima(known, d.in), columnMaxima(d.weight, d.in)
	best := fitted{after: math.Inf(1)}
	for _, alpha := range alphas {
		r := round(factors(activations, columns, alpha), d)
		if alpha == 0 {
			best.before = compare.relativeError(r, make([]float32, d.out))
		}
		if e := compare.relativeError(r, fit.meanError(r)); e < best.after {
			best.alpha, best.after = alpha, e
		}
	}
	if math.IsInf(best.after, 1) {
		return best, errors.New("its outputs overflow float32 on the calibration text")
	}
	best.factors = factors(columnMaxima(x, d.in), columns, best.alpha)
	best.shift = newSample(x, d).meanError(round(best.factors, d))
	return best, nil
}

// rounded is a layer that is smoothed by factors and rounded.
type rounded struct {
	dense
	factors []float32
}

func round(factors []float32, d dense) rounded {
	return rounded{smoothing{factors: factors}.apply(d).rounded(), factors}
}

// sample is a layer's outputs, without bias, for some of its inputs.
type sample struct {
	in, out []float32
}

func newSample(x []float32, d dense) sample {
	s := sample{in: evenly(x, d.in)}
	s.out = make([]float32, len(s.in)/d.in*d.out)
	product(s.in, d, s.out)
	return s
}

// errors are what the outputs lack when inputs are rounded too.
func (s sample) errors(r rounded) []float32 {
	x := slices.Clone(s.in)
	scaleColumns(x, inverse(r.factors))
	out := make([]float32, len(s.out))
	product(roundedRows(x, r.in), r.dense, out)
	for i, v := range s.out {
		out[i] = v - out[i]
	}
	return out
}

// meanError is the mean of each output's errors.
func (s sample) meanError(r rounded) []float32 {
	sums, mean := make([]float64, r.out), make([]float32, r.out)
	for i, e := range s.errors(r) {
		sums[i%r.out] += float64(e)
	}
	for n, sum := range sums {
		mean[n] = float32(sum / float64(len(s.out)/r.out))
	}
	return mean
}

// relativeError is the root mean square of the errors once outputs are shifted, relative to
// that of the outputs.
func (s sample) relativeError(r rounded, shift []float32) float64 {
	var wrong, all float64
	for i, e := range s.errors(r) {
		rest := float64(e) - float64(shift[i%r.out])
		wrong += rest * rest
		all += float64(s.out[i]) * float64(s.out[i])
	}
	if all == 0 {
		return 0
	}
	return math.Sqrt(wrong / all)
}

func ones(n int) []float32 { return slices.Repeat([]float32{1}, n) }

// factors are s for one α, their geometric mean 1. Channels that calibration hardly met
// count as if it had met a tenth of the median: later notes may well use them.
func factors(activations, columns []float64, alpha float64) []float32 {
	if alpha == 0 {
		return ones(len(activations))
	}
	out := make([]float32, len(activations))
	x, w := floored(activations), floored(columns)
	logs, mean := make([]float64, len(out)), 0.0
	for k := range out {
		logs[k] = alpha*math.Log(x[k]) - (1-alpha)*math.Log(w[k])
		mean += logs[k] / float64(len(out))
	}
	const most = 7 // a factor of 1,100 either way
	for k := range out {
		out[k] = float32(math.Exp(min(max(logs[k]-mean, -most), most)))
	}
	return out
}

// floored is v with nothing below a tenth of its median, and nothing zero.
func floored(v []float64) []float64 {
	sorted := slices.Sorted(slices.Values(v))
	least := max(sorted[len(sorted)/2]/10, 1e-6)
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = max(x, least)
	}
	return out
}

// apply is the layer for inputs divided by the factors.
func (s smoothing) apply(d dense) dense {
	d.weight = slices.Clone(d.weight)
	scaleColumns(d.weight, s.factors)
	return d
}

// shifted is the layer with the mean error of its rounding taken back.
func (s smoothing) shifted(d dense) dense {
	d.bias = add(slices.Clone(d.bias), s.shift)
	return d
}

// scaleColumns multiplies each row by factors, column by column, in place.
func scaleColumns(rows, factors []float32) {
	columns := len(factors)
	parallel(len(rows)/columns, func(r int) {
		row := rows[r*columns:][:columns]
		for k, f := range factors {
			row[k] *= f
		}
	})
}

// divideOutputs is the layer with its outputs from first on divided by the factors.
func (s smoothing) divideOutputs(d dense, first int) dense {
	d.weight, d.bias = slices.Clone(d.weight), slices.Clone(d.bias)
	for k, m := range inverse(s.factors) {
		n := first + k
		d.bias[n] *= m
		for i := range d.in {
			d.weight[n*d.in+i] *= m
		}
	}
	return d
}

func inverse(factors []float32) []float32 {
	out := make([]float32, len(factors))
	for k, f := range factors {
		out[k] = 1 / f
	}
	return out
}

// columnMaxima are the largest magnitudes in each column of rows.
func columnMaxima(rows []float32, columns int) []float64 {
	most := make([]float64, columns)
	for i := 0; i < len(rows); i += columns {
		for k, v := range rows[i : i+columns] {
			most[k] = max(most[k], math.Abs(float64(v)))
		}
	}
	return most
}

// evenly picks rows for the sample, evenly spaced.
func evenly(x []float32, columns int) []float32 {
	rows := len(x) / columns
	if rows <= sampled {
		return x
	}
	out := make([]float32, 0, sampled*columns)
	for i := range sampled {
		r := i * rows / sampled
		out = append(out, x[r*columns:][:columns]...)
	}
	return out
}
