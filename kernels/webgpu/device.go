// Package webgpu runs programs on a GPU, by compute shaders in WGSL. It plans memory and
// records command lists; a host that has WebGPU replays them, see ABI.md.
package webgpu

import (
	"fmt"
	"math"

	"bedside/kernels"
)

// Host is what a device needs of the program that has the GPU; ABI.md says what each
// function does.
type Host interface {
	Limits() Limits
	Pipeline(p Pipeline) int32
	Reserve(end uint32) bool
	Write(to uint32, data []byte)
	Record(list []byte) int32
	Submit(list int32, params []byte) bool
	Read(data []byte, from uint32) Answer
}

// Answer is what becomes of a Read.
type Answer int32

const (
	Done    Answer = iota
	Lost           // the GPU is gone
	Pending        // it has been asked; ask again when the host has settled
)

// Limits are what an adapter states.
type Limits struct {
	Binding     uint32 // the most bytes of one binding
	Buffer      uint32 // the most bytes of one buffer; 0 where that is no more
	Workgroup   uint32 // bytes of memory that a workgroup shares; 0 where it is dear, on a GPU in software
	Invocations uint32 // of a workgroup
	Packed      bool   // WGSL has dot4I8Packed
	Quads       bool   // WGSL has quadBroadcast
}

// quads is whether lanes shall read one another's registers four by four: on a GPU in software, whose workgroups are then
// of four. Others are large, and had better share memory.
func (l Limits) quads() bool { return l.Quads && l.Workgroup == 0 }

// alignment of buffers: what every adapter lets bindings begin at.
const alignment = 256

// mostLists is how many lists a host keeps: more than one padded length of notes, and batch of windows, has in use.
const mostLists = 32

// maxMemory keeps addresses within 32 bits.
const maxMemory = 1<<32 - 1<<16

// Device is a kernels.Device on a GPU.
type Device struct {
	host      Host
	limits    Limits
	end       uint32   // of what has been allocated
	ends      []uint32 // of the GPU buffers
	nothing   [absent]kernels.Buffer
	pipelines map[string]int32
	lists     map[string]int32
	recorded  [mostLists]string // the lists that the host keeps, each at its number modulo mostLists
	lost      bool
}

var _ kernels.Device = (*Device)(nil)

// absent is the most operands of one operation that may be absent.
const absent = 4

// New makes a device, and has the host begin with the pipelines of every operation.
func New(host Host) (*Device, error) {
	d := &Device{host: host, limits: host.Limits(), end: alignment, pipelines: map[string]int32{}, lists: map[string]int32{}}
	// Absent operands are bound too, each to memory of its own: a pass may not bind what it writes twice.
	sizes := make([]int, absent)
	for i := range sizes {
		sizes[i] = alignment
	}
	nothing, err := d.Allocate(sizes...)
	if err != nil {
		return nil, err
	}
	copy(d.nothing[:], nothing)
	for _, p := range Wanted(d.limits) {
		d.pipeline(p)
	}
	return d, nil
}

func (d *Device) Name() string { return "webgpu" }

// Allocate fills GPU buffers of at most Limits.Binding bytes, one after another. A larger buffer of ours has one of its own, or
// as many as it needs.
func (d *Device) Allocate(sizes ...int) ([]kernels.Buffer, error) {
	if d.lost {
		return nil, kernels.ErrLost
	}
	buffers := make([]kernels.Buffer, len(sizes))
	end := uint64(d.end)
	for i, n := range sizes {
		room := uint64(max(0, n)+alignment-1) / alignment * alignment
		if n < 0 || end+room > maxMemory {
			return nil, fmt.Errorf("webgpu: %d bytes behind %d MiB are more than there may be: %w", n, end>>20, kernels.ErrMemory)
		}
		if end+room-uint64(d.end) > uint64(d.limits.Binding) && !d.reserve(end) {
			return nil, refused(end)
		}
		buffers[i] = kernels.Buffer{Address: uint32(end), Bytes: uint32(n)}
		for ; room > d.limits.buffer(); room -= d.limits.buffer() {
			if end += d.limits.buffer(); !d.reserve(end) {
				return nil, refused(end)
			}
		}
		end += room
	}
	if !d.reserve(end) {
		return nil, refused(end)
	}
	return buffers, nil
}

// reserve has the host make a GPU buffer up to an address.
func (d *Device) reserve(end uint64) bool {
	if end == uint64(d.end) {
		return true
	}
	if !d.host.Reserve(uint32(end)) {
		return false
	}
	d.end = uint32(end)
	d.ends = append(d.ends, d.end)
	return true
}

func refused(end uint64) error {
	return fmt.Errorf("webgpu: %d MiB were refused: %w", end>>20, kernels.ErrMemory)
}

func (d *Device) Write(to kernels.Buffer, data []byte) error {
	if err := d.inside(to, len(data)); err != nil {
		return err
	}
	d.host.Write(to.Address, data)
	return nil
}

// Read answers ErrPending until the GPU's answer is here. What may be read together is
// asked for together: each read once, and once more when the host has settled.
func (d *Device) Read(data []byte, from kernels.Buffer) error {
	if err := d.inside(from, len(data)); err != nil {
		return err
	}
	switch d.host.Read(data, from.Address) {
	case Done:
		return nil
	case Pending:
		return kernels.ErrPending
	}
	d.lost = true
	return kernels.ErrLost
}

func (d *Device) inside(b kernels.Buffer, n int) error {
	switch {
	case d.lost:
		return kernels.ErrLost
	case n > int(b.Bytes) || b.Address < alignment || uint64(b.Address)+uint64(b.Bytes) > uint64(d.end):
		return fmt.Errorf("webgpu: %d bytes do not fit a buffer of %d at %d", n, b.Bytes, b.Address)
	}
	return nil
}

// QuantizedBytes: 7-bit values in rows padded to PackedDepth, then a float32 scale and an
// int32 zero point a row; see quantized. Rows are padded to rowStep, so that the parts lie where
// they lie for notes of about the same length.
func (d *Device) QuantizedBytes(rows, columns int) int {
	rows = kernels.Padded(rows, rowStep)
	return kernels.Padded(rows*kernels.Padded(columns, kernels.PackedDepth), alignment) + 8*rows
}

// quantized are the parts of a Quantized: rows of 7-bit values, four to a word, and a
// scale and a zero point for each. They are bound apart.
func (d *Device) quantized(q kernels.Quantized) (values, scales kernels.Buffer) {
	bytes := uint32(8 * kernels.Padded(q.Rows, rowStep))
	n := uint32(d.QuantizedBytes(q.Rows, q.Columns)) - bytes
	return kernels.Buffer{Address: q.Address, Bytes: n}, kernels.Buffer{Address: q.Address + n, Bytes: bytes}
}

// Run records the program, or finds the list that it recorded for one like it, and has the host replay it.
func (d *Device) Run(program []kernels.Op) error {
	if d.lost {
		return kernels.ErrLost
	}
	if err := kernels.Check(program); err != nil {
		return fmt.Errorf("webgpu: %w", err)
	}
	r := &recording{device: d}
	for i := 0; i < len(program); i++ {
		used, err := r.operation(program[i:])
		if err != nil {
			return fmt.Errorf("webgpu: operation %d, %T: %w", i, program[i], err)
		}
		i += used - 1
	}
	if r.refused != nil {
		return fmt.Errorf("webgpu: %w", r.refused)
	}
	list, params := r.bytes()
	if !d.host.Submit(d.list(list), params) {
		d.lost = true
		return kernels.ErrLost
	}
	return nil
}

// list is the host's number for a list, which it records where the host has it not, or not any more.
func (d *Device) list(list []byte) int32 {
	id, known := d.lists[string(list)]
	if known {
		return id
	}
	id = d.host.Record(list)
	place := &d.recorded[id%mostLists]
	delete(d.lists, *place)
	*place = string(list)
	d.lists[*place] = id
	return id
}

// Close forgets the device; the host frees its memory.
func (d *Device) Close() error {
	d.lost = true
	return nil
}

func bits(x float32) uint32 { return math.Float32bits(x) }
