//go:build wasip1

package main

import (
	"unsafe"

	"bedside/kernels/simd"
)

// hostDevice is a device of the host, by its number: kernels/simd/ABI.md.
type hostDevice int32

var _ simd.Host = hostDevice(0)

func (d hostDevice) Reserve(bytes uint32) bool { return deviceReserve(int32(d), bytes) == 0 }

func (d hostDevice) Write(to uint32, data []byte) {
	deviceWrite(int32(d), to, unsafe.Pointer(unsafe.SliceData(data)), uint32(len(data)))
}

func (d hostDevice) Read(data []byte, from uint32) {
	deviceRead(int32(d), unsafe.Pointer(unsafe.SliceData(data)), from, uint32(len(data)))
}

func (d hostDevice) Run(program uint32) int32 { return deviceRun(int32(d), program) }

func (d hostDevice) Threads() int { return max(1, int(deviceThreads(int32(d)))) }

//go:wasmimport bedside_device reserve
func deviceReserve(device int32, bytes uint32) int32

//go:wasmimport bedside_device write
func deviceWrite(device int32, to uint32, from unsafe.Pointer, length uint32)

//go:wasmimport bedside_device read
func deviceRead(device int32, to unsafe.Pointer, from, length uint32)

//go:wasmimport bedside_device run
func deviceRun(device int32, program uint32) int32

//go:wasmimport bedside_device threads
func deviceThreads(device int32) int32
