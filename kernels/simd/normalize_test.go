package simd_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// normBound is what a layer norm in float32 may differ from one in float64: so much of what
// the last step adds up, gamma * (1 + |unit|) and beta.
const normBound = 5e-7

// TestNormalize: floats within the bound, and what is quantized in the same pass is
// the reference's quantization of these floats, bit for bit.
func TestNormalize(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		l := layoutOf(t, d)
		for i, s := range devicetest.Shapes {
			for _, quantized := range []bool{false, true} {
				t.Run(fmt.Sprintf("%dx%d/%v", s.Rows, s.Columns, quantized), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(s.Rows), uint64(s.Columns)))
					n := devicetest.NewNorm(r, 0, s.Rows, s.Columns)
					a := &allocator{Device: d}
					op := kernels.Normalize{In: a.matrix(s.Rows, s.Columns), Norm: a.norm(s.Columns)}
					before := []written{{op.In.Buffer, devicetest.Floats(n.X)}, {op.Norm.Gamma, devicetest.Floats(n.Gamma)}, {op.Norm.Beta, devicetest.Floats(n.Beta)}}
					op.Out = op.In
					if i%2 == 0 {
						op.Out = a.matrix(s.Rows, s.Columns)
					}
					var by []float32
					if quantized {
						op.Quantized = a.quantized(s.Rows, s.Columns)
						if i%3 > 0 {
							by = devicetest.Normals(r, s.Columns)
							op.Multiplier = a.take(4 * s.Columns)
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
					n.Holds(t, out, op.Norm.Epsilon, normBound)
					if quantized {
						l.quantizedAs(t, data, out, by, s.Rows, s.Columns, n.Kind)
					}
				})
			}
		}
	})
}
