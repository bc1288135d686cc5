package simd_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

// TestEmbed: tables of int8 and float32 in all combinations.
func TestEmbed(t *testing.T) {
	shapes := []struct{ rows, columns int }{{1, 1}, {3, 3}, {5, 12}, {7, 16}, {12, 26}, {4, 312}, {13, 768}, {2, 3072}}
	each(t, func(t *testing.T, d kernels.Device) {
		for i, s := range shapes {
			t.Run(fmt.Sprintf("%dx%d", s.rows, s.columns), func(t *testing.T) {
				testEmbed(t, d, s.rows, s.columns, [3]bool{i&1 > 0, i&2 > 0, i&4 > 0})
			})
		}
	})
}

func testEmbed(t *testing.T, d kernels.Device, rows, columns int, packed [3]bool) {
	r := rand.New(rand.NewPCG(uint64(rows), uint64(columns)))
	operands := []devicetest.Operand{
		// units are about 1, gamma and beta at most about 4; rounding the sum of three adds to the norm's own error
		{Data: make([]byte, 4*rows*columns), Compare: devicetest.Within(3e-6, 1e-6)},
		{Data: devicetest.Floats(normals(r, columns))}, {Data: devicetest.Floats(normals(r, columns))},
	}
	sizes := [3]int{11, 7, 2}
	for i, size := range sizes {
		ids := make([]int32, rows)
		for j := range ids {
			ids[j] = int32(r.IntN(size))
		}
		values := devicetest.Operand{Data: devicetest.Floats(normals(r, size*columns))}
		scales := devicetest.Operand{Data: []byte{}}
		if packed[i] {
			q := make([]int8, size*columns)
			for j := range q {
				q[j] = int8(r.IntN(255) - 127)
			}
			s := normals(r, size)
			for j := range s {
				s[j] = s[j]*0.001 + 0.01
			}
			values.Data, scales.Data = devicetest.Int8s(q), devicetest.Floats(s)
		}
		operands = append(operands, devicetest.Operand{Data: devicetest.Ints(ids)}, values, scales)
	}
	devicetest.Agree(t, d, operands, func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
		table := func(i int) kernels.Table {
			t := kernels.Table{Values: b[4+3*i], Scales: b[5+3*i], Rows: sizes[i], Columns: columns}
			if !packed[i] {
				t.Scales = kernels.Buffer{}
			}
			return t
		}
		return []kernels.Op{kernels.Embed{Tokens: b[3], Places: b[6], Kinds: b[9], Word: table(0), Positions: table(1), Types: table(2),
			Norm: kernels.Norm{Gamma: b[1], Beta: b[2], Epsilon: 1e-12}, Out: kernels.Matrix{Buffer: b[0], Rows: rows, Columns: columns}}}
	})
}
