// Package kernels says what Bedside computes with numbers: a few operations, sized by
// what transformer encoders need, and what a device that runs them offers.
//
// A model is written once, as a program of operations on buffers of a Device.
// kernels/reference defines every operation; the other devices are tested against it.
package kernels

import "errors"

// Errors of devices.
var (
	// ErrMemory: the device has no room. Another device or a smaller model may do.
	ErrMemory = errors.New("the device has not enough memory")
	// ErrLost: the device died or hangs. What its buffers held is gone.
	ErrLost = errors.New("the device was lost")
	// ErrPending: the device is at work. Read again once its host has settled.
	ErrPending = errors.New("the device has not answered yet")
)

// Alignment is what buffer addresses are multiples of.
const Alignment = 64

// Buffer is a range of one device's memory. The zero Buffer stands for an operand that
// is absent.
type Buffer struct {
	Address uint32
	Bytes   uint32
}

// Device runs programs on memory of its own. One goroutine at a time.
type Device interface {
	// Name is the device and its variant, such as "reference" or "simd".
	Name() string
	// Allocate reserves zeroed buffers of the given sizes in bytes, all or none. They
	// live as long as the device.
	Allocate(sizes ...int) ([]Buffer, error)
	// Write copies data to the start of a buffer.
	Write(to Buffer, data []byte) error
	// Read copies the start of a buffer to data. Devices that answer later answer ErrPending
	// first; until a Read of the same bytes succeeds, no other Run may come.
	Read(data []byte, from Buffer) error
	// QuantizedBytes is the size of a buffer for Quantized of that shape: its layout is
	// the device's own.
	QuantizedBytes(rows, columns int) int
	// Run performs the operations, with the effect of one after another. It refuses
	// operands that do not fit each other (see Check) before it runs any.
	Run(program []Op) error
	// Close frees the memory.
	Close() error
}
