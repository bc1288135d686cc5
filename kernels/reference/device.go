package reference

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"bedside/kernels"
)

// Device is the kernels.Device that defines what every other one computes. It is slow.
//
// Its memory is one slice of bytes, little-endian. kernels.Quantized lies in it as, for
// each row, scale (float32) and zero (int32); behind those, q, uint8 [Rows][Columns].
type Device struct {
	// Limit is the most bytes that Allocate hands out in all; 0 means what addresses reach.
	Limit int

	memory []byte
	closed bool
}

var _ kernels.Device = (*Device)(nil)

// mostMemory is what addresses of 32 bits reach, in whole units of Alignment.
const mostMemory = 1<<32 - kernels.Alignment

// NewDevice makes a device without memory.
func NewDevice() *Device { return new(Device) }

// Name is "reference".
func (d *Device) Name() string { return "reference" }

// Allocate lets the memory grow. Address 0 is never handed out.
func (d *Device) Allocate(sizes ...int) ([]kernels.Buffer, error) {
	if d.closed {
		return nil, errClosed
	}
	begin := max(len(d.memory), kernels.Alignment)
	end, limit := begin, mostMemory
	if d.Limit > 0 {
		limit = min(limit, kernels.Alignment+d.Limit)
	}
	buffers := make([]kernels.Buffer, len(sizes))
	for i, size := range sizes {
		if size < 0 {
			return nil, fmt.Errorf("reference: buffer %d of %d bytes", i, size)
		}
		if size > limit-end {
			return nil, fmt.Errorf("reference: %w: buffer %d of %d takes %d bytes, %d are left",
				kernels.ErrMemory, i, len(sizes), size, limit-end)
		}
		buffers[i] = kernels.Buffer{Address: uint32(end), Bytes: uint32(size)}
		end = min(limit, kernels.Padded(end+size, kernels.Alignment))
	}
	memory := make([]byte, kernels.Padded(end, kernels.Alignment))
	copy(memory, d.memory)
	d.memory = memory
	return buffers, nil
}

// Write copies data to the start of a buffer.
func (d *Device) Write(to kernels.Buffer, data []byte) error {
	if err := d.transfers(to, len(data)); err != nil {
		return err
	}
	copy(d.memory[to.Address:], data)
	return nil
}

// Read copies the start of a buffer to data.
func (d *Device) Read(data []byte, from kernels.Buffer) error {
	if err := d.transfers(from, len(data)); err != nil {
		return err
	}
	copy(data, d.memory[from.Address:])
	return nil
}

func (d *Device) transfers(b kernels.Buffer, length int) error {
	if uint64(length) > uint64(b.Bytes) {
		return fmt.Errorf("reference: %d bytes do not fit a buffer of %d", length, b.Bytes)
	}
	return d.within(b)
}

// QuantizedBytes is rows * (8 + columns).
func (d *Device) QuantizedBytes(rows, columns int) int { return rows * (2*4 + columns) }

// Quantized reads activations back: q [Rows][Columns], and scale and zero of each row.
func (d *Device) Quantized(from kernels.Quantized) (q []uint8, scales []float32, zeros []int32, err error) {
	if err := first(d.within(from.Buffer), d.holds(from)); err != nil {
		return nil, nil, nil, err
	}
	q, scales, zeros = d.quantized(from)
	return append([]uint8(nil), q...), scales, zeros, nil
}

// Run performs the operations one after another. A token, place or kind outside its
// table ends the program at that operation.
func (d *Device) Run(program []kernels.Op) error {
	if err := kernels.Check(program); err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	for i, op := range program {
		if err := d.checkMemory(op); err != nil {
			return fmt.Errorf("operation %d, %T: %w", i, op, err)
		}
	}
	for i, op := range program {
		if err := d.run(op); err != nil {
			return fmt.Errorf("reference: operation %d, %T: %w", i, op, err)
		}
	}
	return nil
}

// Close frees the memory; no buffer lies in it any more.
func (d *Device) Close() error {
	d.memory, d.closed = nil, true
	return nil
}

func (d *Device) run(op kernels.Op) error {
	switch o := op.(type) {
	case kernels.Embed:
		return d.embed(o)
	case kernels.Normalize:
		d.normalize(o)
	case kernels.Quantize:
		d.quantize(o)
	case kernels.Linear:
		d.linear(o)
	case kernels.LinearFloat:
		d.linearFloat(o)
	case kernels.Attention:
		d.attention(o)
	case kernels.Activate:
		d.activate(o)
	case kernels.Pool:
		d.pool(o)
	case kernels.Widen:
		d.widen(o)
	}
	return nil
}

// checkMemory requires every buffer of an operation to lie in the memory, and quantized
// activations to have room.
func (d *Device) checkMemory(op kernels.Op) error {
	var buffers []kernels.Buffer
	var quantized kernels.Quantized
	switch o := op.(type) {
	case kernels.Embed:
		buffers = []kernels.Buffer{o.Tokens, o.Places, o.Kinds, o.Word.Values, o.Word.Scales, o.Positions.Values,
			o.Positions.Scales, o.Types.Values, o.Types.Scales, o.Norm.Gamma, o.Norm.Beta, o.Out.Buffer}
	case kernels.Normalize:
		quantized = o.Quantized
		buffers = []kernels.Buffer{o.In.Buffer, o.Norm.Gamma, o.Norm.Beta, o.Out.Buffer, o.Multiplier}
	case kernels.Quantize:
		quantized = o.Out
		buffers = []kernels.Buffer{o.In.Buffer, o.Multiplier}
	case kernels.Linear:
		quantized = o.In
		buffers = []kernels.Buffer{o.Weights.Weights, o.Weights.Scales, o.Weights.Sums, o.Bias, o.Residual.Buffer, o.Out.Buffer}
	case kernels.LinearFloat:
		buffers = []kernels.Buffer{o.In.Buffer, o.Weights.Weights, o.Bias, o.Residual.Buffer, o.Out.Buffer}
	case kernels.Attention:
		buffers = []kernels.Buffer{o.QKV.Buffer, o.Out.Buffer}
	case kernels.Activate:
		buffers = []kernels.Buffer{o.InOut.Buffer}
	case kernels.Pool:
		buffers = []kernels.Buffer{o.In.Buffer, o.Out.Buffer}
	case kernels.Widen:
		buffers = []kernels.Buffer{o.In, o.Out}
	default:
		return errors.New("reference: no such operation")
	}
	for _, b := range append(buffers, quantized.Buffer) {
		if err := d.within(b); err != nil {
			return err
		}
	}
	return d.holds(quantized)
}

var errClosed = errors.New("reference: the device is closed")

// within requires a buffer, unless it is absent, to lie in the memory.
func (d *Device) within(b kernels.Buffer) error {
	switch end := uint64(b.Address) + uint64(b.Bytes); {
	case d.closed:
		return errClosed
	case b == kernels.Buffer{}:
		return nil
	case b.Address < kernels.Alignment || end > uint64(len(d.memory)):
		return fmt.Errorf("reference: bytes %d to %d are not the device's", b.Address, end)
	}
	return nil
}

func (d *Device) holds(q kernels.Quantized) error {
	if q.Bytes == 0 {
		return nil
	}
	if q.Rows < 0 || q.Columns < 0 || uint64(q.Bytes) < uint64(q.Rows)*uint64(2*4+q.Columns) {
		return fmt.Errorf("reference: %d × %d quantized activations do not fit %d bytes", q.Rows, q.Columns, q.Bytes)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// bytes is the first n bytes of a buffer that has been checked.
func (d *Device) bytes(b kernels.Buffer, n int) []byte { return d.memory[b.Address:][:n] }

// float is element i of a buffer of float32.
func (d *Device) float(b kernels.Buffer, i int) float32 {
	return math.Float32frombits(uint32(d.int(b, i)))
}

func (d *Device) putFloat(b kernels.Buffer, i int, x float32) {
	d.putInt(b, i, int32(math.Float32bits(x)))
}

// int is element i of a buffer of int32.
func (d *Device) int(b kernels.Buffer, i int) int32 {
	return int32(binary.LittleEndian.Uint32(d.memory[int(b.Address)+4*i:]))
}

func (d *Device) putInt(b kernels.Buffer, i int, x int32) {
	binary.LittleEndian.PutUint32(d.memory[int(b.Address)+4*i:], uint32(x))
}

// floats is a copy of the first n elements of a buffer of float32.
func (d *Device) floats(b kernels.Buffer, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = d.float(b, i)
	}
	return x
}

// ints is a copy of the first n elements of a buffer of int32.
func (d *Device) ints(b kernels.Buffer, n int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = d.int(b, i)
	}
	return x
}

// row copies row r of m to x.
func (d *Device) row(x []float32, m kernels.Matrix, r int) {
	for c := range x {
		x[c] = d.float(m.Buffer, r*m.Columns+c)
	}
}

func (d *Device) putRow(m kernels.Matrix, r int, x []float32) {
	for c, v := range x {
		d.putFloat(m.Buffer, r*m.Columns+c, v)
	}
}

// quantized is q, in place, and scale and zero of each row, copied.
func (d *Device) quantized(from kernels.Quantized) (q []uint8, scales []float32, zeros []int32) {
	heads := 2 * 4 * from.Rows
	q = d.bytes(from.Buffer, heads+from.Rows*from.Columns)[heads:]
	for r := range from.Rows {
		scales = append(scales, d.float(from.Buffer, 2*r))
		zeros = append(zeros, d.int(from.Buffer, 2*r+1))
	}
	return q, scales, zeros
}

// parallel calls f(0) to f(n-1) on all processors; a module has one.
func parallel(n int, f func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers < 2 {
		for i := range n {
			f(i)
		}
		return
	}
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	group.Wait()
}
