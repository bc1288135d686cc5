package webgpu_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
)

// normBound is what a layer norm may differ from the reference's: so much of what the last step adds
// up, gamma * unit and beta. WGSL lets divisions and roots be off by more than the SIMD kernels' are.
const normBound = 1e-6

// normal is a layer norm of a matrix, with what came of it.
type normal struct {
	op                 kernels.Normalize
	x, gamma, beta, by []float32
	out                []float32
	quantized          []byte
}

// TestNormalize: floats within the bound; what is quantized in the same pass is the quantization of these
// floats.
func TestNormalize(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for i, s := range rowShapes {
			kind := func(row int) string { return rowKinds[(i+row)%len(rowKinds)].name }
			for variant := range 3 { // floats alone, quantized, multiplied and quantized
				t.Run(fmt.Sprintf("%dx%d/%d", s.rows, s.columns, variant), func(t *testing.T) {
					n := newNormal(s.rows, s.columns, i)
					if variant == 2 {
						n.by = normals(rand.New(rand.NewPCG(3, 4)), s.columns)
					}
					n.run(t, d, (i+variant)%2 == 0, variant > 0)
					n.holds(t, kind)
					if variant > 0 {
						if err := quantizedAs(n.quantized, n.out, n.by, s.rows, s.columns, kind); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
	})
}

// newNormal has rows of all kinds, from the i-th on.
func newNormal(rows, columns, i int) *normal {
	r := rand.New(rand.NewPCG(uint64(rows), uint64(columns)))
	n := &normal{x: make([]float32, rows*columns), gamma: normals(r, columns), beta: normals(r, columns)}
	for row := range rows {
		rowKinds[(i+row)%len(rowKinds)].fill(r, n.x[row*columns:][:columns])
	}
	n.op.In.Rows, n.op.In.Columns = rows, columns
	n.op.Norm.Epsilon = 1e-12
	return n
}

func (n *normal) run(t *testing.T, d kernels.Device, inPlace, quantizes bool) {
	t.Helper()
	rows, columns := n.op.In.Rows, n.op.In.Columns
	b, err := d.Allocate(len(n.x)*4, len(n.x)*4, columns*4, columns*4, columns*4, d.QuantizedBytes(rows, columns))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range [][]float32{n.x, nil, n.gamma, n.beta, n.by} {
		if err := d.Write(b[i], devicetest.Floats(v)); err != nil {
			t.Fatal(err)
		}
	}
	n.op.In.Buffer, n.op.Out, n.op.Norm.Gamma, n.op.Norm.Beta = b[0], n.op.In, b[2], b[3]
	n.op.Out.Buffer = b[1]
	if inPlace {
		n.op.Out.Buffer = b[0]
	}
	if n.by != nil {
		n.op.Multiplier = b[4]
	}
	if quantizes {
		n.op.Quantized = kernels.Quantized{Buffer: b[5], Rows: rows, Columns: columns}
	}
	devicetest.Run(t, d, []kernels.Op{n.op})
	got := [][]byte{make([]byte, len(n.x)*4), make([]byte, b[5].Bytes)}
	devicetest.Read(t, d, got, []kernels.Buffer{n.op.Out.Buffer, b[5]})
	n.out, n.quantized = devicetest.AsFloats(got[0]), got[1]
}

func (n *normal) holds(t *testing.T, kind func(row int) string) {
	t.Helper()
	columns := n.op.In.Columns
	want := make([]float32, columns)
	for row := range n.op.In.Rows {
		reference.Normalize(want, n.x[row*columns:][:columns], n.gamma, n.beta, n.op.Norm.Epsilon)
		for c, w := range want {
			b := math.Abs(float64(n.beta[c]))
			parts := math.Abs(float64(n.gamma[c])) + math.Abs(float64(w-n.beta[c])) + b
			if got := n.out[row*columns+c]; !(math.Abs(float64(got)-float64(w)) <= normBound*parts) {
				t.Fatalf("row %d (%s), column %d is %g, want %g", row, kind(row), c, got, w)
			}
		}
	}
}
