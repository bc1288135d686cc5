package simd

import (
	"fmt"

	"bedside/kernels"
)

// Host is what a device needs of the program that runs the kernels; ABI.md says what
// each function does. Write and Read are only called within reserved memory.
type Host interface {
	Reserve(bytes uint32) bool
	Write(to uint32, data []byte)
	Read(data []byte, from uint32)
	Run(program uint32) int32
	Threads() int
}

// firstBuffer is where buffers begin; the memory before it is the kernels' own.
const firstBuffer = 65536

// maxMemory keeps addresses and sizes within 32 bits.
const maxMemory = 4<<30 - 65536

// Device is a kernels.Device on SIMD kernels.
type Device struct {
	host    Host
	end     uint32 // of what has been allocated
	scratch kernels.Buffer
	// The last program, and the one before: a helper on its way out of a run may still look at that
	// run's program while the next one is written.
	program, before kernels.Buffer
	lost            bool
}

var _ kernels.Device = (*Device)(nil)

// New makes a device on fresh kernels.
func New(host Host) *Device { return &Device{host: host, end: firstBuffer} }

func (d *Device) Name() string { return "simd" }

func (d *Device) Allocate(sizes ...int) ([]kernels.Buffer, error) {
	buffers := make([]kernels.Buffer, len(sizes))
	end := uint64(d.end)
	for i, n := range sizes {
		if n < 0 || n > maxMemory {
			return nil, fmt.Errorf("simd: a buffer of %d bytes: %w", n, kernels.ErrMemory)
		}
		buffers[i] = kernels.Buffer{Address: uint32(end), Bytes: uint32(n)}
		if end = (end + uint64(n) + kernels.Alignment - 1) / kernels.Alignment * kernels.Alignment; end > maxMemory {
			return nil, fmt.Errorf("simd: more than %d MiB of buffers: %w", maxMemory>>20, kernels.ErrMemory)
		}
	}
	if !d.host.Reserve(uint32(end)) {
		return nil, fmt.Errorf("simd: %d MiB were refused: %w", end>>20, kernels.ErrMemory)
	}
	d.end = uint32(end)
	return buffers, nil
}

func (d *Device) Write(to kernels.Buffer, data []byte) error {
	if err := d.inside(to, len(data)); err != nil {
		return err
	}
	d.host.Write(to.Address, data)
	return nil
}

func (d *Device) Read(data []byte, from kernels.Buffer) error {
	if err := d.inside(from, len(data)); err != nil {
		return err
	}
	d.host.Read(data, from.Address)
	return nil
}

func (d *Device) inside(b kernels.Buffer, n int) error {
	switch {
	case d.lost:
		return kernels.ErrLost
	case n > int(b.Bytes) || b.Address < firstBuffer || uint64(b.Address)+uint64(b.Bytes) > uint64(d.end):
		return fmt.Errorf("simd: %d bytes do not fit a buffer of %d at %d", n, b.Bytes, b.Address)
	}
	return nil
}

// QuantizedBytes: scale and zero point a row, then up to two bytes an element.
func (d *Device) QuantizedBytes(rows, columns int) int {
	return kernels.Padded(8*rows, kernels.Alignment) + 2*rows*kernels.Padded(columns, kernels.PackedDepth)
}

func (d *Device) Run(program []kernels.Op) error {
	if d.lost {
		return kernels.ErrLost
	}
	if err := kernels.Check(program); err != nil {
		return fmt.Errorf("simd: %w", err)
	}
	need := kernels.Padded(scratch(program), kernels.Alignment)
	if err := d.hold(&d.scratch, need*d.host.Threads()); err != nil {
		return err
	}
	d.program, d.before = d.before, d.program
	if err := d.hold(&d.program, encodedBytes(program)); err != nil {
		return err
	}
	d.host.Write(d.program.Address, encode(program, d.program.Address, d.scratch.Address, uint32(need)))
	switch answer := d.host.Run(d.program.Address); answer {
	case 0:
		return nil
	case 1:
		d.lost = true
		return kernels.ErrLost
	default:
		return fmt.Errorf("simd: the kernels refused a program of %d operations (%d)", len(program), answer)
	}
}

// hold makes sure that a buffer has at least so many bytes. What it had is not given back, so
// it grows to twice that at least: then all there ever was is less than what there is.
func (d *Device) hold(b *kernels.Buffer, bytes int) error {
	if int(b.Bytes) >= bytes {
		return nil
	}
	buffers, err := d.Allocate(max(bytes, 2*int(b.Bytes)))
	if err == nil {
		*b = buffers[0]
	}
	return err
}

// Close forgets the device; the host frees its memory.
func (d *Device) Close() error {
	d.lost = true
	return nil
}

// Program is the address of the last program, for hosts that run it again to time it.
func (d *Device) Program() uint32 { return d.program.Address }
