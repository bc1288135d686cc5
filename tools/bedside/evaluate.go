package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

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

	Bundle  string `help:"Directory of the model." required:"" placeholder:"DIR" type:"existingdir"`
	Part    string `help:"With --split: the part to measure." placeholder:"PART"`
	Against string `help:"Another model of the same labels: say for how many notes the most probable label is another there." placeholder:"DIR" type:"existingdir"`
	Engine  string `help:"What runs the model: native Go, or the WebAssembly module under wazero. The figures are equal." default:"native" enum:"native,wazero"`
	Device  string `help:"What computes an encoder: SIMD kernels, or the slow reference that defines them." default:"simd" enum:"simd,reference"`
	JSON    bool   `help:"Print the figures as JSON."`
}

func (c *evaluateCommand) Help() string {
	return `Figures mean what scikit-learn means by them. For models of several labels, predicted
labels are those that reach their threshold. For models of one label that is the most
probable one, unless the data give some note several. Labels in the data that the
model does not know are counted and left out.

Example:
  bedside evaluate --bundle my-model --data notes.csv --text note --label specialty \
      --split split.csv --part test --json
  bedside evaluate --bundle my-model --against my-model-float32 --data notes.csv --text note --label specialty`
}

// Run prints the figures.
func (c *evaluateCommand) Run(ctx context.Context, s streams) error {
	if c.Part != "" && c.Split == "" {
		return usagef("--part needs --split")
	}
	engine, manifest, done, err := c.engine(ctx, c.Bundle)
	if err != nil {
		return err
	}
	defer done()
	if err := c.comparable(manifest); err != nil {
		return err
	}
	data, err := c.load(c.Part)
	if err != nil {
		return err
	}
	warnTrained(s, manifest, data, c.Part)
	p := newProgress(s)
	defer p.end()
	answers, times, err := evaluate.Collect(ctx, engine, manifest, data, func(done, total int) { p.show("classifying", done, total) })
	if err != nil {
		return err
	}
	report, err := evaluate.Measure(manifest, data, answers, times)
	if err != nil {
		return err
	}
	out := compared{Report: report}
	if c.Against != "" {
		if out.Changed, err = c.changed(ctx, p, data, answers); err != nil {
			return err
		}
	}
	p.end()
	if c.JSON {
		return printJSON(s, out)
	}
	printReport(s.out, report)
	if out.Changed != nil {
		fmt.Fprintf(s.out, "\nanother top label than %s: %d of %d notes, %.2f %%\n", printable(c.Against), *out.Changed, report.N, 100*float64(*out.Changed)/float64(report.N))
	}
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

// compared is what evaluate prints with --json.
type compared struct {
	metrics.Report
	Changed *int `json:"top_label_changed,omitempty"` // notes, with --against
}

// comparable refuses another model of other labels before any note is classified.
func (c *evaluateCommand) comparable(m *weights.Manifest) error {
	if c.Against == "" {
		return nil
	}
	other, err := bundle.Open(os.DirFS(c.Against))
	if err != nil {
		return in(c.Against, err)
	}
	if !slices.Equal(other.Manifest.Task.Labels, m.Task.Labels) {
		return fmt.Errorf("%s has other labels than %s, or another order of them: the two cannot be held against each other", c.Against, c.Bundle)
	}
	return nil
}

// changed has the other model answer the same notes.
func (c *evaluateCommand) changed(ctx context.Context, p *progress, data *dataset.Dataset, answers metrics.Answers) (*int, error) {
	engine, manifest, done, err := c.engine(ctx, c.Against)
	if err != nil {
		return nil, err
	}
	defer done()
	other, _, err := evaluate.Collect(ctx, engine, manifest, data, func(done, total int) { p.show("classifying with the other", done, total) })
	if err != nil {
		return nil, err
	}
	n, err := metrics.Changed(answers, other)
	return &n, err
}

func (c *evaluateCommand) engine(ctx context.Context, dir string) (evaluate.Engine, *weights.Manifest, func(), error) {
	files := os.DirFS(dir)
	if c.Engine == "native" {
		device, err := c.device(ctx, files)
		if err != nil {
			return nil, nil, nil, in(dir, err)
		}
		done := func() { _ = device.Close() }
		engine, manifest, err := evaluate.Native(ctx, files, device)
		if err != nil {
			done()
		}
		return engine, manifest, done, in(dir, err)
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
	return engine, manifest, done, in(dir, err)
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
