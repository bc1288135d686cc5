package webgpu

import (
	"encoding/binary"
	"fmt"
	"strings"

	"bedside/kernels"
)

// Pipeline is a shader of this package with values for its overridable constants.
type Pipeline struct {
	Shader    string // files' names without .wgsl, joined by +
	Constants []Constant
}

// Constant is a WGSL override.
type Constant struct {
	Name  string
	Value uint32
}

// String is the form that hosts get: "quantize+activation,activation=1,multiplied=0".
func (p Pipeline) String() string {
	var b strings.Builder
	b.WriteString(p.Shader)
	for _, c := range p.Constants {
		fmt.Fprintf(&b, ",%s=%d", c.Name, c.Value)
	}
	return b.String()
}

// pipeline is the host's number for p.
func (d *Device) pipeline(p Pipeline) int32 {
	name := p.String()
	id, ok := d.pipelines[name]
	if !ok {
		id = d.host.Pipeline(p)
		d.pipelines[name] = id
	}
	return id
}

// rowStep is what rows are rounded up to in a list, so that one serves notes of about the
// same length. Shaders get the true number as a parameter.
const rowStep = 32

// slot is the bytes between the parameters of two dispatches: what every adapter lets
// uniform bindings begin at.
const slot = 256

// recording is a command list and its parameters under construction; ABI.md has the format.
type recording struct {
	device     *Device
	list       []byte
	params     []byte
	dispatches uint32
	refused    error // why the list cannot be run
}

// dispatch appends one. The shader sees params as its uniform at binding 0, and buffers as
// storage at 1, 2, and so on. The params of one dispatch may differ in what they hold, not
// in their number, between programs that shall share a list.
func (r *recording) dispatch(p Pipeline, groups [3]int, params []uint32, buffers ...kernels.Buffer) {
	at := len(r.params)
	for _, x := range params {
		r.params = binary.LittleEndian.AppendUint32(r.params, x)
	}
	r.params = append(r.params, make([]byte, kernels.Padded(len(r.params), slot)-len(r.params))...)
	r.words(uint32(r.device.pipeline(p)), uint32(groups[0]), uint32(groups[1]), uint32(groups[2]),
		uint32(at), uint32(len(r.params)-at), uint32(len(buffers)))
	for _, b := range buffers {
		if n := r.device.bindable(b, 0); n < b.Bytes && r.refused == nil {
			r.refused = fmt.Errorf("%s: an operand of %d bytes, where %d can be bound: %w", p.Shader, b.Bytes, n, kernels.ErrMemory)
		}
		r.words(b.Address, uint32(kernels.Padded(int(b.Bytes), 4)))
	}
	r.dispatches++
}

func (r *recording) words(words ...uint32) {
	for _, w := range words {
		r.list = binary.LittleEndian.AppendUint32(r.list, w)
	}
}

// bytes is the list with its header, and the parameters of this run.
func (r *recording) bytes() (list, params []byte) {
	if r.dispatches == 0 {
		r.params = make([]byte, slot) // no host has buffers of nothing
	}
	head := binary.LittleEndian.AppendUint32(nil, r.dispatches)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(r.params)))
	return append(head, r.list...), r.params
}

// operation records the first operations of rest, and answers how many: more than one where
// a shader does them together.
func (r *recording) operation(rest []kernels.Op) (used int, err error) {
	switch o := rest[0].(type) {
	case kernels.Embed:
		err = r.embed(o)
	case kernels.Normalize:
		err = r.normalize(o)
	case kernels.Quantize:
		if l, ok := r.quantizedAtOnce(o, rest[1:]); ok {
			return 2, r.linear(l, &o)
		}
		err = r.quantize(o)
	case kernels.Linear:
		err = r.linear(o, nil)
	case kernels.LinearFloat:
		err = r.linearFloat(o)
	case kernels.Attention:
		if q, ok := r.quantizedByAttention(o, rest[1:]); ok {
			return 2, r.attention(o, &q)
		}
		err = r.attention(o, nil)
	case kernels.Activate:
		err = r.activate(o)
	case kernels.Pool:
		err = r.pool(o)
	case kernels.Widen:
		err = r.widen(o)
	default:
		err = fmt.Errorf("no shader does that")
	}
	return 1, err
}

// groups is how many of size cover n rows, n rounded up to rowStep first.
func groups(rows, size int) int {
	return (kernels.Padded(rows, rowStep) + size - 1) / size
}

// cover is how many of size cover n.
func cover(n, size int) int { return (n + size - 1) / size }

// or is b, or the i-th piece of nothing where b is absent.
func (r *recording) or(b kernels.Buffer, i int) kernels.Buffer {
	if b.Bytes == 0 {
		return r.device.nothing[i]
	}
	return b
}
