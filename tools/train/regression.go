package train

import (
	"math"

	"bedside/kernels/reference"
	"gonum.org/v1/gonum/mat"
)

// regression is a logistic regression on a few dense features.
type regression struct {
	rows    [][entryFeatures]float64
	has     []bool
	without int // rows offered that have not
}

// thinned is how many rows without the label one row stands for: there are a hundred of
// them for each row with it.
const thinned = 8

func (r *regression) add(features [entryFeatures]float64, has bool) {
	if !has {
		if r.without++; r.without%thinned != 1 {
			return
		}
	}
	r.rows, r.has = append(r.rows, features), append(r.has, has)
}

func (r *regression) weight(i int) float64 {
	if r.has[i] {
		return 1
	}
	return thinned
}

// ridge keeps the weights of features that are constant finite.
const ridge = 1

// fit minimizes the logistic loss by Newton steps, halved while they overshoot.
func (r *regression) fit(start weighting) weighting {
	beta, loss := start, r.loss(start)
	for range 30 {
		step, ok := r.newton(beta)
		if !ok {
			return beta
		}
		next, better := beta, loss
		for factor := 1.0; factor > 1e-3; factor /= 2 {
			for j := range beta {
				next[j] = beta[j] - factor*step[j]
			}
			if better = r.loss(next); better < loss {
				break
			}
		}
		if !(better < loss) {
			return beta
		}
		done := loss-better < 1e-7*loss
		if beta, loss = next, better; done {
			return beta
		}
	}
	return beta
}

func (r *regression) loss(beta weighting) float64 {
	sum := 0.0
	for j := range beta {
		sum += ridge / 2 * beta[j] * beta[j]
	}
	for i, f := range r.rows {
		z := beta.value(f)
		if r.has[i] {
			z = -z
		}
		sum += r.weight(i) * (max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))))
	}
	return sum
}

// newton is the gradient divided by the curvature.
func (r *regression) newton(beta weighting) (step weighting, ok bool) {
	var gradient weighting
	curvature := mat.NewSymDense(entryFeatures, nil)
	var h [entryFeatures][entryFeatures]float64
	for i, f := range r.rows {
		q := reference.Sigmoid(beta.value(f))
		e, w := q*r.weight(i), q*(1-q)*r.weight(i)
		if r.has[i] {
			e--
		}
		for a, x := range f {
			gradient[a] += e * x
			for b := a; b < entryFeatures; b++ {
				h[a][b] += w * x * f[b]
			}
		}
	}
	for a := range h {
		gradient[a] += ridge * beta[a]
		h[a][a] += ridge
		for b := a; b < entryFeatures; b++ {
			curvature.SetSym(a, b, h[a][b])
		}
	}
	var factor mat.Cholesky
	if !factor.Factorize(curvature) {
		return step, false
	}
	var solved mat.VecDense
	if err := factor.SolveVecTo(&solved, mat.NewVecDense(entryFeatures, gradient[:])); err != nil {
		return step, false
	}
	for j := range step {
		step[j] = solved.AtVec(j)
	}
	return step, true
}
