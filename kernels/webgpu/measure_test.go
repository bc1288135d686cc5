package webgpu_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/chromium"
)

// TestMeasure prints what each operation of a forward of 128 tokens takes on Chromium's GPU, by
// submitting it many times over: in the MiniLM-L6 shape, 384 wide with 12 heads.
func TestMeasure(t *testing.T) {
	if os.Getenv("BEDSIDE_BENCH") == "" {
		t.Skip("set BEDSIDE_BENCH=1 to measure")
	}
	const rows, width, inner = 128, 384, 1536
	for _, packed := range []bool{true, false} {
		fmt.Printf("| packed dots: %t; %d rows | ms | GMAC/s |\n|---|--:|--:|\n", packed, rows)
		for _, m := range []struct {
			name    string
			macs    float64
			program func(*room) kernels.Op
		}{
			{"linear 384 → 1152", rows * width * 3 * width, func(r *room) kernels.Op { return r.linear(rows, width, 3*width) }},
			{"linear 384 → 384", rows * width * width, func(r *room) kernels.Op { return r.linear(rows, width, width) }},
			{"linear 384 → 1536", rows * width * inner, func(r *room) kernels.Op { return r.linear(rows, width, inner) }},
			{"linear 1536 → 384", rows * inner * width, func(r *room) kernels.Op { return r.linear(rows, inner, width) }},
			{"attention, 12 heads of 32", 2 * rows * rows * width, func(r *room) kernels.Op {
				return kernels.Attention{QKV: r.matrix(rows, 3*width), Heads: 12, Sequences: []kernels.Sequence{{Rows: rows, Keys: rows}}, Out: r.matrix(rows, width)}
			}},
			{"layer norm and quantize, 384 columns", 0, func(r *room) kernels.Op {
				m := r.matrix(rows, width)
				return kernels.Normalize{In: m, Norm: kernels.Norm{Gamma: r.take(4 * width), Beta: r.take(4 * width), Epsilon: 1e-12}, Out: m,
					Multiplier: r.take(4 * width), Quantized: r.quantized(rows, width)}
			}},
			{"GELU and quantize, 1536 columns", 0, func(r *room) kernels.Op {
				return kernels.Quantize{In: r.matrix(rows, inner), Activation: kernels.GELU, Multiplier: r.take(4 * inner), Out: r.quantized(rows, inner)}
			}},
		} {
			ms := milliseconds(t, chromium.Options{Unpacked: !packed}, m.program)
			rate := ""
			if m.macs > 0 {
				rate = fmt.Sprintf("%.1f", m.macs/ms/1e6)
			}
			fmt.Printf("| %s | %.2f | %s |\n", m.name, ms, rate)
		}
	}
}

// TestMeasureHost prints what a forward of 12 layers costs beside the GPU's own time: dispatches, the host's time to
// encode and submit them, and the time until pipelines are ready.
func TestMeasureHost(t *testing.T) {
	if os.Getenv("BEDSIDE_BENCH") == "" {
		t.Skip("set BEDSIDE_BENCH=1 to measure")
	}
	const layers, rounds = 12, 15
	fmt.Printf("| 12 layers | dispatches a layer | encode and submit | pipelines ready |\n|---|--:|--:|--:|\n")
	for _, packed := range []bool{true, false} {
		tab, err := startBrowser(t).Open(chromium.Options{Unpacked: !packed})
		if err != nil {
			t.Fatal(err)
		}
		d, err := webgpu.New(tab)
		if err != nil {
			t.Fatal(err)
		}
		ready, err := tab.Ready()
		if err != nil {
			t.Fatal(err)
		}
		r := &room{t, d}
		devicetest.Run(t, d, slices.Repeat(r.layer(16, 64, 256, 2), layers))
		if err := tab.Settle(); err != nil {
			t.Fatal(err)
		}
		times, err := tab.Encode(rounds)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(times)
		fmt.Printf("| packed dots: %t | %.1f | %.2f ms | %.0f ms |\n", packed, float64(tab.Dispatches())/layers, times[rounds/2], ready)
		tab.Close()
	}
}

// TestMeasureKernels prints what each kernel of a forward of 128 tokens takes on the GPU's own clock, in the MiniLM-L6 shape; where
// there is no clock, what the forward takes.
func TestMeasureKernels(t *testing.T) {
	if os.Getenv("BEDSIDE_BENCH") == "" {
		t.Skip("set BEDSIDE_BENCH=1 to measure")
	}
	const layers, rows, width, inner, heads, rounds = 6, 128, 384, 1536, 12, 5
	tab, name := openAsThePage(t)
	defer tab.Close()
	d, err := webgpu.New(tab)
	if err != nil {
		t.Fatal(err)
	}
	devicetest.Run(t, d, slices.Repeat((&room{t, d}).layer(rows, width, inner, heads), layers))
	if err := tab.Settle(); err != nil {
		t.Fatal(err)
	}
	whole, err := tab.Time(1, rounds)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(whole)
	times, err := tab.Kernels(rounds)
	if err != nil {
		t.Fatal(err)
	}
	clock := "by its clock"
	if len(times) == 0 {
		clock = "which has no clock"
	}
	fmt.Printf("| %d layers, %d rows, on %s, %s | dispatches | ms | share |\n|---|--:|--:|--:|\n", layers, rows, name, clock)
	printKernels(times)
	fmt.Printf("| the whole, wall time%s | %d | %.2f | |\n", ofPeak(layers*perLayer(rows, width, inner), whole[rounds/2]), tab.Dispatches(), whole[rounds/2])
}

// openAsThePage opens a GPU as the page has it: without packed dots where it is made of software.
func openAsThePage(t *testing.T) (tab *chromium.Tab, name string) {
	t.Helper()
	for _, unpacked := range []bool{false, true} {
		var err error
		if tab, err = startBrowser(t).Open(chromium.Options{Unpacked: unpacked}); err != nil {
			t.Fatal(err)
		}
		var software bool
		if name, software, err = tab.Adapter(); err != nil {
			t.Fatal(err)
		}
		if software == unpacked {
			break
		}
		tab.Close()
	}
	return tab, name
}

// printKernels prints the median of the rounds, kernel by kernel.
func printKernels(rounds [][]chromium.Kernel) {
	if len(rounds) == 0 {
		return
	}
	all := 0.0
	medians := make([]float64, len(rounds[0]))
	for i := range medians {
		var times []float64
		for _, round := range rounds {
			times = append(times, round[i].MS)
		}
		slices.Sort(times)
		medians[i] = times[len(times)/2]
		all += medians[i]
	}
	for i, kernel := range rounds[0] {
		fmt.Printf("| %s | %d | %.2f | %.0f %% |\n", kernel.Name, kernel.Dispatches, medians[i], 100*medians[i]/all)
	}
	fmt.Printf("| all kernels | | %.2f | |\n", all)
}

// perLayer is multiply-adds: dense layers and attention.
func perLayer(rows, width, inner float64) float64 {
	return rows*width*(4*width+2*inner) + 2*rows*rows*width
}

// ofPeak is the share of the card's peak that so many multiply-adds in some milliseconds are, where BEDSIDE_PEAK tells it
// in TFLOPS.
func ofPeak(macs, ms float64) string {
	peak, err := strconv.ParseFloat(os.Getenv("BEDSIDE_PEAK"), 64)
	if err != nil || peak <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%.2f %% of %g TFLOPS)", 100*2*macs/(ms/1e3)/(peak*1e12), peak)
}

// layer is the operations of one, as an encoder has them.
func (r *room) layer(rows, width, inner, heads int) []kernels.Op {
	hidden, context, wide := r.matrix(rows, width), r.matrix(rows, width), r.matrix(rows, max(3*width, inner))
	shaped := func(columns int) kernels.Matrix {
		return kernels.Matrix{Buffer: wide.Buffer, Rows: rows, Columns: columns}
	}
	q := r.take(r.d.QuantizedBytes(rows, inner))
	quantized := func(columns int) kernels.Quantized {
		return kernels.Quantized{Buffer: q, Rows: rows, Columns: columns}
	}
	linear := func(in int, out, residual kernels.Matrix) kernels.Op {
		l := r.linear(rows, in, out.Columns).(kernels.Linear)
		l.In, l.Out, l.Residual = quantized(in), out, residual
		return l
	}
	normalize := func() kernels.Op {
		return kernels.Normalize{In: hidden, Norm: kernels.Norm{Gamma: r.take(4 * width), Beta: r.take(4 * width), Epsilon: 1e-12}, Out: hidden,
			Multiplier: r.take(4 * width), Quantized: quantized(width)}
	}
	return []kernels.Op{
		linear(width, shaped(3*width), kernels.Matrix{}),
		kernels.Attention{QKV: shaped(3 * width), Heads: heads, Sequences: []kernels.Sequence{{Rows: rows, Keys: rows}}, Out: context},
		kernels.Quantize{In: context, Multiplier: r.take(4 * width), Out: quantized(width)},
		linear(width, hidden, hidden),
		normalize(),
		linear(width, shaped(inner), kernels.Matrix{}),
		kernels.Quantize{In: shaped(inner), Activation: kernels.GELU, Multiplier: r.take(4 * inner), Out: quantized(inner)},
		linear(inner, hidden, hidden),
		normalize(),
	}
}

// milliseconds is the median of one operation.
func milliseconds(t *testing.T, o chromium.Options, program func(*room) kernels.Op) float64 {
	t.Helper()
	const repeats, rounds = 4, 7
	tab, err := startBrowser(t).Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	d, err := webgpu.New(tab)
	if err != nil {
		t.Fatal(err)
	}
	r := &room{t, d}
	devicetest.Run(t, d, []kernels.Op{program(r)})
	if err := tab.Settle(); err != nil {
		t.Fatal(err)
	}
	times, err := tab.Time(repeats, rounds)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(times)
	return times[rounds/2] / repeats
}

// room takes buffers of a device.
type room struct {
	t *testing.T
	d kernels.Device
}

func (r *room) take(bytes int) kernels.Buffer {
	r.t.Helper()
	b, err := r.d.Allocate(bytes)
	if err != nil {
		r.t.Fatal(err)
	}
	return b[0]
}

func (r *room) matrix(rows, columns int) kernels.Matrix {
	return kernels.Matrix{Buffer: r.take(4 * rows * columns), Rows: rows, Columns: columns}
}

func (r *room) quantized(rows, columns int) kernels.Quantized {
	return kernels.Quantized{Buffer: r.take(r.d.QuantizedBytes(rows, columns)), Rows: rows, Columns: columns}
}

func (r *room) linear(rows, in, out int) kernels.Op {
	w := kernels.Packed{Weights: r.take(in * out), Scales: r.take(4 * out), Sums: r.take(4 * out), In: in, Out: out}
	return kernels.Linear{In: r.quantized(rows, in), Weights: w, Bias: r.take(4 * out), Out: r.matrix(rows, out)}
}
