package simd_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
)

// normBound is what a layer norm in float32 may differ from one in float64: so much of what
// the last step adds up, gamma * (1 + |unit|) and beta.
const normBound = 5e-7

// TestNormalize: floats within the bound, and what is quantized in the same pass is
// the reference's quantization of these floats, bit for bit.
func TestNormalize(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		l := layoutOf(t, d)
		for i, s := range rowShapes {
			for _, quantized := range []bool{false, true} {
				t.Run(fmt.Sprintf("%dx%d/%v", s.rows, s.columns, quantized), func(t *testing.T) {
					n := newNormCase(s.rows, s.columns)
					a := &allocator{Device: d}
					op := kernels.Normalize{In: a.matrix(s.rows, s.columns), Norm: a.norm(s.columns)}
					before := []written{{op.In.Buffer, devicetest.Floats(n.x)}, {op.Norm.Gamma, devicetest.Floats(n.gamma)}, {op.Norm.Beta, devicetest.Floats(n.beta)}}
					op.Out = op.In
					if i%2 == 0 {
						op.Out = a.matrix(s.rows, s.columns)
					}
					var by []float32
					if quantized {
						op.Quantized = a.quantized(s.rows, s.columns)
						if i%3 > 0 {
							by = normals(n.r, s.columns)
							op.Multiplier = a.take(4 * s.columns)
							before = append(before, written{op.Multiplier, devicetest.Floats(by)})
						}
					}
					out := devicetest.AsFloats(a.after([]kernels.Op{op}, op.Out.Buffer, before...))
					data := make([]byte, op.Quantized.Bytes)
					if a.err == nil && quantized {
						a.err = d.Read(data, op.Quantized.Buffer)
					}
					if a.err != nil {
						t.Fatal(a.err)
					}
					n.holds(t, out, op.Norm.Epsilon)
					if quantized {
						l.quantizedAs(t, data, out, by, s.rows, s.columns, n.kind)
					}
				})
			}
		}
	})
}

type normCase struct {
	r              *rand.Rand
	rows, columns  int
	x, gamma, beta []float32
}

func newNormCase(rows, columns int) *normCase {
	r := rand.New(rand.NewPCG(uint64(rows), uint64(columns)))
	n := &normCase{r, rows, columns, make([]float32, rows*columns), normals(r, columns), normals(r, columns)}
	for row := range rows {
		rowKinds[row%len(rowKinds)].fill(r, n.x[row*columns:][:columns])
	}
	return n
}

func (n *normCase) kind(row int) string { return rowKinds[row%len(rowKinds)].name }

func (n *normCase) holds(t *testing.T, out []float32, epsilon float32) {
	t.Helper()
	want := make([]float32, n.columns)
	worst, at := 0.0, 0
	for row := range n.rows {
		reference.Normalize(want, n.x[row*n.columns:][:n.columns], n.gamma, n.beta, epsilon)
		for c, w := range want {
			g, b := math.Abs(float64(n.gamma[c])), math.Abs(float64(n.beta[c]))
			got := float64(out[row*n.columns+c])
			off := math.Abs(got-float64(w)) / (g + math.Abs(float64(w)-float64(n.beta[c])) + b)
			if !(off <= normBound) {
				t.Fatalf("row %d (%s), column %d is %g, want %g: %.2g of its parts", row, n.kind(row), c, got, w, off)
			}
			if off > worst {
				worst, at = off, row
			}
		}
	}
	t.Logf("largest error %.2g of the parts, row of %s", worst, n.kind(at))
}
