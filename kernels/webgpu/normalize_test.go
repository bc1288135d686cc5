package webgpu_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// normBound is what a layer norm may differ from the reference's: so much of what the last step adds
// up, gamma * unit and beta. WGSL lets divisions and roots be off by more than the SIMD kernels' are.
const normBound = 1e-6

// normal is a layer norm of a matrix, with what came of it.
type normal struct {
	devicetest.Norm
	op        kernels.Normalize
	by, out   []float32
	quantized []byte
}

// TestNormalize: floats within the bound; what is quantized in the same pass is the quantization of these
// floats.
func TestNormalize(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for i, s := range devicetest.Shapes {
			for variant := range 3 { // floats alone, quantized, multiplied and quantized
				t.Run(fmt.Sprintf("%dx%d/%d", s.Rows, s.Columns, variant), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(s.Rows), uint64(s.Columns)))
					n := &normal{Norm: devicetest.NewNorm(r, i, s.Rows, s.Columns)}
					if variant == 2 {
						n.by = devicetest.Normals(rand.New(rand.NewPCG(3, 4)), s.Columns)
					}
					n.run(t, d, (i+variant)%2 == 0, variant > 0)
					n.Holds(t, n.out, n.op.Norm.Epsilon, normBound)
					if variant > 0 {
						if err := quantizedAs(n.quantized, n.out, n.by, s.Rows, s.Columns, n.Kind); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
	})
}

func (n *normal) run(t *testing.T, d kernels.Device, inPlace, quantizes bool) {
	t.Helper()
	b, err := d.Allocate(len(n.X)*4, len(n.X)*4, n.Columns*4, n.Columns*4, n.Columns*4, d.QuantizedBytes(n.Rows, n.Columns))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range [][]float32{n.X, nil, n.Gamma, n.Beta, n.by} {
		if err := d.Write(b[i], devicetest.Floats(v)); err != nil {
			t.Fatal(err)
		}
	}
	n.op.In = kernels.Matrix{Buffer: b[0], Rows: n.Rows, Columns: n.Columns}
	n.op.Norm = kernels.Norm{Gamma: b[2], Beta: b[3], Epsilon: 1e-12}
	n.op.Out = n.op.In
	if !inPlace {
		n.op.Out.Buffer = b[1]
	}
	if n.by != nil {
		n.op.Multiplier = b[4]
	}
	if quantizes {
		n.op.Quantized = kernels.Quantized{Buffer: b[5], Rows: n.Rows, Columns: n.Columns}
	}
	devicetest.Run(t, d, []kernels.Op{n.op})
	got := [][]byte{make([]byte, len(n.X)*4), make([]byte, b[5].Bytes)}
	devicetest.Read(t, d, got, []kernels.Buffer{n.op.Out.Buffer, b[5]})
	n.out, n.quantized = devicetest.AsFloats(got[0]), got[1]
}
