package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/kernels/simd/headless"
	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/wasm/host"
	"bedside/weights"
	"bedside/weights/bundle"
)

type evaluateCommand struct {
	dataFlags `embed:""`

	Bundle string `help:"Directory of the model." required:"" placeholder:"DIR" type:"existingdir"`
	Part   string `help:"With --split: the part to measure." placeholder:"PART"`
	Engine string `help:"What runs the model: native Go, or the WebAssembly module under wazero. The figures are equal." default:"native" enum:"native,wazero"`
	Device string `help:"What computes an encoder: SIMD kernels, or the slow reference that defines them." default:"simd" enum:"simd,reference"`
	JSON   bool   `help:"Print the figures as JSON."`
}

func (c *evaluateCommand) Help() string {
	return `Figures mean what scikit-learn means by them. For models of several labels, predicted
labels are those that reach their threshold. For models of one label that is the most
probable one, unless the data give some note several. Labels in the data that the
model does not know are counted and left out.

Example:
  bedside evaluate --bundle my-model --data notes.csv --text note --label specialty \
      --split split.csv --part test --json`
}

// Run prints the figures.
func (c *evaluateCommand) Run(ctx context.Context, s streams) error {
	if c.Part != "" && c.Split == "" {
		return usagef("--part needs --split")
	}
	engine, manifest, done, err := c.engine(ctx)
	if err != nil {
		return err
	}
	defer done()
	data, err := c.load(c.Part)
	if err != nil {
		return err
	}
	warnTrained(s, manifest, data, c.Part)
	p := newProgress(s)
	defer p.end()
	report, err := evaluate.Run(ctx, engine, manifest, data, func(done, total int) { p.show("classifying", done, total) })
	if err != nil {
		return err
	}
	if c.JSON {
		out := json.NewEncoder(s.out)
		out.SetIndent("", " ")
		return out.Encode(report)
	}
	printReport(s.out, report)
	return nil
}

// warnTrained says so where the data, of that part, are those of the model.
func warnTrained(s streams, m *weights.Manifest, data *dataset.Dataset, part string) {
	for _, d := range m.Card.Data {
		if d.SHA256 == data.SHA256 && (d.Part == "" || part == "" || d.Part == part) {
			fmt.Fprintln(s.err, "warning: this model was trained on notes of this very file; figures measured on them say little about new notes")
		}
	}
}

func (c *evaluateCommand) engine(ctx context.Context) (evaluate.Engine, *weights.Manifest, func(), error) {
	files := os.DirFS(c.Bundle)
	if c.Engine == "native" {
		device, err := c.device(ctx, files)
		if err != nil {
			return nil, nil, nil, in(c.Bundle, err)
		}
		done := func() { _ = device.Close() }
		engine, manifest, err := evaluate.Native(ctx, files, device)
		if err != nil {
			done()
		}
		return engine, manifest, done, in(c.Bundle, err)
	}
	h, err := newHost(ctx, c.Device)
	if err != nil {
		return nil, nil, nil, err
	}
	done := func() { _ = h.Close(context.WithoutCancel(ctx)) }
	engine, manifest, err := evaluate.Wazero(ctx, h, files)
	if err != nil {
		done()
	}
	return engine, manifest, done, in(c.Bundle, err)
}

// device is what an encoder computes on; a linear model is content with any.
func (c *evaluateCommand) device(ctx context.Context, files fs.FS) (kernels.Device, error) {
	b, err := bundle.Open(files)
	if err != nil {
		return nil, err
	}
	if b.Manifest.Encoder == nil || c.Device == host.Reference {
		return reference.NewDevice(), nil
	}
	return headless.NewDevice(ctx)
}

func printReport(w io.Writer, r metrics.Report) {
	fmt.Fprintf(w, "%d notes", r.N)
	if r.UnknownLabels > 0 {
		fmt.Fprintf(w, ", %d labels unknown to the model left out", r.UnknownLabels)
	}
	fmt.Fprintln(w)
	for _, f := range evaluate.Figures(r) {
		fmt.Fprintf(w, "  %-30s %.4f\n", f.Name, f.Value)
	}
	if r.LatencyMS > 0 {
		fmt.Fprintf(w, "  %-30s %.3f ms\n", "latency, median", r.LatencyMS)
	}
	fmt.Fprintf(w, "\n%-32s %9s %9s %9s %8s\n",
		"label", "precision", "recall", "F1", "support")
	for _, l := range r.PerLabel {
		fmt.Fprintf(w, "%-32s %9.3f %9.3f %9.3f %8d\n", printable(l.Label), l.Precision, l.Recall, l.F1, l.Support)
	}
}
