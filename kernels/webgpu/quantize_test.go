package webgpu_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
)

// TestQuantize: scale, zero point and every q are the reference's.
func TestQuantize(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for i, s := range devicetest.Shapes {
			t.Run(fmt.Sprintf("%dx%d", s.Rows, s.Columns), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(s.Rows), uint64(s.Columns)))
				x, kind := devicetest.Rows(r, devicetest.Kinds, i, s.Rows, s.Columns)
				for _, by := range [][]float32{nil, devicetest.Normals(r, s.Columns)} {
					data := quantized(t, d, kernels.Identity, x, by, s.Rows, s.Columns)
					if err := quantizedAs(data, x, by, s.Rows, s.Columns, kind); err != nil {
						t.Errorf("multiplied %v: %v", by != nil, err)
					}
				}
			})
		}
	})
}

// TestQuantizeActivated: quantizing with an activation is what the reference makes of the
// floats that Activate answers on that device.
func TestQuantizeActivated(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		for f := kernels.GELU; f <= kernels.Tanh; f++ {
			for i, s := range []struct{ rows, columns int }{{1, 1}, {3, 3}, {5, 24}, {13, 26}, {7, 768}, {6, 3072}} {
				t.Run(fmt.Sprintf("%d/%dx%d", f, s.rows, s.columns), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(s.rows), uint64(s.columns)))
					x := devicetest.Normals(r, s.rows*s.columns)
					for i := range x {
						x[i] *= 2
					}
					var by []float32
					if i%2 == 0 {
						by = devicetest.Normals(r, s.columns)
					}
					buffers, err := d.Allocate(4 * len(x))
					if err != nil {
						t.Fatal(err)
					}
					if err := d.Write(buffers[0], devicetest.Floats(x)); err != nil {
						t.Fatal(err)
					}
					devicetest.Run(t, d, []kernels.Op{kernels.Activate{Activation: f, InOut: kernels.Matrix{Buffer: buffers[0], Rows: s.rows, Columns: s.columns}}})
					activated := [][]byte{make([]byte, 4*len(x))}
					devicetest.Read(t, d, activated, buffers)

					data := quantized(t, d, f, x, by, s.rows, s.columns)
					if err := quantizedAs(data, devicetest.AsFloats(activated[0]), by, s.rows, s.columns, func(int) string { return "activated" }); err != nil {
						t.Error(err)
					}
				})
			}
		}
	})
}

// quantized is what a device makes of x, as it lies in the device's memory.
func quantized(t *testing.T, d kernels.Device, f kernels.Activation, x, by []float32, rows, columns int) []byte {
	t.Helper()
	buffers, err := d.Allocate(4*len(x), 4*columns, d.QuantizedBytes(rows, columns))
	if err != nil {
		t.Fatal(err)
	}
	op := kernels.Quantize{
		In:         kernels.Matrix{Buffer: buffers[0], Rows: rows, Columns: columns},
		Activation: f,
		Out:        kernels.Quantized{Buffer: buffers[2], Rows: rows, Columns: columns},
	}
	err = d.Write(buffers[0], devicetest.Floats(x))
	if by != nil {
		op.Multiplier = buffers[1]
		err = errors.Join(err, d.Write(buffers[1], devicetest.Floats(by)))
	}
	if err != nil {
		t.Fatal(err)
	}
	devicetest.Run(t, d, []kernels.Op{op})
	data := [][]byte{make([]byte, buffers[2].Bytes)}
	devicetest.Read(t, d, data, buffers[2:])
	return data[0]
}

// quantizedAs compares what lies in a device's memory with the reference's quantization of x * by (nil: of x).
// Shaders may divide less exactly than the reference: what is then next to a half may round the other way.
func quantizedAs(data []byte, x, by []float32, rows, columns int, name func(row int) string) error {
	padded := kernels.Padded(columns, kernels.PackedDepth)
	scales := data[kernels.Padded(kernels.Padded(rows, 32)*padded, 256):]
	values, want := make([]float32, columns), make([]uint8, columns)
	for r := range rows {
		copy(values, x[r*columns:])
		for c, m := range by {
			values[c] *= m
		}
		scale, zero := reference.Quantize(want, values)
		gotScale := math.Float32frombits(binary.LittleEndian.Uint32(scales[8*r:]))
		gotZero := int32(binary.LittleEndian.Uint32(scales[8*r+4:]))
		if math.Abs(float64(gotScale-scale)) > 4e-7*float64(scale) || gotScale == scale && gotZero != zero {
			return fmt.Errorf("row %d (%s): scale %g, zero %d, want %g, %d", r, name(r), gotScale, gotZero, scale, zero)
		}
		q := data[r*padded:][:padded]
		for c, w := range want {
			step := float64(values[c]) / float64(scale)
			tie := math.Abs(step-math.Floor(step)-0.5) < 1e-4
			if q[c] != w && !(tie && gotScale != scale && max(q[c], w)-min(q[c], w) == 1) {
				return fmt.Errorf("row %d (%s), column %d: %g became %d, want %d", r, name(r), c, values[c], q[c], w)
			}
		}
		for c, v := range q[columns:] {
			if v != 0 {
				return fmt.Errorf("row %d (%s): %d behind the last column is not 0", r, name(r), c)
			}
		}
	}
	return nil
}
