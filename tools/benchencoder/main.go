// Command benchencoder measures the encoder engine beside onnxruntime-web: the same random weights, int8
// both, in the same page of the same Chromium, turn by turn. It prints Markdown tables and
// writes every number to report.json; it judges nothing. It needs Chromium, Debian's
// python3-onnx, and npm ci in this directory and in site.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"bedside/kernels/chromium"
)

type options struct {
	Models  []string      `default:"bert-base,minilm-l6" help:"Models, of onnx_models.py."`
	Tokens  []int         `default:"128,256,512" help:"Tokens of the notes."`
	Threads []int         `default:"1,2" help:"Threads of both engines. Without AVX-VNNI only the first is tried."`
	Parts   []string      `default:"contest,no-vnni,opening,parity,tokens,headless" enum:"contest,no-vnni,webgpu,opening,parity,tokens,headless" help:"What to measure: ${enum}."`
	Rounds  int           `default:"15" help:"Rounds of each contest."`
	Warm    time.Duration `default:"3s" help:"How long each engine runs before a contest counts."`
	Rest    time.Duration `default:"30ms" help:"Pause between runs, in which the other engine's threads fall asleep."`
	Visits  int           `default:"5" help:"Openings from the HTTP cache."`
	Device  string        `help:"What our engine computes on, such as simd-plain. Default: what it chooses." placeholder:"NAME"`
	GPU     bool          `name:"gpu" help:"Of the part webgpu: use the machine's own GPU, by way of Vulkan, where there is one."`
	Peak    float64       `help:"Of the part webgpu: the card's peak, to print shares of it." placeholder:"TFLOPS"`
	Out     string        `default:"out/bench-encoder" help:"Directory of models and report." placeholder:"DIR"`
}

// device is nil where the engine chooses.
func (o options) device() *string {
	if o.Device == "" {
		return nil
	}
	return &o.Device
}

const source = "tools/benchencoder"

func main() {
	var o options
	kong.Parse(&o, kong.Name("benchencoder"), kong.Description("Measures the encoder engine beside onnxruntime-web."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchencoder:", err)
		os.Exit(1)
	}
}

func (o options) wants(part string) bool { return slices.Contains(o.Parts, part) }

// variants are the models, and others like them whose logits are vectors, for parity.
func (o options) variants() []string {
	var names []string
	for _, name := range o.Models {
		names = append(names, name, name+"-pooled", name+"-pooled-outliers", name+"-first", name+"-first-outliers")
	}
	return names
}

func run(ctx context.Context, o options) error {
	m := models{o.Out}
	names := o.Models
	if o.wants("parity") {
		names = o.variants()
	}
	if err := m.prepare(ctx, names); err != nil {
		return err
	}
	s, err := serveEngines(m, names)
	if err != nil {
		return err
	}
	defer s.stop()
	r := &Report{}
	failed := measure(ctx, o, s, m, r)
	text, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(o.Out, "report.json"), append(text, '\n'), 0o644)
	}
	return errors.Join(failed, err)
}

// measure fills the report part by part, and prints each as it comes.
func measure(ctx context.Context, o options, s *server, m models, r *Report) error {
	if err := with(ctx, nil, r.place); err != nil {
		return err
	}
	for _, vnni := range []bool{true, false} {
		threads, flags := o.Threads, []string(nil)
		if !vnni {
			threads, flags = o.Threads[:1], []string{"js-flags=--no-enable-avx-vnni"}
		}
		if vnni && !o.wants("contest") || !vnni && !o.wants("no-vnni") {
			continue
		}
		err := with(ctx, flags, func(b *browser) error {
			return r.contests(b, s, m, o, vnni, threads)
		})
		if err != nil {
			return fmt.Errorf("contest: %w", err)
		}
	}
	if o.wants("webgpu") {
		o.Device = gpu
		err := with(ctx, chromium.WebGPU(o.GPU), func(b *browser) error { return r.gpuContests(b, s, m, o) })
		if err != nil {
			return fmt.Errorf("webgpu: %w", err)
		}
	}
	if o.wants("opening") {
		if err := r.openings(ctx, s, m, o); err != nil {
			return fmt.Errorf("opening: %w", err)
		}
	}
	if o.wants("parity") {
		err := with(ctx, nil, func(b *browser) error { return r.parities(b, s, m, o) })
		if err != nil {
			return fmt.Errorf("parity: %w", err)
		}
	}
	if o.wants("tokens") {
		err := with(ctx, nil, func(b *browser) error { return r.tokens(b, s, m, o) })
		if err != nil {
			return fmt.Errorf("tokens: %w", err)
		}
	}
	if o.wants("headless") {
		if err := r.headless(ctx, m, o); err != nil {
			return fmt.Errorf("headless: %w", err)
		}
	}
	return nil
}

// with runs something with a browser of its own.
func with(ctx context.Context, flags []string, do func(*browser) error) error {
	b, err := start(ctx, flags)
	if err != nil {
		return err
	}
	defer b.stop()
	return do(b)
}
