package simd_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
)

// layout is how a build lays quantized activations out; see emit/quantize.go.
type layout struct{ tile, width int }

// layoutOf finds it from where two elements of the first row of 60 come to lie.
func layoutOf(t *testing.T, d kernels.Device) layout {
	t.Helper()
	const rows, columns = 60, 16
	x := make([]float32, rows*columns)
	x[4], x[5] = 127, 1
	a := &allocator{Device: d}
	in, q := a.matrix(rows, columns), a.quantized(rows, columns)
	data := a.after([]kernels.Op{kernels.Quantize{In: in, Out: q}}, q.Buffer, written{in.Buffer, devicetest.Floats(x)})
	if a.err != nil {
		t.Fatal(a.err)
	}
	tiles := data[kernels.Padded(8*rows, 64):]
	at := bytes.IndexByte(tiles, 127)
	l := layout{width: bytes.IndexByte(tiles, 1) - at}
	if l.width != 1 && l.width != 2 {
		t.Fatalf("neighbours lie %d bytes apart", l.width)
	}
	l.tile = at / (4 * l.width)
	return l
}

// unpack is the activations row after row, and scale and zero point of each row. Padding must
// be 0.
func (l layout) unpack(t *testing.T, data []byte, rows, columns int) (q []uint8, scales []float32, zeros []int32) {
	t.Helper()
	for r := range rows {
		scales = append(scales, math.Float32frombits(binary.LittleEndian.Uint32(data[4*r:])))
		zeros = append(zeros, int32(binary.LittleEndian.Uint32(data[4*(rows+r):])))
	}
	tiles := data[kernels.Padded(8*rows, 64):]
	padded := kernels.Padded(columns, 16)
	count := (rows + l.tile - 1) / l.tile
	first := 0
	for n := range count {
		size := rows / count
		if n < rows%count {
			size++
		}
		for r := range size {
			for k := range padded {
				at := l.width * (first*padded + k/4*4*size + 4*r + k%4)
				if l.width == 2 && tiles[at+1] != 0 || k >= columns && tiles[at] != 0 {
					t.Fatalf("row %d, element %d is not padded with 0", first+r, k)
				}
				if k < columns {
					q = append(q, tiles[at])
				}
			}
		}
		first += size
	}
	return q, scales, zeros
}

// written is what a buffer holds before a program.
type written struct {
	kernels.Buffer
	data []byte
}

// after runs a program and answers a buffer's bytes.
func (a *allocator) after(program []kernels.Op, b kernels.Buffer, before ...written) []byte {
	if a.err != nil {
		return nil
	}
	for _, w := range before {
		if a.err = a.Write(w.Buffer, w.data); a.err != nil {
			return nil
		}
	}
	if a.err = a.Run(program); a.err != nil {
		return nil
	}
	data := make([]byte, b.Bytes)
	a.err = a.Read(data, b)
	return data
}

// TestQuantize: scale, zero point and every q are the reference's, bit for bit.
func TestQuantize(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		l := layoutOf(t, d)
		for _, s := range devicetest.Shapes {
			for _, multiplied := range []bool{false, true} {
				t.Run(fmt.Sprintf("%dx%d/%v", s.Rows, s.Columns, multiplied), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(s.Rows), uint64(s.Columns)))
					x, kind := devicetest.Rows(r, devicetest.ExtremeKinds, r.IntN(len(devicetest.ExtremeKinds)), s.Rows, s.Columns)
					a := &allocator{Device: d}
					op := kernels.Quantize{In: a.matrix(s.Rows, s.Columns), Out: a.quantized(s.Rows, s.Columns)}
					before := []written{{op.In.Buffer, devicetest.Floats(x)}}
					var by []float32
					if multiplied {
						by = devicetest.Normals(r, s.Columns)
						op.Multiplier = a.take(4 * s.Columns)
						before = append(before, written{op.Multiplier, devicetest.Floats(by)})
					}
					data := a.after([]kernels.Op{op}, op.Out.Buffer, before...)
					if a.err != nil {
						t.Fatal(a.err)
					}
					l.quantizedAs(t, data, x, by, s.Rows, s.Columns, kind)
				})
			}
		}
	})
}

// quantizedAs compares with the reference's quantization of x * by (nil: of x).
func (l layout) quantizedAs(t *testing.T, data []byte, x, by []float32, rows, columns int, name func(row int) string) {
	t.Helper()
	q, scales, zeros := l.unpack(t, data, rows, columns)
	values, want := make([]float32, columns), make([]uint8, columns)
	for r := range rows {
		copy(values, x[r*columns:])
		for c, m := range by {
			values[c] *= m
		}
		scale, zero := reference.Quantize(want, values)
		finite := !math.IsNaN(float64(scale)) && !math.IsInf(float64(scale), 0)
		alike := scales[r] == scale || !finite && !(math.Abs(float64(scales[r])) <= math.MaxFloat32)
		if !alike || zeros[r] != zero {
			t.Fatalf("row %d (%s): scale %g, zero %d, want %g, %d", r, name(r), scales[r], zeros[r], scale, zero)
		}
		for c := range want {
			if got := q[r*columns+c]; got != want[c] {
				t.Fatalf("row %d (%s), column %d: %g became %d, want %d", r, name(r), c, values[c], got, want[c])
			}
		}
	}
}
