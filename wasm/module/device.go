//go:build wasip1

package main

import (
	"unsafe"

	"bedside/kernels"
	"bedside/kernels/simd"
	"bedside/kernels/webgpu"
)

// newDevice makes a device of one of the host's, which is a GPU or runs SIMD kernels.
func newDevice(number int32) (kernels.Device, error) {
	gpu := hostGPU{hostDevice(number)}
	if gpu.limit(limitBinding) == 0 {
		return simd.New(hostDevice(number)), nil
	}
	return webgpu.New(gpu)
}

// hostDevice is a device of the host, by its number: kernels/simd/ABI.md.
type hostDevice int32

var _ simd.Host = hostDevice(0)

func (d hostDevice) Reserve(bytes uint32) bool { return deviceReserve(int32(d), bytes) == 0 }

func (d hostDevice) Write(to uint32, data []byte) {
	deviceWrite(int32(d), to, start(data), uint32(len(data)))
}

func (d hostDevice) Read(data []byte, from uint32) {
	deviceRead(int32(d), start(data), from, uint32(len(data)))
}

func (d hostDevice) Run(program uint32) int32 { return deviceRun(int32(d), program) }

func (d hostDevice) Threads() int { return max(1, int(deviceThreads(int32(d)))) }

// hostGPU is a device of the host that is a GPU: kernels/webgpu/ABI.md.
type hostGPU struct{ hostDevice }

var _ webgpu.Host = hostGPU{}

// What limit tells, see ABI.md.
const (
	limitBinding = iota
	limitWorkgroup
	limitInvocations
	limitPacked
	limitQuads
	limitBuffer
)

func (g hostGPU) limit(which int32) uint32 { return uint32(gpuLimit(int32(g.hostDevice), which)) }

func (g hostGPU) Limits() webgpu.Limits {
	return webgpu.Limits{
		Binding:     g.limit(limitBinding),
		Workgroup:   g.limit(limitWorkgroup),
		Invocations: g.limit(limitInvocations),
		Packed:      g.limit(limitPacked) != 0,
		Quads:       g.limit(limitQuads) != 0,
		Buffer:      g.limit(limitBuffer),
	}
}

func (g hostGPU) Pipeline(p webgpu.Pipeline) int32 {
	name := p.String()
	return gpuPipeline(int32(g.hostDevice), unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)))
}

func (g hostGPU) Record(list []byte) int32 {
	return gpuRecord(int32(g.hostDevice), start(list), uint32(len(list)))
}

func (g hostGPU) Submit(list int32, params []byte) bool {
	return gpuSubmit(int32(g.hostDevice), list, start(params), uint32(len(params))) == 0
}

func (g hostGPU) Read(data []byte, from uint32) webgpu.Answer {
	return webgpu.Answer(deviceRead(int32(g.hostDevice), start(data), from, uint32(len(data))))
}

func start(data []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(data)) }

//go:wasmimport bedside_device reserve
func deviceReserve(device int32, bytes uint32) int32

//go:wasmimport bedside_device write
func deviceWrite(device int32, to uint32, from unsafe.Pointer, length uint32)

//go:wasmimport bedside_device read
func deviceRead(device int32, to unsafe.Pointer, from, length uint32) int32

//go:wasmimport bedside_device run
func deviceRun(device int32, program uint32) int32

//go:wasmimport bedside_device threads
func deviceThreads(device int32) int32

//go:wasmimport bedside_gpu limit
func gpuLimit(device, which int32) int32

//go:wasmimport bedside_gpu pipeline
func gpuPipeline(device int32, name unsafe.Pointer, length uint32) int32

//go:wasmimport bedside_gpu record
func gpuRecord(device int32, list unsafe.Pointer, length uint32) int32

//go:wasmimport bedside_gpu submit
func gpuSubmit(device, list int32, params unsafe.Pointer, length uint32) int32
