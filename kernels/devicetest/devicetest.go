// Package devicetest holds devices to kernels/reference: the same program on the same operands.
package devicetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"

	"bedside/kernels"
	"bedside/kernels/reference"
)

// Operand is a buffer's contents before a program and, where Compare is set, how they are
// held against the reference's afterwards. Without, they must be the same.
type Operand struct {
	Data    []byte
	Compare func(got, want []byte) error
}

// Program makes operations of buffers that hold the operands, in order.
type Program func(kernels.Device, []kernels.Buffer) []kernels.Op

// Settler is a device that answers later: it is waited for where a read is pending, and
// says why it was lost.
type Settler interface {
	kernels.Device
	Settle() error
}

// Agree runs a program on the device and on the reference.
func Agree(t *testing.T, d kernels.Device, operands []Operand, program Program) {
	t.Helper()
	want := outcome(t, reference.NewDevice(), operands, program)
	got := outcome(t, d, operands, program)
	for i, o := range operands {
		compare := o.Compare
		if compare == nil {
			compare = Same
		}
		if err := compare(got[i], want[i]); err != nil {
			t.Errorf("operand %d: %v", i, err)
		}
	}
}

// outcome is what a program leaves in its operands.
func outcome(t *testing.T, d kernels.Device, operands []Operand, program Program) [][]byte {
	t.Helper()
	sizes := make([]int, len(operands))
	for i, o := range operands {
		sizes[i] = len(o.Data)
	}
	buffers, err := d.Allocate(sizes...)
	if err != nil {
		t.Fatal(err)
	}
	after := make([][]byte, len(operands))
	for i, o := range operands {
		after[i] = make([]byte, len(o.Data))
		if err := d.Write(buffers[i], o.Data); err != nil {
			t.Fatal(err)
		}
	}
	Run(t, d, program(d, buffers))
	Read(t, d, after, buffers)
	return after
}

// Run runs a program.
func Run(t *testing.T, d kernels.Device, program []kernels.Op) {
	t.Helper()
	err := d.Run(program)
	if s, ok := d.(Settler); ok && errors.Is(err, kernels.ErrLost) {
		err = errors.Join(err, s.Settle())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Read reads buffers: all are asked for, then all are there.
func Read(t *testing.T, d kernels.Device, data [][]byte, buffers []kernels.Buffer) {
	t.Helper()
	pending := false
	for i, b := range buffers {
		err := d.Read(data[i], b)
		pending = pending || errors.Is(err, kernels.ErrPending)
		if err != nil && !errors.Is(err, kernels.ErrPending) {
			t.Fatal(err)
		}
	}
	if !pending {
		return
	}
	if err := d.(Settler).Settle(); err != nil {
		t.Fatal(err)
	}
	for i, b := range buffers {
		if err := d.Read(data[i], b); err != nil {
			t.Fatal(err)
		}
	}
}

// Same is for operands that no operation writes, and for exact ones.
func Same(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return errors.New("the bytes differ")
	}
	return nil
}

// Ignore is for operands that are left undefined.
func Ignore(_, _ []byte) error { return nil }

// Within compares float32: |got-want| ≤ absolute + relative*|want|.
func Within(absolute, relative float64) func(got, want []byte) error {
	return func(got, want []byte) error {
		a, b := AsFloats(got), AsFloats(want)
		for i := range a {
			x, y := float64(a[i]), float64(b[i])
			if !(math.Abs(x-y) <= absolute+relative*math.Abs(y)) && x != y {
				return fmt.Errorf("element %d of %d is %g, want %g", i, len(a), x, y)
			}
		}
		return nil
	}
}

// Floats are float32 as bytes, AsFloats the way back.
func Floats(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func AsFloats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// Ints are int32 as bytes.
func Ints(v []int32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

// Int8s are int8 as bytes.
func Int8s(v []int8) []byte {
	b := make([]byte, len(v))
	for i, x := range v {
		b[i] = byte(x)
	}
	return b
}
