package reference_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bedside/kernels"
	"bedside/kernels/reference"
)

// bench is a device with what tests need to fill and read it.
type bench struct {
	*reference.Device
	t      *testing.T
	random *rand.Rand
}

func newBench(t *testing.T) bench {
	return bench{reference.NewDevice(), t, rand.New(rand.NewPCG(1, uint64(len(t.Name()))))}
}

func (b bench) allocate(size int) kernels.Buffer {
	b.t.Helper()
	buffers, err := b.Allocate(size)
	if err != nil {
		b.t.Fatal(err)
	}
	return buffers[0]
}

// put stores elements of any fixed size, little-endian.
func (b bench) put(elements any) kernels.Buffer {
	b.t.Helper()
	data, err := binary.Append(nil, binary.LittleEndian, elements)
	if err != nil {
		b.t.Fatal(err)
	}
	to := b.allocate(len(data))
	if err := b.Write(to, data); err != nil {
		b.t.Fatal(err)
	}
	return to
}

func (b bench) matrix(rows, columns int, x []float32) kernels.Matrix {
	return kernels.Matrix{Buffer: b.put(x), Rows: rows, Columns: columns}
}

func (b bench) empty(rows, columns int) kernels.Matrix {
	return kernels.Matrix{Buffer: b.allocate(4 * rows * columns), Rows: rows, Columns: columns}
}

func (b bench) quantized(rows, columns int) kernels.Quantized {
	return kernels.Quantized{Buffer: b.allocate(b.QuantizedBytes(rows, columns)), Rows: rows, Columns: columns}
}

func (b bench) floats(m kernels.Matrix) []float32 {
	b.t.Helper()
	data, x := make([]byte, 4*m.Rows*m.Columns), make([]float32, m.Rows*m.Columns)
	if err := b.Read(data, m.Buffer); err != nil {
		b.t.Fatal(err)
	}
	if _, err := binary.Decode(data, binary.LittleEndian, x); err != nil {
		b.t.Fatal(err)
	}
	return x
}

func (b bench) normal(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(b.random.NormFloat64())
	}
	return x
}

func (b bench) run(program ...kernels.Op) {
	b.t.Helper()
	if err := b.Run(program); err != nil {
		b.t.Fatal(err)
	}
}

// near compares with what float64 gives.
func (b bench) near(what string, got []float32, want []float64) {
	b.t.Helper()
	if len(got) != len(want) {
		b.t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(float64(got[i])-want[i]) <= 1e-6*(1+math.Abs(want[i]))) {
			b.t.Errorf("%s: element %d is %g, want %g", what, i, got[i], want[i])
			return
		}
	}
}

func padded(x []float32, n int) []float32 {
	return append(slices.Clone(x), make([]float32, n-len(x))...)
}

var denseShapes = []struct{ rows, in, out int }{{1, 1, 1}, {3, 16, 8}, {5, 17, 9}, {4, 37, 24}, {2, 64, 50}, {7, 3, 130}}

func TestLinear(t *testing.T) {
	for _, s := range denseShapes {
		for _, residual := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d×%d→%d %v", s.rows, s.in, s.out, residual), func(t *testing.T) {
				b := newBench(t)
				w := make([]int8, s.in*s.out)
				for i := range w {
					w[i] = int8(b.random.IntN(255) - 127)
				}
				outs := kernels.Padded(s.out, kernels.PanelWidth)
				in, scales, bias, rest := b.normal(s.rows*s.in), b.normal(s.out), b.normal(s.out), b.normal(s.rows*s.out)
				packed := kernels.Packed{
					Weights: b.put(kernels.PackInt8(w, s.in, s.out)), Scales: b.put(padded(scales, outs)),
					Sums: b.put(kernels.PackedSums(w, s.in, s.out)), In: s.in, Out: s.out,
				}
				q, out := b.quantized(s.rows, s.in), b.matrix(s.rows, s.out, rest)
				op := kernels.Linear{In: q, Weights: packed, Bias: b.put(padded(bias, outs)), Out: out}
				if residual {
					op.Residual = out
				}
				b.run(kernels.Quantize{In: b.matrix(s.rows, s.in, in), Out: q}, op)
				values, rowScales, zeros, err := b.Quantized(q)
				if err != nil {
					t.Fatal(err)
				}
				var want []float64
				for r := range s.rows {
					for n := range s.out {
						sum := 0
						for k := range s.in {
							sum += (int(values[r*s.in+k]) - int(zeros[r])) * int(w[n*s.in+k])
						}
						x := float64(sum)*float64(rowScales[r])*float64(scales[n]) + float64(bias[n])
						if residual {
							x += float64(rest[r*s.out+n])
						}
						want = append(want, x)
					}
				}
				b.near("out", b.floats(out), want)
			})
		}
	}
}

// TestLinearSums: with scales of 1 the answer is the sum itself.
func TestLinearSums(t *testing.T) {
	b := newBench(t)
	const in = 1000
	w := make([]int8, in*2)
	x := make([]float32, in)
	for k := range in {
		w[k], w[in+k] = 127, int8(k%255-127)
		x[k] = float32(k % 128)
	}
	sums := kernels.PackedSums(w, in, 2)
	q, out := b.quantized(1, in), b.empty(1, 2)
	b.run(kernels.Quantize{In: b.matrix(1, in, x), Out: q}, kernels.Linear{
		In: q, Bias: b.allocate(32), Out: out,
		Weights: kernels.Packed{Weights: b.put(kernels.PackInt8(w, in, 2)), Scales: b.put(padded([]float32{1, 1}, 8)), Sums: b.put(sums), In: in, Out: 2},
	})
	var want [2]int
	for k := range in {
		want[0] += 127 * (k % 128)
		want[1] += (k%255 - 127) * (k % 128)
	}
	if got := b.floats(out); got[0] != float32(want[0]) || got[1] != float32(want[1]) {
		t.Errorf("sums %v, want %v", got, want)
	}
}

func TestLinearFloat(t *testing.T) {
	for _, s := range denseShapes {
		for _, residual := range []bool{false, true} {
			b := newBench(t)
			w, in, bias, rest := b.normal(s.in*s.out), b.normal(s.rows*s.in), b.normal(s.out), b.normal(s.rows*s.out)
			out := b.matrix(s.rows, s.out, rest)
			op := kernels.LinearFloat{
				In: b.matrix(s.rows, s.in, in), Weights: kernels.Panels{Weights: b.put(kernels.PackPanels(w, s.in, s.out)), In: s.in, Out: s.out},
				Bias: b.put(padded(bias, kernels.Padded(s.out, kernels.PanelWidth))), Out: out,
			}
			if residual {
				op.Residual = out
			}
			b.run(op)
			var want []float64
			for r := range s.rows {
				for n := range s.out {
					x := float64(bias[n])
					for k := range s.in {
						x += float64(in[r*s.in+k]) * float64(w[n*s.in+k])
					}
					if residual {
						x += float64(rest[r*s.out+n])
					}
					want = append(want, x)
				}
			}
			b.near(fmt.Sprintf("%+v", s), b.floats(out), want)
		}
	}
}

func TestAttention(t *testing.T) {
	for _, c := range []struct {
		rows, heads, size int
		sequences         []kernels.Sequence
	}{
		{1, 1, 1, []kernels.Sequence{{First: 0, Rows: 1, Keys: 1}}},
		{7, 2, 12, []kernels.Sequence{{First: 0, Rows: 7, Keys: 7}}},
		{9, 3, 5, []kernels.Sequence{{First: 0, Rows: 4, Keys: 2}, {First: 4, Rows: 3, Keys: 3}, {First: 8, Rows: 1, Keys: 1}}},
		{9, 2, 4, []kernels.Sequence{{First: 0, Rows: 1, Keys: 5}, {First: 6, Rows: 2, Keys: 3}}},
		{3, 4, 8, nil},
	} {
		b := newBench(t)
		columns := c.heads * c.size
		qkv, old := b.normal(c.rows*3*columns), b.normal(c.rows*columns)
		for i := range qkv {
			qkv[i] *= 3
		}
		out := b.matrix(c.rows, columns, old)
		b.run(kernels.Attention{QKV: b.matrix(c.rows, 3*columns, qkv), Heads: c.heads, Sequences: c.sequences, Out: out})
		want := make([]float64, len(old))
		for i, x := range old {
			want[i] = float64(x)
		}
		at := func(r, part, column int) float64 { return float64(qkv[(r*3+part)*columns+column]) }
		for _, s := range c.sequences {
			for h := range c.heads {
				for r := s.First; r < s.First+s.Rows; r++ {
					share, sum := make([]float64, s.Keys), 0.0
					for k := range share {
						for j := range c.size {
							share[k] += at(r, 0, h*c.size+j) * at(s.First+k, 1, h*c.size+j)
						}
						share[k] = math.Exp(share[k] / math.Sqrt(float64(c.size)))
						sum += share[k]
					}
					for j := range c.size {
						x := 0.0
						for k, e := range share {
							x += e / sum * at(s.First+k, 2, h*c.size+j)
						}
						want[r*columns+h*c.size+j] = x
					}
				}
			}
		}
		b.near(fmt.Sprintf("%+v", c), b.floats(out), want)
	}
}

func TestEmbed(t *testing.T) {
	b := newBench(t)
	const rows, columns = 4, 6
	word := []int8{0, 1, 2, 3, 4, 5, 10, -20, 30, -40, 50, -127, 7, 7, 7, 7, 7, 7}
	scales := []float32{0.5, 0.01, 2}
	positions, types := b.normal(5*columns), b.normal(2*columns)
	gamma, beta := b.normal(columns), b.normal(columns)
	tokens, places, kinds := []int32{1, 0, 2, 1}, []int32{4, 3, 0, 1}, []int32{0, 1, 1, 0}
	op := kernels.Embed{
		Tokens: b.put(tokens), Places: b.put(places), Kinds: b.put(kinds),
		Word:      kernels.Table{Values: b.put(word), Scales: b.put(scales), Rows: 3, Columns: columns},
		Positions: kernels.Table{Values: b.put(positions), Rows: 5, Columns: columns},
		Types:     kernels.Table{Values: b.put(types), Rows: 2, Columns: columns},
		Norm:      kernels.Norm{Gamma: b.put(gamma), Beta: b.put(beta), Epsilon: 1e-5},
		Out:       b.empty(rows, columns),
	}
	b.run(op)
	var want []float64
	for r := range rows {
		x := make([]float64, columns)
		mean, variance := 0.0, 0.0
		for c := range x {
			x[c] = float64(word[int(tokens[r])*columns+c])*float64(scales[tokens[r]]) +
				float64(positions[int(places[r])*columns+c]) + float64(types[int(kinds[r])*columns+c])
			mean += x[c] / columns
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / columns
		}
		for c, v := range x {
			want = append(want, (v-mean)/math.Sqrt(variance+1e-5)*float64(gamma[c])+float64(beta[c]))
		}
	}
	b.near("out", b.floats(op.Out), want)

	for _, bad := range []struct {
		to  kernels.Buffer
		ids []int32
	}{{op.Tokens, []int32{0, 3, 0, 0}}, {op.Places, []int32{0, 0, 0, -1}}, {op.Kinds, []int32{2, 0, 0, 0}}} {
		data, _ := binary.Append(nil, binary.LittleEndian, bad.ids)
		if err := b.Write(bad.to, data); err != nil {
			t.Fatal(err)
		}
		if err := b.Run([]kernels.Op{op}); err == nil {
			t.Errorf("ids %v are accepted", bad.ids)
		}
		if err := b.Write(bad.to, make([]byte, len(data))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNormalizeQuantizesItsAnswer(t *testing.T) {
	b := newBench(t)
	const rows, columns = 5, 20
	norm := kernels.Norm{Gamma: b.put(b.normal(columns)), Beta: b.put(b.normal(columns)), Epsilon: 1e-12}
	multiplier := b.put(b.normal(columns))
	x := b.matrix(rows, columns, b.normal(rows*columns))
	fused, apart := b.quantized(rows, columns), b.quantized(rows, columns)
	b.run(
		kernels.Normalize{In: x, Norm: norm, Out: x, Multiplier: multiplier, Quantized: fused},
		kernels.Quantize{In: x, Multiplier: multiplier, Out: apart},
	)
	q, scales, zeros, err := b.Quantized(fused)
	if err != nil {
		t.Fatal(err)
	}
	q2, scales2, zeros2, err := b.Quantized(apart)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(q, q2) || !slices.Equal(scales, scales2) || !slices.Equal(zeros, zeros2) {
		t.Error("Normalize quantizes other than Quantize")
	}
	if slices.Max(q) == 0 {
		t.Error("all activations are 0")
	}
}

func TestQuantizeActivatesAndMultiplies(t *testing.T) {
	b := newBench(t)
	x := b.matrix(1, 3, []float32{-5, 2, 4})
	q := b.quantized(1, 3)
	b.run(kernels.Quantize{In: x, Activation: kernels.ReLU, Multiplier: b.put([]float32{100, -3.5, 30.25}), Out: q})
	values, scales, zeros, err := b.Quantized(q)
	if err != nil {
		t.Fatal(err)
	}
	// 0, -7 and 121: a range of 128.
	if scales[0] != 128.0/127 || zeros[0] != 7 || !slices.Equal(values, []uint8{7, 0, 127}) {
		t.Errorf("%v, scale %g, zero %d", values, scales[0], zeros[0])
	}
}

func TestActivatePoolWiden(t *testing.T) {
	b := newBench(t)
	x := b.matrix(4, 2, []float32{-1, 2, 3, -4, 5, 6, 7, 8})
	first, mean := b.empty(2, 2), b.empty(2, 2)
	sequences := []kernels.Sequence{{First: 0, Rows: 3, Keys: 2}, {First: 2, Rows: 2, Keys: 2}}
	halves, wide := b.put([]uint16{0x3c00, 0xc000, 0x0001}), b.empty(1, 3)
	b.run(
		kernels.Activate{Activation: kernels.ReLU, InOut: x},
		kernels.Pool{In: x, Sequences: sequences, Out: first},
		kernels.Pool{In: x, Sequences: sequences, Mean: true, Out: mean},
		kernels.Widen{In: halves, Out: wide.Buffer},
	)
	for _, c := range []struct {
		what      string
		got, want []float32
	}{
		{"activated", b.floats(x), []float32{0, 2, 3, 0, 5, 6, 7, 8}},
		{"first", b.floats(first), []float32{0, 2, 5, 6}},
		{"mean", b.floats(mean), []float32{1.5, 1, 6, 7}},
		{"widened", b.floats(wide), []float32{1, -2, 0x1p-24}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}

func TestAllocate(t *testing.T) {
	d := reference.NewDevice()
	d.Limit = 1000
	buffers, err := d.Allocate(1, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for i, size := range []uint32{1, 0, 100} {
		x := buffers[i]
		if x.Address == 0 || x.Address%kernels.Alignment != 0 || x.Bytes != size || size > 0 && seen[x.Address] {
			t.Errorf("buffer %d of %d bytes: %+v", i, size, x)
		}
		seen[x.Address] = seen[x.Address] || size > 0
	}
	if err := d.Write(buffers[2], []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Allocate(400, 500); !errors.Is(err, kernels.ErrMemory) {
		t.Errorf("900 bytes more than the limit: %v", err)
	}
	if _, err := d.Allocate(-1); err == nil {
		t.Error("a buffer of -1 bytes is handed out")
	}
	if _, err := d.Allocate(math.MaxInt, math.MaxInt); !errors.Is(err, kernels.ErrMemory) {
		t.Errorf("buffers beyond all memory: %v", err)
	}
	last, err := d.Allocate(800)
	if err != nil {
		t.Fatalf("what a refused Allocate asked for is missing: %v", err)
	}
	got := make([]byte, 4)
	if err := d.Read(got, buffers[2]); err != nil || !slices.Equal(got, []byte{1, 2, 3, 0}) {
		t.Errorf("after growing: %v, %v", got, err)
	}
	if err := d.Read(got, last[0]); err != nil || !slices.Equal(got, make([]byte, 4)) {
		t.Errorf("new memory: %v, %v", got, err)
	}
}

func TestDeviceRefusesForeignMemory(t *testing.T) {
	b := newBench(t)
	four, inside := b.empty(4, 16), b.empty(1, 16)
	outside := kernels.Matrix{Buffer: kernels.Buffer{Address: 1 << 20, Bytes: 64}, Rows: 1, Columns: 16}
	across := kernels.Matrix{Buffer: kernels.Buffer{Address: inside.Address + 4, Bytes: 64}, Rows: 1, Columns: 16}
	low := kernels.Matrix{Buffer: kernels.Buffer{Address: 4, Bytes: 64}, Rows: 1, Columns: 16}
	tight := kernels.Quantized{Buffer: inside.Buffer, Rows: 4, Columns: 16}
	if err := b.Write(inside.Buffer, make([]byte, 65)); err == nil {
		t.Error("65 bytes are written to 64")
	}
	if err := b.Read(make([]byte, 1), outside.Buffer); err == nil {
		t.Error("memory beyond the end is read")
	}
	for name, op := range map[string]kernels.Op{
		"outside":  kernels.Activate{InOut: outside},
		"across":   kernels.Activate{InOut: across},
		"below":    kernels.Activate{InOut: low},
		"no room":  kernels.Quantize{In: four, Out: tight},
		"unsound":  kernels.Activate{InOut: kernels.Matrix{Buffer: inside.Buffer, Rows: 2, Columns: 16}},
		"input":    kernels.Widen{In: kernels.Buffer{Address: 1 << 20, Bytes: 32}, Out: inside.Buffer},
		"quantity": kernels.Normalize{In: inside, Norm: kernels.Norm{Gamma: outside.Buffer, Beta: inside.Buffer}, Out: inside},
	} {
		before := b.floats(inside)
		if err := b.Run([]kernels.Op{kernels.Activate{Activation: kernels.Tanh, InOut: inside}, op}); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if !slices.Equal(before, b.floats(inside)) {
			t.Errorf("%s: a refused program ran in part", name)
		}
	}
	if _, _, _, err := b.Quantized(tight); err == nil {
		t.Error("4 × 16 activations are read from 64 bytes")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Run([]kernels.Op{kernels.Activate{InOut: inside}}); err == nil {
		t.Error("a closed device runs")
	}
	if _, err := b.Allocate(1); err == nil {
		t.Error("a closed device allocates")
	}
}

func BenchmarkLinear(b *testing.B) {
	const rows, in, out = 128, 768, 768
	d := reference.NewDevice()
	outs := kernels.Padded(out, kernels.PanelWidth)
	buffers, err := d.Allocate(d.QuantizedBytes(rows, in), outs*in, 4*outs, 4*outs, 4*outs, 4*rows*out)
	if err != nil {
		b.Fatal(err)
	}
	op := kernels.Linear{
		In:      kernels.Quantized{Buffer: buffers[0], Rows: rows, Columns: in},
		Weights: kernels.Packed{Weights: buffers[1], Scales: buffers[2], Sums: buffers[3], In: in, Out: out},
		Bias:    buffers[4], Out: kernels.Matrix{Buffer: buffers[5], Rows: rows, Columns: out},
	}
	for b.Loop() {
		if err := d.Run([]kernels.Op{op}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*rows*in*out/b.Elapsed().Seconds()/1e9, "GMAC/s")
}
