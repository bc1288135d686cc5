package webgpu_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/webgpu"
)

// small is a host that states less than its GPU has.
type small struct {
	host
	binding, buffer uint32
}

func (s small) Limits() webgpu.Limits {
	l := s.host.Limits()
	l.Binding, l.Buffer = s.binding, s.buffer
	return l
}

// eachSmall runs a test on every host, with bindings of 8 KiB and buffers of 20: what is larger is split.
func eachSmall(t *testing.T, test func(t *testing.T, d kernels.Device)) {
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			host := small{h.open(t), 8 << 10, 20 << 10}
			defer host.Close()
			d, err := webgpu.New(host)
			if err != nil {
				t.Fatal(err)
			}
			test(t, device{d, host, h.name})
		})
	}
}

// TestSplit holds operations on tensors that cannot be bound at once to the reference.
func TestSplit(t *testing.T) {
	eachSmall(t, func(t *testing.T, d kernels.Device) {
		r := rand.New(rand.NewPCG(7, 7))
		for _, c := range []devicetest.Linear{
			{Rows: 3, In: 64, Out: 200, Residual: "absent", Multiplied: true}, {Rows: 3, In: 64, Out: 200, Residual: "out", AtOnce: true, Multiplied: true},
			{Rows: 5, In: 33, Out: 257, Residual: "present", AtOnce: true}, {Rows: 1, In: 120, Out: 129, Residual: "present"},
		} {
			t.Run(c.String(), func(t *testing.T) { c.Agree(t, d) })
		}
		for _, residual := range devicetest.Residuals {
			t.Run("float, residual "+residual, func(t *testing.T) { devicetest.LinearFloat{Rows: 3, In: 25, Out: 150, Residual: residual}.Agree(t, d) })
		}
		// 400 rows of 30 int8 lie in one buffer and two bindings; 1000, or 400 of float32, in several buffers too. Rows lie across.
		int8s := func(rows int) devicetest.Table { return devicetest.Table{Rows: rows, Packed: true} }
		floats := func(rows int) devicetest.Table { return devicetest.Table{Rows: rows} }
		for _, tables := range [][3]devicetest.Table{
			{int8s(400), int8s(24), int8s(2)}, {int8s(1000), int8s(400), int8s(2)}, {int8s(24), int8s(1000), int8s(2)},
			{floats(400), floats(400), floats(400)}, {floats(1000), int8s(400), floats(2)}, {floats(2), int8s(2), int8s(1000)},
		} {
			t.Run(fmt.Sprintf("embed %v", tables), func(t *testing.T) { testEmbed(t, d, 40, 30, tables) })
		}
		for _, n := range []int{2000, 2048, 5000, 12345} {
			t.Run(fmt.Sprintf("widen %d", n), func(t *testing.T) {
				halves := make([]byte, 2*n)
				for i := range halves {
					halves[i] = byte(r.IntN(256))
				}
				devicetest.Agree(t, d, []devicetest.Operand{{Data: halves}, {Data: make([]byte, 4*n), Compare: sameNumbers}, {Data: make([]byte, 64)}},
					func(_ kernels.Device, b []kernels.Buffer) []kernels.Op {
						return []kernels.Op{kernels.Widen{In: b[0], Out: b[1]}}
					})
			})
		}
	})
}

// TestSplitBindings: what lists bind is within the limits, and lies in one GPU buffer each.
func TestSplitBindings(t *testing.T) {
	n := &notebook{limits: minimum}
	n.limits.Binding, n.limits.Buffer = 16<<10, 50_000
	d, err := webgpu.New(n)
	if err != nil {
		t.Fatal(err)
	}
	r := &room{t, d}
	packed := kernels.Packed{Weights: r.take(64 * 704), Scales: r.take(4 * 704), Sums: r.take(4 * 704), In: 64, Out: 700}
	if err := d.Run([]kernels.Op{kernels.Linear{In: r.quantized(3, 64), Weights: packed, Bias: r.take(4 * 704), Out: r.matrix(3, 700)}}); err != nil {
		t.Fatal(err)
	}
	table := kernels.Table{Values: r.take(4 * 90_000), Rows: 3000, Columns: 30}
	ids := [3]kernels.Buffer{r.take(16), r.take(16), r.take(16)}
	norm := kernels.Norm{Gamma: r.take(120), Beta: r.take(120)}
	if err := d.Run([]kernels.Op{kernels.Embed{Tokens: ids[0], Places: ids[1], Kinds: ids[2], Word: table, Positions: kernels.Table{Values: r.take(240), Rows: 2, Columns: 30},
		Types: kernels.Table{Values: r.take(240), Rows: 2, Columns: 30}, Norm: norm, Out: r.matrix(4, 30)}}); err != nil {
		t.Fatal(err)
	}
	if err := d.Run([]kernels.Op{kernels.Widen{In: r.take(60_001 * 2), Out: r.take(60_001 * 4)}}); err != nil {
		t.Fatal(err)
	}
	begin := uint32(256)
	for _, end := range n.ends {
		if end-begin > n.limits.Buffer {
			t.Errorf("a GPU buffer of %d bytes", end-begin)
		}
		begin = end
	}
	for i, list := range n.lists {
		if n.checkBindings(t, list) < []int{3, 20, 10}[i] {
			t.Errorf("list %d is not split", i)
		}
	}
}

// TestNotSplit: matrices that cannot be bound are refused, and weights that lie in several GPU buffers.
func TestNotSplit(t *testing.T) {
	n := &notebook{limits: minimum}
	n.limits.Binding, n.limits.Buffer = 8<<10, 20<<10
	d, err := webgpu.New(n)
	if err != nil {
		t.Fatal(err)
	}
	r := &room{t, d}
	weights := kernels.Packed{Weights: r.take(64 * 400), Scales: r.take(1600), Sums: r.take(1600), In: 64, Out: 400}
	for what, op := range map[string]kernels.Op{
		"matrix":  kernels.Activate{Activation: kernels.ReLU, InOut: r.matrix(100, 30)},
		"weights": kernels.Linear{In: r.quantized(1, 64), Weights: weights, Bias: r.take(1600), Out: r.matrix(1, 400)},
	} {
		if err := d.Run([]kernels.Op{op}); !errors.Is(err, kernels.ErrMemory) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(n.submits) > 0 {
		t.Errorf("%d lists were submitted", len(n.submits))
	}
}
