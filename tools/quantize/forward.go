package quantize

import (
	"math"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"bedside/weights"
)

// batch is the activations of several sequences of tokens, one behind the other:
// x is [rows][columns], and sequence i the rows begin[i] to begin[i+1].
type batch struct {
	x       []float32
	columns int
	begin   []int
}

// embed is norm(word + position + type 0) of each token.
func (e embeddings) embed(sequences [][]int32, hidden int) batch {
	b := batch{columns: hidden, begin: []int{0}}
	for _, tokens := range sequences {
		for place, id := range tokens {
			word, position := e.word[int(id)*hidden:][:hidden], e.position[place*hidden:][:hidden]
			for c, w := range word {
				b.x = append(b.x, w+position[c]+e.kind[c])
			}
		}
		b.begin = append(b.begin, b.begin[len(b.begin)-1]+len(tokens))
	}
	e.norm.apply(b.x)
	return b
}

// taps are what the dense layers of one encoder layer read.
type taps struct {
	qkv, output, up, down []float32
}

// forward replaces the activations by those behind a layer, as BERT computes it: Devlin et
// al. 2018, arXiv:1810.04805, with the layer norms behind the residual sums.
func (l layer) forward(b *batch, heads int, activation string) taps {
	t := taps{qkv: b.x}
	t.output = attention(l.qkv.apply(t.qkv), b.columns, heads, b.begin)
	t.up = add(l.output.apply(t.output), t.qkv)
	l.outputNorm.apply(t.up)
	t.down = l.up.apply(t.up)
	activate(activation, t.down)
	b.x = add(l.down.apply(t.down), t.up)
	l.downNorm.apply(b.x)
	return t
}

// apply is x·Wᵀ + bias for rows x of in columns.
func (d dense) apply(x []float32) []float32 {
	rows := len(x) / d.in
	out := make([]float32, 0, rows*d.out)
	for range rows {
		out = append(out, d.bias...)
	}
	product(x, d, out)
	return out
}

// product adds x·Wᵀ to out, [rows][out].
func product(x []float32, d dense, out []float32) {
	rows := len(x) / d.in
	if rows == 0 {
		return
	}
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, matrix(x, rows, d.in, d.in), matrix(d.weight, d.out, d.in, d.in),
		1, matrix(out, rows, d.out, d.out))
}

func matrix(data []float32, rows, columns, stride int) blas32.General {
	return blas32.General{Rows: rows, Cols: columns, Stride: stride, Data: data}
}

// apply is the layer norm of each row of x, in place.
func (n norm) apply(x []float32) {
	columns := len(n.gamma)
	parallel(len(x)/columns, func(r int) {
		row := x[r*columns:][:columns]
		var mean, variance float64
		for _, v := range row {
			mean += float64(v)
		}
		mean /= float64(columns)
		for _, v := range row {
			variance += (float64(v) - mean) * (float64(v) - mean)
		}
		inverse := 1 / math.Sqrt(variance/float64(columns)+n.epsilon)
		for c, v := range row {
			row[c] = float32((float64(v)-mean)*inverse*float64(n.gamma[c]) + float64(n.beta[c]))
		}
	})
}

// attention is softmax(Q·Kᵀ/√d)·V of each head and sequence: Vaswani et al. 2017,
// arXiv:1706.03762. qkv is [rows][3*hidden], the answer [rows][hidden].
func attention(qkv []float32, hidden, heads int, begin []int) []float32 {
	out := make([]float32, len(qkv)/3)
	size := hidden / heads
	scale := float32(1 / math.Sqrt(float64(size)))
	parallel((len(begin)-1)*heads, func(i int) {
		s, column := i/heads, i%heads*size
		first, rows := begin[s], begin[s+1]-begin[s]
		part := func(n int) blas32.General {
			return matrix(qkv[first*3*hidden+n*hidden+column:], rows, size, 3*hidden)
		}
		scores := matrix(make([]float32, rows*rows), rows, rows, rows)
		blas32.Gemm(blas.NoTrans, blas.Trans, scale, part(0), part(1), 0, scores)
		for r := range rows {
			softmax(scores.Data[r*rows:][:rows])
		}
		blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, scores, part(2), 0, matrix(out[first*hidden+column:], rows, size, hidden))
	})
	return out
}

func softmax(x []float32) {
	most, sum := math.Inf(-1), 0.0
	for _, v := range x {
		most = max(most, float64(v))
	}
	for i, v := range x {
		e := math.Exp(float64(v) - most)
		x[i] = float32(e)
		sum += e
	}
	for i := range x {
		x[i] = float32(float64(x[i]) / sum)
	}
}

// activate applies an activation of weights.Encoder to each element.
func activate(name string, x []float32) {
	f := map[string]func(float64) float64{
		// https://arxiv.org/abs/1606.08415
		weights.GELU: func(v float64) float64 { return v / 2 * (1 + math.Erf(v/math.Sqrt2)) },
		weights.GELUTanh: func(v float64) float64 {
			return v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
		},
		weights.ReLU: func(v float64) float64 { return max(v, 0) },
	}[name]
	const piece = 1 << 14
	parallel((len(x)+piece-1)/piece, func(i int) {
		for j, v := range x[i*piece : min(len(x), (i+1)*piece)] {
			x[i*piece+j] = float32(f(float64(v)))
		}
	})
}

// add is a + b, in a.
func add(a, b []float32) []float32 {
	for i, v := range b {
		a[i] += v
	}
	return a
}

// pool makes one vector of each sequence: its first row, or the mean of its rows.
func (b batch) pool(how string) []float32 {
	var out []float32
	for s := range len(b.begin) - 1 {
		first, rows := b.begin[s], b.begin[s+1]-b.begin[s]
		if how == weights.PoolFirst {
			rows = 1
		}
		for c := range b.columns {
			sum := 0.0
			for r := range rows {
				sum += float64(b.x[(first+r)*b.columns+c])
			}
			out = append(out, float32(sum/float64(rows)))
		}
	}
	return out
}

func tanh(x []float32) {
	for i, v := range x {
		x[i] = float32(math.Tanh(float64(v)))
	}
}

// parallel calls f(0) to f(n-1) on all processors.
func parallel(n int, f func(i int)) {
	var group sync.WaitGroup
	workers := min(n, runtime.GOMAXPROCS(0))
	for w := range workers {
		group.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	group.Wait()
}
