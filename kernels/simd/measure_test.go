package simd_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"bedside/kernels"
	"bedside/kernels/simd"
	"bedside/kernels/simd/chromium"
	"bedside/kernels/simd/emit"
)

// measured is a program of one kind of operation, and its work.
type measured struct {
	name    string
	work    float64 // multiply-accumulates, or elements
	unit    string  // "GMAC/s", or "ns" for nanoseconds an element
	floats  bool    // multiplies floats
	program func(a *allocator) []kernels.Op
}

// allocator takes buffers of a device and keeps the first error.
type allocator struct {
	kernels.Device
	err error
}

func (a *allocator) take(bytes int) kernels.Buffer {
	b, err := a.Allocate(bytes)
	if err != nil {
		a.err = err
		return kernels.Buffer{}
	}
	return b[0]
}

func (a *allocator) matrix(rows, columns int) kernels.Matrix {
	return kernels.Matrix{Buffer: a.take(4 * rows * columns), Rows: rows, Columns: columns}
}

func (a *allocator) quantized(rows, columns int) kernels.Quantized {
	return kernels.Quantized{Buffer: a.take(a.QuantizedBytes(rows, columns)), Rows: rows, Columns: columns}
}

func (a *allocator) norm(columns int) kernels.Norm {
	return kernels.Norm{Gamma: a.take(4 * columns), Beta: a.take(4 * columns), Epsilon: 1e-12}
}

func linearWork(rows, in, out int) measured {
	return measured{fmt.Sprintf("linear %d × %d → %d", rows, in, out), float64(rows) * float64(in) * float64(out), "GMAC/s", false,
		func(a *allocator) []kernels.Op {
			w := kernels.Packed{Weights: a.take(in * out), Scales: a.take(4 * out), Sums: a.take(4 * out), In: in, Out: out}
			return []kernels.Op{kernels.Linear{In: a.quantized(rows, in), Weights: w, Bias: a.take(4 * out), Out: a.matrix(rows, out)}}
		}}
}

func attentionWork(rows, heads, size int) measured {
	return measured{fmt.Sprintf("attention %d rows, %d heads of %d", rows, heads, size), 2 * float64(rows) * float64(rows) * float64(heads*size), "GMAC/s", true,
		func(a *allocator) []kernels.Op {
			return []kernels.Op{kernels.Attention{QKV: a.matrix(rows, 3*heads*size), Heads: heads,
				Sequences: []kernels.Sequence{{Rows: rows, Keys: rows}}, Out: a.matrix(rows, heads*size)}}
		}}
}

func works() []measured {
	const rows = 128
	return []measured{
		linearWork(128, 768, 768), linearWork(128, 768, 2304), linearWork(128, 768, 3072), linearWork(128, 3072, 768),
		linearWork(512, 768, 3072), linearWork(512, 3072, 768), linearWork(128, 384, 1536), linearWork(512, 384, 1152),
		{"float linear 128 × 768 → 768", rows * 768 * 768, "GMAC/s", true, func(a *allocator) []kernels.Op {
			return []kernels.Op{kernels.LinearFloat{In: a.matrix(rows, 768), Weights: kernels.Panels{Weights: a.take(4 * 768 * 768), In: 768, Out: 768},
				Bias: a.take(4 * 768), Out: a.matrix(rows, 768)}}
		}},
		attentionWork(128, 12, 64), attentionWork(512, 12, 64), attentionWork(128, 12, 32), attentionWork(512, 12, 32),
		{"quantize 128 × 768", rows * 768, "ns", false, func(a *allocator) []kernels.Op {
			return []kernels.Op{kernels.Quantize{In: a.matrix(rows, 768), Multiplier: a.take(4 * 768), Out: a.quantized(rows, 768)}}
		}},
		{"GELU and quantize 128 × 3072", rows * 3072, "ns", false, func(a *allocator) []kernels.Op {
			return []kernels.Op{kernels.Quantize{In: a.matrix(rows, 3072), Activation: kernels.GELU, Multiplier: a.take(4 * 3072), Out: a.quantized(rows, 3072)}}
		}},
		{"layer norm and quantize 128 × 768", rows * 768, "ns", false, func(a *allocator) []kernels.Op {
			return []kernels.Op{kernels.Normalize{In: a.matrix(rows, 768), Norm: a.norm(768), Out: a.matrix(rows, 768),
				Multiplier: a.take(4 * 768), Quantized: a.quantized(rows, 768)}}
		}},
	}
}

// TestMeasure prints what each kernel does in Chromium on one core, against what
// registers alone can do. BEDSIDE_FLAGS holds flags for V8.
func TestMeasure(t *testing.T) {
	if os.Getenv("BEDSIDE_BENCH") == "" {
		t.Skip("set BEDSIDE_BENCH=1 to measure")
	}
	var flags []string
	if f := os.Getenv("BEDSIDE_FLAGS"); f != "" {
		flags = append(flags, "js-flags="+f)
	}
	b, err := chromium.Start(context.Background(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, v := range emit.Variants() {
		if v.Shared {
			continue
		}
		integers, floats := peak(t, b, v, false), peak(t, b, v, true)
		fmt.Printf("| %s | measured | of the register peak |\n|---|---|---|\n", v.Name)
		fmt.Printf("| registers alone, int8 / float32 | %.0f / %.0f GMAC/s | |\n", integers, floats)
		for _, w := range works() {
			ms := median(t, b, v, w)
			switch {
			case w.unit == "ns":
				fmt.Printf("| %s | %.2f ns an element | |\n", w.name, ms*1e6/w.work)
			case w.floats:
				fmt.Printf("| %s | %.1f GMAC/s | %.0f %% |\n", w.name, w.work/ms/1e6, 100*w.work/ms/1e6/floats)
			default:
				fmt.Printf("| %s | %.1f GMAC/s | %.0f %% |\n", w.name, w.work/ms/1e6, 100*w.work/ms/1e6/integers)
			}
		}
		fmt.Println(strings.Repeat("-", 8))
	}
}

// peak is GMAC/s.
func peak(t *testing.T, b *chromium.Browser, v emit.Variant, floats bool) float64 {
	tab, err := b.OpenModule(emit.Peak(v, floats), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	const rounds = 10_000_000
	best := 0.0
	for range 7 {
		_, ms, err := tab.Probe(rounds)
		if err != nil {
			t.Fatal(err)
		}
		best = max(best, rounds*float64(emit.PeakMACs(v, floats))/ms/1e6)
	}
	return best
}

// median is the milliseconds of one operation, repeated in programs of several.
func median(t *testing.T, b *chromium.Browser, v emit.Variant, w measured) float64 {
	const repeats, rounds = 8, 25
	tab, err := b.Open(v.Name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	d := simd.New(tab)
	a := &allocator{Device: d}
	program := slices.Repeat(w.program(a), repeats)
	if a.err != nil {
		t.Fatal(a.err)
	}
	for range 3 { // until V8 has optimized the kernels
		if err := d.Run(program); err != nil {
			t.Fatal(err)
		}
	}
	times, err := tab.Time(d.Program(), rounds)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(times)
	return times[rounds/2] / repeats
}
