package webgpu_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/reference"
	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/chromium"
	"bedside/kernels/webgpu/shaders"
)

// minimum is what every adapter grants.
var minimum = webgpu.Limits{Binding: 128 << 20, Workgroup: 16384, Invocations: 256}

// notebook is a host that has no GPU and notes what it is asked for.
type notebook struct {
	limits    webgpu.Limits
	ends      []uint32
	pipelines []string
	lists     [][]byte
	submits   []int32
	refuse    uint32 // the first end that is too much, 0 for none
	lost      bool
}

func (n *notebook) Limits() webgpu.Limits { return n.limits }
func (n *notebook) Write(uint32, []byte)  {}
func (n *notebook) Submit(l int32, _ []byte) bool {
	n.submits = append(n.submits, l)
	return !n.lost
}

func (n *notebook) Pipeline(p webgpu.Pipeline) int32 {
	n.pipelines = append(n.pipelines, p.String())
	return int32(len(n.pipelines) - 1)
}

func (n *notebook) Reserve(end uint32) bool {
	if n.refuse != 0 && end >= n.refuse {
		return false
	}
	n.ends = append(n.ends, end)
	return true
}

func (n *notebook) Record(list []byte) int32 {
	n.lists = append(n.lists, list)
	return int32(len(n.lists) - 1)
}

func (n *notebook) Read([]byte, uint32) webgpu.Answer {
	if n.lost {
		return webgpu.Lost
	}
	return webgpu.Pending
}

// memory is the number of the GPU buffer that bytes lie in, -1 where they lie in none or in two.
func (n *notebook) memory(address, bytes uint32) int {
	begin := uint32(256)
	for i, end := range n.ends {
		if address >= begin && address+bytes <= end {
			return i
		}
		begin = end
	}
	return -1
}

func noted(t *testing.T) (*webgpu.Device, *notebook) {
	t.Helper()
	n := &notebook{limits: minimum}
	d, err := webgpu.New(n)
	if err != nil {
		t.Fatal(err)
	}
	return d, n
}

func TestAllocate(t *testing.T) {
	d, n := noted(t)
	const MiB = 1 << 20
	var all []kernels.Buffer
	for _, sizes := range [][]int{{1, 0, 257, 100 * MiB}, {60 * MiB, 60 * MiB, 60 * MiB, 5}, {128 * MiB, 128 * MiB}, {7}} {
		buffers, err := d.Allocate(sizes...)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range buffers {
			if b.Address%256 != 0 || int(b.Bytes) != sizes[i] || n.memory(b.Address, b.Bytes) < 0 {
				t.Errorf("%d bytes are %d at %d, GPU buffers end at %d", sizes[i], b.Bytes, b.Address, n.ends)
			}
		}
		all = append(all, buffers...)
	}
	begin := uint32(256)
	for _, end := range n.ends {
		if end-begin > minimum.Binding {
			t.Errorf("a GPU buffer of %d bytes", end-begin)
		}
		begin = end
	}
	slices.SortFunc(all, func(a, b kernels.Buffer) int { return int(a.Address) - int(b.Address) })
	for i, b := range all[1:] {
		if before := all[i]; before.Address+before.Bytes > b.Address {
			t.Errorf("%v overlaps %v", before, b)
		}
	}
}

// maxMemory is more than addresses have.
const maxMemory = 1 << 32

func TestTooMuchMemory(t *testing.T) {
	d, n := noted(t)
	for _, sizes := range [][]int{{-1}, {1 << 62, 1}, {maxMemory}, slices.Repeat([]int{int(minimum.Binding)}, 40)} {
		if _, err := d.Allocate(sizes...); !errors.Is(err, kernels.ErrMemory) {
			t.Errorf("%d buffers of %d bytes: %v", len(sizes), sizes[0], err)
		}
	}
	n.refuse = 1
	if _, err := d.Allocate(1000); !errors.Is(err, kernels.ErrMemory) {
		t.Errorf("refused by the host: %v", err)
	}
	n.refuse = 0
	if buffers, err := d.Allocate(1000); err != nil || n.memory(buffers[0].Address, 1000) < 0 {
		t.Errorf("after refusals: %v, %v of GPU buffers that end at %d", err, buffers, n.ends)
	}
}

// layer is a layer of an encoder and what comes around it, on buffers for up to 512 rows.
type layer struct {
	ids, values, scales          [3]kernels.Buffer // of tables
	x, wide, quantized, pooled   kernels.Buffer
	weights, factors, sums, bias kernels.Buffer // large enough for every dense layer
	gamma, beta, multiplier      kernels.Buffer
}

const (
	hidden = 64
	inner  = 256
	words  = 50
)

func newLayer(t *testing.T, d kernels.Device) *layer {
	t.Helper()
	const most = 512
	l := &layer{}
	take := func(bytes int, to ...*kernels.Buffer) {
		for _, b := range to {
			buffers, err := d.Allocate(bytes)
			if err != nil {
				t.Fatal(err)
			}
			*b = buffers[0]
		}
	}
	for i := range 3 {
		take(4*most, &l.ids[i])
		take(words*hidden, &l.values[i])
		take(4*words, &l.scales[i])
	}
	take(4*most*hidden, &l.x)
	take(4*most*inner, &l.wide)
	take(d.QuantizedBytes(most, inner), &l.quantized)
	take(hidden*inner, &l.weights)
	take(4*inner, &l.factors, &l.sums, &l.bias)
	take(4*hidden, &l.gamma, &l.beta, &l.multiplier, &l.pooled)
	return l
}

func (l *layer) program(rows int) []kernels.Op {
	matrix := func(b kernels.Buffer, columns int) kernels.Matrix {
		return kernels.Matrix{Buffer: b, Rows: rows, Columns: columns}
	}
	q := func(columns int) kernels.Quantized {
		return kernels.Quantized{Buffer: l.quantized, Rows: rows, Columns: columns}
	}
	packed := func(in, out int) kernels.Packed {
		return kernels.Packed{Weights: l.weights, Scales: l.factors, Sums: l.sums, In: in, Out: out}
	}
	table := func(i int) kernels.Table {
		return kernels.Table{Values: l.values[i], Scales: l.scales[i], Rows: words, Columns: hidden}
	}
	norm := kernels.Norm{Gamma: l.gamma, Beta: l.beta, Epsilon: 1e-12}
	x, qkv, wide := matrix(l.x, hidden), matrix(l.wide, 3*hidden), matrix(l.wide, inner)
	sequences := []kernels.Sequence{{Rows: rows, Keys: rows}}
	return []kernels.Op{
		kernels.Embed{Tokens: l.ids[0], Places: l.ids[1], Kinds: l.ids[2], Word: table(0), Positions: table(1), Types: table(2), Norm: norm, Out: x},
		kernels.Quantize{In: x, Out: q(hidden)},
		kernels.Linear{In: q(hidden), Weights: packed(hidden, 3*hidden), Bias: l.bias, Out: qkv},
		kernels.Attention{QKV: qkv, Heads: 4, Sequences: sequences, Out: x},
		kernels.Quantize{In: x, Out: q(hidden)},
		kernels.Linear{In: q(hidden), Weights: packed(hidden, hidden), Bias: l.bias, Residual: x, Out: x},
		kernels.Normalize{In: x, Norm: norm, Out: x, Multiplier: l.multiplier, Quantized: q(hidden)},
		kernels.Linear{In: q(hidden), Weights: packed(hidden, inner), Bias: l.bias, Out: wide},
		kernels.Quantize{In: wide, Activation: kernels.GELU, Out: q(inner)},
		kernels.Linear{In: q(inner), Weights: packed(inner, hidden), Bias: l.bias, Residual: x, Out: x},
		kernels.Normalize{In: x, Norm: norm, Out: x},
		kernels.Activate{Activation: kernels.Tanh, InOut: x},
		kernels.Pool{In: x, Sequences: sequences, Mean: true, Out: kernels.Matrix{Buffer: l.pooled, Rows: 1, Columns: hidden}},
	}
}

// TestListsAreReused: notes of about the same length share a list, and what it binds lies within
// GPU buffers and does not overlap.
func TestListsAreReused(t *testing.T) {
	d, n := noted(t)
	l := newLayer(t, d)
	for _, rows := range []int{97, 128, 96, 33} {
		if err := d.Run(l.program(rows)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int32{0, 0, 1, 2}; !slices.Equal(n.submits, want) {
		t.Errorf("lists %d, want %d", n.submits, want)
	}
	for _, list := range n.lists {
		n.checkBindings(t, list)
	}
}

// TestListsAreBounded: a host is never asked for a list that is not among the last 32 it was given.
func TestListsAreBounded(t *testing.T) {
	d, n := noted(t)
	const most = 100
	b, err := d.Allocate(4 * 32 * most)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 * most {
		for _, blocks := range []int{1 + i%most, 1 + i/2%most, 7} {
			if err := d.Run([]kernels.Op{kernels.Activate{Activation: kernels.ReLU, InOut: kernels.Matrix{Buffer: b[0], Rows: 32 * blocks, Columns: 1}}}); err != nil {
				t.Fatal(err)
			}
			last := int(n.submits[len(n.submits)-1])
			if last >= len(n.lists) || last+32 < len(n.lists) {
				t.Fatalf("list %d of %d is submitted", last, len(n.lists))
			}
			if groups := binary.LittleEndian.Uint32(n.lists[last][16:]); groups != uint32(8*blocks) {
				t.Fatalf("%d rows are done by %d workgroups", 32*blocks, groups)
			}
		}
	}
	if len(n.lists) > len(n.submits)*2/3 {
		t.Errorf("%d lists are recorded for %d submits", len(n.lists), len(n.submits))
	}
}

// TestForgottenLists runs more lists than a host keeps, and the first again.
func TestForgottenLists(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		const most = 40
		b, err := d.Allocate(4 * 32 * most)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range append(slices.Repeat([]int{1}, 3), 20, most, 1, 2) {
			for blocks := range n {
				values := make([]float32, 32*most)
				for i := range values {
					values[i] = -1
				}
				if err := d.Write(b[0], devicetest.Floats(values)); err != nil {
					t.Fatal(err)
				}
				rows := 32 * (blocks + 1)
				devicetest.Run(t, d, []kernels.Op{kernels.Activate{Activation: kernels.ReLU, InOut: kernels.Matrix{Buffer: b[0], Rows: rows, Columns: 1}}})
				got := [][]byte{make([]byte, 4*len(values))}
				devicetest.Read(t, d, got, b)
				for i, x := range devicetest.AsFloats(got[0]) {
					if want := values[i]; i < rows && x != 0 || i >= rows && x != want {
						t.Fatalf("%d rows: element %d is %g", rows, i, x)
					}
				}
			}
		}
	})
}

// checkBindings reads a list as ABI.md has it, and answers how many dispatches it has.
func (n *notebook) checkBindings(t *testing.T, list []byte) (dispatches int) {
	t.Helper()
	next := func() uint32 {
		word := binary.LittleEndian.Uint32(list)
		list = list[4:]
		return word
	}
	count, params := next(), next()
	for range count {
		name := n.pipelines[next()]
		for range 3 {
			if groups := next(); groups < 1 || groups > 65535 {
				t.Errorf("%s: %d workgroups", name, groups)
			}
		}
		if at, bytes := next(), next(); at%256 != 0 || at+bytes > params {
			t.Errorf("%s: parameters of %d bytes at %d, of %d", name, bytes, at, params)
		}
		var bound []kernels.Buffer
		for range next() {
			b := kernels.Buffer{Address: next(), Bytes: next()}
			if b.Address%256 != 0 || b.Bytes%4 != 0 || b.Bytes == 0 || n.memory(b.Address, b.Bytes) < 0 || b.Bytes > n.limits.Binding {
				t.Errorf("%s: binding %d lies badly: %v", name, 1+len(bound), b)
			}
			for i, other := range bound {
				if b.Address < other.Address+other.Bytes && other.Address < b.Address+b.Bytes {
					t.Errorf("%s: bindings %d and %d overlap", name, 1+i, 1+len(bound))
				}
			}
			bound = append(bound, b)
		}
		if len(bound) > 8 {
			t.Errorf("%s: %d storage bindings", name, len(bound))
		}
	}
	if len(list) != 0 {
		t.Errorf("%d bytes behind the last dispatch", len(list))
	}
	return int(count)
}

// TestWanted: hosts begin with the pipelines that an encoder in int8 uses, and no others.
func TestWanted(t *testing.T) {
	for kind, l := range webgpu.Kinds() {
		n := &notebook{limits: l}
		d, err := webgpu.New(n)
		if err != nil {
			t.Fatal(err)
		}
		wanted := slices.Sorted(slices.Values(n.pipelines))
		const rows, width, inner = 16, 64, 256
		r := &room{t, d}
		table := kernels.Table{Values: r.take(100 * width), Scales: r.take(400), Rows: 100, Columns: width}
		out := r.matrix(rows, width)
		program := []kernels.Op{kernels.Embed{Tokens: r.take(4 * rows), Places: r.take(4 * rows), Kinds: r.take(4 * rows), Word: table, Positions: table, Types: table,
			Norm: kernels.Norm{Gamma: r.take(4 * width), Beta: r.take(4 * width)}, Out: out}}
		program = slices.Concat(program, r.layer(rows, width, inner, 2), r.layer(rows, width, inner, 2))
		// the pooler and the head, and before them a layer norm that nothing quantizes
		norm := program[len(program)-1].(kernels.Normalize)
		norm.Multiplier, norm.Quantized = kernels.Buffer{}, kernels.Quantized{}
		first, side := r.matrix(1, width), r.matrix(1, width)
		pooler := r.linear(1, width, width).(kernels.Linear)
		pooler.Out = side
		program = append(program[:len(program)-1], norm,
			kernels.Pool{In: out, Sequences: []kernels.Sequence{{Rows: rows, Keys: rows}}, Out: first},
			kernels.Quantize{In: first, Multiplier: r.take(4 * width), Out: pooler.In}, pooler,
			kernels.Activate{Activation: kernels.Tanh, InOut: side},
			kernels.LinearFloat{In: side, Weights: kernels.Panels{Weights: r.take(4 * width * 8), In: width, Out: 8}, Bias: r.take(32), Out: r.matrix(1, 8)})
		if err := d.Run(program); err != nil {
			t.Fatal(err)
		}
		used := map[string]bool{}
		for _, p := range n.dispatched(t) {
			used[p] = true
		}
		if got := slices.Sorted(maps.Keys(used)); !slices.Equal(got, wanted) {
			t.Errorf("%s: used\n%s\nwanted\n%s", kind, strings.Join(got, "\n"), strings.Join(wanted, "\n"))
		}
	}
}

// dispatched are the pipelines of the last list.
func (n *notebook) dispatched(t *testing.T) (names []string) {
	t.Helper()
	words := func(at int) uint32 { return binary.LittleEndian.Uint32(n.lists[len(n.lists)-1][4*at:]) }
	at := 2
	for range words(0) {
		names = append(names, n.pipelines[words(at)])
		at += 7 + 2*int(words(at+6))
	}
	return names
}

// TestShadersOfPipelines: every file that a pipeline names is there.
func TestShadersOfPipelines(t *testing.T) {
	d, n := noted(t)
	if err := d.Run(newLayer(t, d).program(40)); err != nil {
		t.Fatal(err)
	}
	all := shaders.All()
	for _, name := range n.pipelines {
		files, _, _ := strings.Cut(name, ",")
		for _, file := range strings.Split(files, "+") {
			if all[file] == "" {
				t.Errorf("%s: no %s.wgsl", name, file)
			}
		}
	}
}

func TestLost(t *testing.T) {
	d, n := noted(t)
	l := newLayer(t, d)
	program := l.program(3)
	if err := d.Run(program); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 4)
	if err := d.Read(data, l.pooled); !errors.Is(err, kernels.ErrPending) {
		t.Errorf("reading at once: %v", err)
	}
	n.lost = true
	refused := map[string]error{"read": d.Read(data, l.pooled)}
	refused["run"], refused["write"] = d.Run(program), d.Write(l.pooled, data)
	_, refused["allocate"] = d.Allocate(4)
	for what, err := range refused {
		if !errors.Is(err, kernels.ErrLost) {
			t.Errorf("%s on a lost GPU: %v", what, err)
		}
	}
}

// TestLostInChromium: a GPU that is destroyed in flight, and one whose shaders do not compile.
func TestLostInChromium(t *testing.T) {
	program := func(d *webgpu.Device) ([]kernels.Op, kernels.Buffer) {
		b, err := d.Allocate(400)
		if err != nil {
			t.Fatal(err)
		}
		return []kernels.Op{kernels.Activate{Activation: kernels.GELU, InOut: kernels.Matrix{Buffer: b[0], Rows: 10, Columns: 10}}}, b[0]
	}
	open := func(all map[string]string) (*webgpu.Device, *chromium.Tab) {
		tab, err := startBrowser(t).OpenShaders(all, chromium.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(tab.Close)
		d, err := webgpu.New(tab)
		if err != nil {
			t.Fatal(err)
		}
		return d, tab
	}
	data := make([]byte, 400)

	d, tab := open(shaders.All())
	ops, b := program(d)
	if err := d.Run(ops); err != nil {
		t.Fatal(err)
	}
	tab.Lose()
	_ = d.Read(data, b)
	if err := tab.Settle(); err == nil {
		t.Error("a destroyed GPU settled")
	}
	if err := d.Read(data, b); !errors.Is(err, kernels.ErrLost) {
		t.Errorf("destroyed: %v", err)
	}
	if err := d.Run(ops); !errors.Is(err, kernels.ErrLost) {
		t.Errorf("run after that: %v", err)
	}

	broken := shaders.All()
	broken["activate"] = "no WGSL"
	d, tab = open(broken)
	ops, _ = program(d)
	if err := d.Run(ops); !errors.Is(err, kernels.ErrLost) {
		t.Errorf("a shader that does not compile: %v", err)
	}
	if err := tab.Settle(); err == nil || !strings.Contains(err.Error(), "activate") {
		t.Errorf("the reason is not told: %v", err)
	}
}

// TestWritesBetweenRuns: what is written after a run is not seen by it.
func TestWritesBetweenRuns(t *testing.T) {
	each(t, func(t *testing.T, d kernels.Device) {
		b, err := d.Allocate(4, 4)
		if err != nil {
			t.Fatal(err)
		}
		copyRow := []kernels.Op{kernels.Pool{In: kernels.Matrix{Buffer: b[0], Rows: 1, Columns: 1}, Sequences: []kernels.Sequence{{Rows: 1, Keys: 1}},
			Out: kernels.Matrix{Buffer: b[1], Rows: 1, Columns: 1}}}
		if err := d.Write(b[0], devicetest.Floats([]float32{1})); err != nil {
			t.Fatal(err)
		}
		devicetest.Run(t, d, copyRow)
		if err := d.Write(b[0], devicetest.Floats([]float32{-2})); err != nil {
			t.Fatal(err)
		}
		devicetest.Run(t, d, []kernels.Op{kernels.Activate{Activation: kernels.ReLU, InOut: kernels.Matrix{Buffer: b[0], Rows: 1, Columns: 1}}})
		got := [][]byte{make([]byte, 4), make([]byte, 4)}
		devicetest.Read(t, d, got, b)
		if x, y := devicetest.AsFloats(got[0])[0], devicetest.AsFloats(got[1])[0]; x != reference.Activate(kernels.ReLU, -2) || y != 1 {
			t.Errorf("got %g and %g, want 0 and 1", x, y)
		}
	})
}
