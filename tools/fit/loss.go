package fit

import "math"

// A loss is the objective without its regularization, as a function of the scores.
type loss interface {
	// at takes the scores z of the rows from lo on, labels side by side. It sets r to
	// the derivative by them and sums to the loss of these rows.
	at(r, z, sums []float64, lo int)
	// values is the length of sums.
	values() int
}

// binaryLoss is the logarithmic loss of labels that are problems of their own; sums
// has one place for each.
type binaryLoss struct {
	with, without [][]float64 // per label, weight of each row
}

func (b *binaryLoss) values() int { return len(b.with) }

func (b *binaryLoss) at(r, z, sums []float64, lo int) {
	k := len(b.with)
	for l := range k {
		sum := 0.0
		for i := l; i < len(z); i += k {
			with, without := b.with[l][lo+i/k], b.without[l][lo+i/k]
			score := z[i]
			// e is exp(-|score|), so nothing overflows.
			e := math.Exp(-math.Abs(score))
			small, tail := e/(1+e), math.Log1p(e)
			yes, no := 1-small, small // probabilities
			if score < 0 {
				yes, no = small, 1-small
			}
			sum += with*(tail+max(-score, 0)) + without*(tail+max(score, 0))
			r[i] = without*yes - with*no
		}
		sums[l] = sum
	}
}

// softmaxLoss is the logarithmic loss of labels that exclude each other.
type softmaxLoss struct {
	labels int
	shares [][]weighted // per row
	total  []float64    // per row, sum of its weights
}

type weighted struct {
	label  int // position among the labels fitted
	weight float64
}

func (s *softmaxLoss) values() int { return 1 }

func (s *softmaxLoss) at(r, z, sums []float64, lo int) {
	sum, k := 0.0, s.labels
	for i := 0; i*k < len(z); i++ {
		score, out := z[i*k:(i+1)*k], r[i*k:(i+1)*k]
		top := score[0]
		for _, v := range score {
			top = max(top, v)
		}
		norm := 0.0
		for l, v := range score {
			out[l] = math.Exp(v - top)
			norm += out[l]
		}
		total := s.total[lo+i]
		sum += total * (top + math.Log(norm))
		for l := range out {
			out[l] *= total / norm
		}
		for _, w := range s.shares[lo+i] {
			sum -= w.weight * score[w.label]
			out[w.label] -= w.weight
		}
	}
	sums[0] = sum
}
