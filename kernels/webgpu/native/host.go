package native

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/gogpu/wgpu"

	"bedside/kernels/webgpu"
)

// Host is memory and command lists of one device; it implements webgpu.Host. The first
// failure loses the GPU, and Settle says why.
type Host struct {
	gpu     *GPU
	limits  webgpu.Limits
	memory  []memory
	end     uint32
	names   []string
	lists   [][]byte
	params  *wgpu.Buffer
	asked   []span
	answers map[span][]byte
	err     error
}

// memory is the buffer of the addresses from begin on.
type memory struct {
	begin  uint32
	buffer *wgpu.Buffer
}

type span struct {
	from   uint32
	length int
}

var _ webgpu.Host = (*Host)(nil)

// first is the first address.
const first = 256

// Open makes a host without memory; packed is whether its shaders may use packed dots.
func (g *GPU) Open(packed bool) *Host {
	h := &Host{gpu: g, limits: g.limits, end: first, answers: map[span][]byte{}}
	h.limits.Packed = packed
	return h
}

// Close frees the memory.
func (h *Host) Close() {
	for _, m := range h.memory {
		m.buffer.Release()
	}
	if h.params != nil {
		h.params.Release()
	}
}

func (h *Host) Limits() webgpu.Limits { return h.limits }

// Pipeline notes the name: what no test uses is not compiled.
func (h *Host) Pipeline(p webgpu.Pipeline) int32 {
	h.names = append(h.names, p.String())
	return int32(len(h.names) - 1)
}

// Compile makes every pipeline that was declared.
func (h *Host) Compile() error {
	for _, name := range h.names {
		if _, err := h.gpu.compile(name); err != nil {
			return err
		}
	}
	return nil
}

func (h *Host) Reserve(end uint32) bool {
	buffer, err := h.buffer(end-h.end, wgpu.BufferUsageStorage|wgpu.BufferUsageCopySrc|wgpu.BufferUsageCopyDst)
	if err != nil {
		return false
	}
	h.memory = append(h.memory, memory{h.end, buffer})
	h.end = end
	return true
}

func (h *Host) Write(to uint32, data []byte) {
	whole := append([]byte(nil), data...)
	for len(whole)%4 != 0 {
		whole = append(whole, 0)
	}
	for from, n := range h.parts(to, len(whole)) {
		buffer, at := h.at(to + uint32(from))
		h.fail(h.gpu.device.Queue().WriteBuffer(buffer, at, whole[from:from+n]))
	}
}

func (h *Host) Record(list []byte) int32 {
	h.lists = append(h.lists, list)
	return int32(len(h.lists) - 1)
}

// Submit waits for each dispatch: this wgpu puts no barriers between them.
func (h *Host) Submit(list int32, params []byte) bool {
	h.asked = nil
	clear(h.answers)
	h.fail(h.parameters(params))
	words := h.lists[list]
	next := func() uint32 {
		w := binary.LittleEndian.Uint32(words)
		words = words[4:]
		return w
	}
	dispatches := next()
	next()
	for ; dispatches > 0 && h.err == nil; dispatches-- {
		h.fail(h.dispatch(next))
	}
	return h.err == nil
}

func (h *Host) parameters(params []byte) error {
	if h.params == nil || h.params.Size() < uint64(len(params)) {
		if h.params != nil {
			h.params.Release()
		}
		var err error
		if h.params, err = h.buffer(uint32(len(params)), wgpu.BufferUsageUniform|wgpu.BufferUsageCopyDst); err != nil {
			return err
		}
	}
	return h.gpu.device.Queue().WriteBuffer(h.params, 0, params)
}

func (h *Host) dispatch(next func() uint32) error {
	name := h.names[next()]
	p, err := h.gpu.compile(name)
	if err != nil {
		return err
	}
	x, y, z := next(), next(), next()
	entries := []wgpu.BindGroupEntry{{Buffer: h.params, Offset: uint64(next()), Size: uint64(next())}}
	for count := next(); count > 0; count-- {
		buffer, at := h.at(next())
		entries = append(entries, wgpu.BindGroupEntry{Binding: uint32(len(entries)), Buffer: buffer, Offset: at, Size: uint64(next())})
	}
	group, err := h.gpu.device.CreateBindGroup(&wgpu.BindGroupDescriptor{Label: name, Layout: p.bindings, Entries: entries})
	if err != nil {
		return fmt.Errorf("native: binding %s: %w", name, err)
	}
	defer group.Release()
	return h.submit(func(commands *wgpu.CommandEncoder) error {
		pass, err := commands.BeginComputePass(nil)
		if err != nil {
			return err
		}
		pass.SetPipeline(p.ComputePipeline)
		pass.SetBindGroup(0, group, nil)
		pass.Dispatch(x, y, z)
		return pass.End()
	})
}

// submit runs commands and waits for them.
func (h *Host) submit(record func(*wgpu.CommandEncoder) error) error {
	commands, err := h.gpu.device.CreateCommandEncoder(nil)
	if err != nil {
		return err
	}
	if err := record(commands); err != nil {
		return err
	}
	buffer, err := commands.Finish()
	if err != nil {
		return err
	}
	if _, err := h.gpu.device.Queue().Submit(buffer); err != nil {
		return err
	}
	return h.gpu.device.WaitIdle()
}

func (h *Host) Read(data []byte, from uint32) webgpu.Answer {
	if h.err != nil {
		return webgpu.Lost
	}
	s := span{from, len(data)}
	answer, ok := h.answers[s]
	if !ok {
		h.asked = append(h.asked, s)
		return webgpu.Pending
	}
	copy(data, answer)
	return webgpu.Done
}

// Settle fetches what was asked for, or says why the GPU is lost.
func (h *Host) Settle() error {
	for _, s := range h.asked {
		if h.err != nil {
			break
		}
		data, err := h.fetch(s)
		h.fail(err)
		h.answers[s] = data
	}
	h.asked = nil
	return h.err
}

func (h *Host) fetch(s span) ([]byte, error) {
	size := uint64(s.length+3) &^ 3
	staging, err := h.buffer(uint32(size), wgpu.BufferUsageMapRead|wgpu.BufferUsageCopyDst)
	if err != nil {
		return nil, err
	}
	defer staging.Release()
	if err := h.submit(func(commands *wgpu.CommandEncoder) error {
		for from, n := range h.parts(s.from, int(size)) {
			buffer, at := h.at(s.from + uint32(from))
			commands.CopyBufferToBuffer(buffer, at, staging, uint64(from), uint64(n))
		}
		return nil
	}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := staging.Map(ctx, wgpu.MapModeRead, 0, size); err != nil {
		return nil, fmt.Errorf("native: reading %d bytes at %d: %w", s.length, s.from, err)
	}
	mapped, err := staging.MappedRange(0, size)
	if err != nil {
		return nil, err
	}
	data := append([]byte(nil), mapped.Bytes()[:s.length]...)
	return data, staging.Unmap()
}

func (h *Host) buffer(size uint32, usage wgpu.BufferUsage) (*wgpu.Buffer, error) {
	return h.gpu.device.CreateBuffer(&wgpu.BufferDescriptor{Size: uint64(size), Usage: usage})
}

// at is the buffer of an address, and the place in it.
func (h *Host) at(address uint32) (*wgpu.Buffer, uint64) {
	i := len(h.memory) - 1
	for h.memory[i].begin > address {
		i--
	}
	return h.memory[i].buffer, uint64(address - h.memory[i].begin)
}

// parts are those of a range that lie in one buffer each: where they begin in it, and their bytes.
func (h *Host) parts(address uint32, bytes int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		for from := 0; from < bytes; {
			buffer, at := h.at(address + uint32(from))
			n := min(bytes-from, int(buffer.Size()-at))
			if !yield(from, n) {
				return
			}
			from += n
		}
	}
}

func (h *Host) fail(err error) {
	if h.err == nil {
		h.err = err
	}
}
