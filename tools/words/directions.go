package words

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// The randomized search for directions (Halko, Martinsson and Tropp, 2011): rounds of
// the matrix and its transpose sharpen them, spare ones beside those wanted keep the last
// of these good.
const (
	rounds = 3
	spare  = 16
)

// directions gives, for every word, its place along the strongest left singular vectors,
// each scaled by the root of its singular value: [words][width].
func (p *pairs) directions(ctx context.Context, width int, seed uint64, progress func(round int)) ([]float64, error) {
	random, k := rand.New(rand.NewPCG(seed, 0x3d5)), width+spare
	x := mat.NewDense(p.words, k, nil)
	for i := range x.RawMatrix().Data {
		x.RawMatrix().Data[i] = random.NormFloat64()
	}
	var image *mat.Dense // of orthonormal x under the matrix
	for round := range 2 * rounds {
		if err := orthonormalize(x); err != nil {
			return nil, err
		}
		values := p.value
		if round%2 == 1 {
			values = p.other
		}
		// The last round is the transposed matrix's: its image tells the singular values.
		image = p.multiply(ctx, values, x)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if round < 2*rounds-1 {
			x = image
		}
		progress(round + 1)
	}
	return strongest(x, image, width)
}

// strongest turns a basis x, and the transposed matrix's image of it, into the left
// singular vectors times the root of their values.
func strongest(x, image *mat.Dense, width int) ([]float64, error) {
	words, k := x.Dims()
	var eigen mat.EigenSym
	if !eigen.Factorize(gram(image), true) {
		return nil, errors.New("the directions of the word vectors could not be told apart")
	}
	squares := eigen.Values(nil) // ascending
	var turn mat.Dense
	eigen.VectorsTo(&turn)
	wanted := mat.NewDense(k, width, nil)
	for a := range width {
		root := math.Sqrt(math.Sqrt(max(squares[k-1-a], 0)))
		for i := range k {
			wanted.Set(i, a, turn.At(i, k-1-a)*root)
		}
	}
	out := mat.NewDense(words, width, nil)
	out.Mul(x, wanted)
	return out.RawMatrix().Data, nil
}

// multiply gives the product of the sparse matrix with x.
func (p *pairs) multiply(ctx context.Context, values []float32, x *mat.Dense) *mat.Dense {
	_, k := x.Dims()
	from, out := x.RawMatrix().Data, mat.NewDense(p.words, k, nil)
	inParallel(p.words, func(lo, hi int) {
		for i := lo; i < hi && ctx.Err() == nil; i++ {
			row := out.RawRowView(i)
			for at := p.start[i]; at < p.start[i+1]; at++ {
				if v := values[at]; v > 0 {
					j := int(p.index[at])
					floats.AddScaled(row, float64(v), from[j*k:(j+1)*k])
				}
			}
		}
	})
	return out
}

// orthonormalize makes the columns of x orthonormal, by the Cholesky factor of their
// products; twice, since once loses half the digits.
func orthonormalize(x *mat.Dense) error {
	for range 2 {
		var c mat.Cholesky
		if !c.Factorize(gram(x)) {
			return errors.New("the texts have fewer directions than the vectors numbers: ask for fewer numbers")
		}
		var upper mat.TriDense
		c.UTo(&upper)
		blas64.Trsm(blas.Right, blas.NoTrans, 1, upper.RawTriangular(), x.RawMatrix())
	}
	return nil
}

func gram(x *mat.Dense) *mat.SymDense {
	_, k := x.Dims()
	g := mat.NewSymDense(k, nil)
	g.SymOuterK(1, x.T())
	return g
}
