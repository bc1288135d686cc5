package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"bedside/tools/checkpoint"
	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/tools/quantize"
	"bedside/tools/scores"
	"bedside/tools/train"
	"bedside/weights"
)

// labelledFlags are import's about labelled notes.
type labelledFlags struct {
	Scores  string `help:"Logits that notes of --data got from models which did not learn them, as finetune.py --folds writes them: calibration and thresholds are fitted on these." placeholder:"F.csv" type:"existingfile"`
	Measure string `help:"With --split: a part that training did not see. The bundle is measured on it, and beside it the model in float32." placeholder:"PART"`

	Data           string `help:"For --scores and --measure: CSV file of labelled notes; --text is its column with the notes." placeholder:"F.csv"`
	Label          string `help:"With --data: column with the label or labels." placeholder:"COL"`
	LabelSeparator string `help:"What separates several labels in one cell." placeholder:"';'"`
	None           bool   `help:"An empty label cell says that no label is right for the note, which counts as such."`
	GroupByText    bool   `help:"One example per distinct text, its labels united."`
	Split          string `help:"CSV file with the columns row and part: which part of a split each row belongs to." placeholder:"F"`
	Part           string `help:"With --split: the part that training learned from, and that --scores are of. Default, with --scores: train." placeholder:"PART"`
}

// labelled is what labelled notes import has.
type labelled struct {
	learnt *dataset.Dataset // by training; nil where that is not known
	scores *scores.Table    // of these, or nil
	kept   *dataset.Dataset // to measure on, or nil
}

// labelled reads the notes; there are none unless they are for something.
func (c *importCommand) labelled() (labelled, error) {
	var in labelled
	if err := c.checkLabelled(); err != nil || c.Scores == "" && c.Measure == "" {
		return in, err
	}
	from := dataFlags{c.Data, c.Text, c.Label, c.LabelSeparator, c.None, c.GroupByText, c.Split}
	var err error
	if c.Scores != "" {
		if in.scores, err = scores.Load(c.Scores); err != nil {
			return in, err
		}
	}
	if part := c.learntPart(); part != "" || c.Scores != "" {
		if in.learnt, err = from.load(part); err != nil {
			return in, err
		}
	}
	if c.Measure != "" {
		in.kept, err = from.load(c.Measure)
	}
	return in, err
}

func (c *importCommand) checkLabelled() error {
	switch {
	case c.Scores == "" && c.Measure == "":
		if c.Data != "" || c.Label != "" || c.LabelSeparator != "" || c.None || c.GroupByText || c.Split != "" || c.Part != "" {
			return usagef("--data and what describes it are for --scores and --measure")
		}
	case c.NoHead:
		return usagef("--scores and --measure are of a head: not with --no-head")
	case c.Data == "" || c.Text == "" || c.Label == "":
		return usagef("--scores and --measure need --data, --text and --label")
	case c.Split == "" && (c.Measure != "" || c.Part != ""):
		return usagef("--part and --measure need --split")
	case c.Measure != "" && c.Measure == c.learntPart():
		return usagef("--measure %q is the part that was trained on; measure on another", c.Measure)
	}
	return nil
}

// learntPart is --part or its default.
func (c *importCommand) learntPart() string {
	if c.Scores != "" && c.Split != "" {
		return cmp.Or(c.Part, "train")
	}
	return c.Part
}

// unseen are the texts that are not those of notes to measure on.
func (in labelled) unseen(texts []string) ([]string, error) {
	if in.kept == nil {
		return texts, nil
	}
	kept := map[string]bool{}
	for _, e := range in.kept.Examples {
		kept[dataset.Fold(e.Text)] = true
	}
	rest := slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return kept[dataset.Fold(text)] })
	if len(rest) == 0 {
		return nil, errors.New("every calibration note is also one to measure on: calibrate on others")
	}
	return rest, nil
}

// shared counts the notes to measure on that training learned from.
func (in labelled) shared() int {
	if in.learnt == nil {
		return 0
	}
	return input{data: in.learnt, kept: in.kept}.seenBefore()
}

// checkKept refuses notes of which the model knows no label before it is converted.
func (c *importCommand) checkKept(m *weights.Manifest, kept *dataset.Dataset) error {
	if kept == nil || len(kept.Labels) == 0 || evaluate.Unknown(m, kept) < len(kept.Labels) {
		return nil
	}
	return fmt.Errorf("%s: part %q has no label of the model's %d: is --label the right column, and --label-separator what stands between them?", c.Data, c.Measure, len(m.Task.Labels))
}

// settle fits calibration and thresholds on the scores, if there are any.
func (c *importCommand) settle(m *weights.Manifest, in labelled) error {
	if in.scores == nil {
		return nil
	}
	if len(in.learnt.Examples) == 0 {
		return fmt.Errorf("%s: there is no note to fit calibration on", c.Data)
	}
	logits, err := in.scores.Match(in.learnt, m.Task.Labels)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Scores, err)
	}
	targets, err := train.Targets(in.learnt, m.Task.Labels, m.Task.Kind == weights.MultiLabel)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Data, err)
	}
	m.Calibration, m.Thresholds = train.Settle(logits, targets)
	m.Card.Training += fmt.Sprintf(" Calibration and thresholds were fitted on %d notes of %s%s: on logits that these got from models like this one which did not learn them.",
		len(in.learnt.Examples), filepath.Base(c.Data), partOf(c.learntPart()))
	m.Card.Limits = append(m.Card.Limits, unasserted(m)...)
	return nil
}

// unasserted says for the card which labels none of the notes has that thresholds come from.
func unasserted(m *weights.Manifest) []string {
	var never []string
	for l, name := range m.Task.Labels {
		if m.Thresholds[l] == train.Never {
			never = append(never, name)
		}
	}
	if len(never) == 0 {
		return nil
	}
	return []string{"Labels that none of the notes has by which thresholds were chosen are never asserted: " + strings.Join(never, ", ") + "."}
}

func partOf(part string) string {
	if part == "" {
		return ""
	}
	return fmt.Sprintf(", part %q", part)
}

// sources lists what training learned from, as far as that is known.
func (c *importCommand) sources(a about, in labelled) []weights.Data {
	var also []weights.Data
	for _, from := range a.Also {
		also = append(also, weights.Data{Name: from.Name, Licence: cmp.Or(from.Licence, "not stated")})
	}
	if in.learnt == nil && a.DataName == "" {
		return also
	}
	source := weights.Data{Name: a.DataName, Licence: cmp.Or(a.DataLicence, "not stated")}
	if d := in.learnt; d != nil {
		source.Name = cmp.Or(a.DataName, filepath.Base(c.Data))
		source.Rows, source.Examples, source.SHA256, source.Part = d.Rows, len(d.Examples), d.SHA256, c.learntPart()
	}
	return slices.Insert(also, 0, source)
}

// verdict is what labelled notes say of the bundle, and of the model before it was rounded.
type verdict struct {
	Part    string         `json:"part"`
	Bundle  metrics.Report `json:"bundle"`
	Float32 metrics.Report `json:"float32"`
	Changed int            `json:"top_label_changed"` // notes whose most probable label is another

	BundleBytes  int64 `json:"bundle_bytes"` // of all tensors
	Float32Bytes int64 `json:"float32_bytes"`
}

// judge has the model answer the notes that were kept from training, as it ships and in
// float32, in the same engine, and puts the figures into the card.
func (c *importCommand) judge(ctx context.Context, p *progress, m *checkpoint.Model, manifest *weights.Manifest, r *quantize.Result, probes [][]int32, in labelled) (*verdict, error) {
	v := &verdict{Part: c.Measure, BundleBytes: bytesOf(r.Tensors)}
	rounded, err := c.answer(ctx, p, *manifest, r.Tensors, in.kept, &v.Bundle)
	if err != nil {
		return nil, err
	}
	if v.Float32, v.Float32Bytes = v.Bundle, v.BundleBytes; c.Weights != weights.Float32 {
		if err := c.compareWide(ctx, p, m, *manifest, probes, in, rounded, v); err != nil {
			return nil, err
		}
		manifest.Card.Training += fmt.Sprintf(" On part %q macro-F1 is %.4f with %s weights and %.4f with float32, the top label right for %.4f and %.4f of the notes, and another for %.2f %% of them; %s of weights instead of %s.",
			c.Measure, v.Bundle.MacroF1, c.Weights, v.Float32.MacroF1, v.Bundle.Top1InSet, v.Float32.Top1InSet, v.share(), size(v.BundleBytes), size(v.Float32Bytes))
	}
	protocol := fmt.Sprintf("part %q of the split, unseen by training, calibration and thresholds", c.Measure)
	if n := in.shared(); n > 0 {
		protocol = fmt.Sprintf("part %q of the split, %d of whose notes also stand in the part trained on", c.Measure, n)
	}
	manifest.Card.Evaluations = []weights.Evaluation{evaluate.Evaluation(protocol, v.Bundle)}
	return v, nil
}

// compareWide has the model with float32 weights answer what the rounded one did.
func (c *importCommand) compareWide(ctx context.Context, p *progress, m *checkpoint.Model, manifest weights.Manifest, probes [][]int32, in labelled, rounded metrics.Answers, v *verdict) error {
	shape := *manifest.Encoder
	manifest.Encoder, shape.Weights = &shape, weights.Float32
	r, err := quantize.Convert(ctx, m, quantize.Options{Weights: weights.Float32, Probes: probes, Progress: p.show})
	if err != nil {
		return err
	}
	v.Float32Bytes = bytesOf(r.Tensors)
	exact, err := c.answer(ctx, p, manifest, r.Tensors, in.kept, &v.Float32)
	if err != nil {
		return err
	}
	v.Changed, err = metrics.Changed(exact, rounded)
	return err
}

// share is that of the notes whose most probable label changed, in per cent.
func (v *verdict) share() float64 { return 100 * float64(v.Changed) / float64(v.Bundle.N) }

func bytesOf(tensors []weights.Values) int64 {
	var total int64
	for _, t := range tensors {
		total += int64(len(t.Data))
	}
	return total
}

// mostWeights is how many bytes of weights may be held at once, by all the devices that share notes.
const mostWeights = 2 << 30

// answer runs a model on notes, on every core unless it is too large for that.
func (c *importCommand) answer(ctx context.Context, p *progress, m weights.Manifest, tensors []weights.Values, notes *dataset.Dataset, report *metrics.Report) (metrics.Answers, error) {
	var engines []evaluate.Engine
	for range max(1, min(runtime.GOMAXPROCS(0), int(mostWeights/bytesOf(tensors)))) {
		device, err := newDevice(ctx, c.Device)
		if err != nil {
			return metrics.Answers{}, err
		}
		defer device.Close()
		engine, err := evaluate.OnDevice(m, tensors, device)
		if err != nil {
			return metrics.Answers{}, err
		}
		engines = append(engines, engine)
	}
	stage := "measuring with " + m.Encoder.Weights + " weights"
	answers, times, err := evaluate.Share(ctx, engines, &m, notes, func(done, total int) { p.show(stage, done, total) })
	if err != nil {
		return answers, err
	}
	*report, err = evaluate.Measure(&m, notes, answers, times)
	return answers, err
}

func printVerdict(w io.Writer, format string, v *verdict) {
	fmt.Fprintf(w, "\nmeasured on part %q: %d notes", v.Part, v.Bundle.N)
	if v.Bundle.UnknownLabels > 0 {
		fmt.Fprintf(w, ", %d labels unknown to the model left out", v.Bundle.UnknownLabels)
	}
	fmt.Fprintf(w, "\n  %-30s %9s %9s\n", "", format, weights.Float32)
	exact := evaluate.Figures(v.Float32)
	for i, f := range evaluate.Figures(v.Bundle) {
		fmt.Fprintf(w, "  %-30s %9.4f %9.4f\n", f.Name, f.Value, exact[i].Value)
	}
	fmt.Fprintf(w, "  %-30s %6.1f ms %6.1f ms\n", "latency, median", v.Bundle.LatencyMS, v.Float32.LatencyMS)
	fmt.Fprintf(w, "  %-30s %9s %9s\n", "weights", size(v.BundleBytes), size(v.Float32Bytes))
	fmt.Fprintf(w, "  %-30s %d of %d notes, %.2f %%\n", "another top label", v.Changed, v.Bundle.N, v.share())
}
