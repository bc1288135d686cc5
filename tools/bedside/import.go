package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/kernels/simd/headless"
	"bedside/tools/card"
	"bedside/tools/checkpoint"
	"bedside/tools/dataset"
	"bedside/tools/quantize"
	"bedside/tools/quantize/clinical"
	"bedside/tools/train"
	"bedside/weights"
	"bedside/weights/bundle"
)

type importCommand struct {
	labelledFlags `embed:""`

	Dir        string `arg:"" name:"dir" help:"Directory of the model, as save_pretrained writes it."`
	Out        string `help:"Directory to write the bundle to." required:"" placeholder:"DIR"`
	Weights    string `help:"How weights are stored." default:"int8" enum:"int8,float16,float32"`
	Calibrate  string `help:"Notes to quantize for, of the kind the model will read: a text file with a note a line, or blank lines between notes; or a CSV, with --text. Default: invented notes of many specialties." placeholder:"F" type:"existingfile"`
	Text       string `help:"With --calibrate F.csv and --data: the column with the notes." placeholder:"COL"`
	Labels     string `help:"File with the labels' names, one a line, in the order of the model's outputs. Default: as config.json has them." placeholder:"F" type:"existingfile"`
	MultiLabel bool   `help:"Several labels may be right for one note, whatever config.json says."`
	Case       string `help:"Whether the model was trained on text as it stands or in lower case: cased or uncased. auto is what its tokenizer's files say." default:"auto" enum:"auto,cased,uncased"`
	Pool       string `help:"What the head reads: the first token's vector, or the mean over all tokens." default:"first" enum:"first,mean"`
	NoPooler   bool   `help:"The head reads that vector directly, without a pooler layer."`
	NoHead     bool   `help:"Import the encoder alone, to train a head on it: train --family head."`
	Window     int    `help:"Tokens read at a time, [CLS] and [SEP] counted. Longer notes are read in several windows. Default: 512, or what the model can." placeholder:"N"`
	Overlap    *int   `help:"Tokens that neighbouring windows share. Default: 124, or half a window." placeholder:"N"`
	Combine    string `help:"How windows make one answer." default:"mean-pooled" enum:"mean-pooled,mean-logits,max-logits"`
	nameFlags  `embed:""`
	Device     string `help:"What runs the comparison at the end." default:"simd" enum:"simd,reference"`
	JSON       bool   `help:"Print the outcome as JSON."`
}

func (c *importCommand) Help() string {
	return `The directory holds config.json, vocab.txt or tokenizer.json, and model.safetensors or
pytorch_model.bin, in one file or several, of a BertForSequenceClassification. PyTorch's
files are read without Python, and nothing in them is executed.

At the end some invented notes are run through the model in float32, as it came, and
through the bundle, and the answers are compared. --measure does so on labelled notes
that training did not see, and says what the model is worth there: measure it before you
trust it. Notes to measure on are left out of those to --calibrate on.

As it came, a model's probabilities are uncalibrated. --scores fits calibration and
thresholds on what notes got from models that did not learn them. Labels are matched by
name, notes by row.

Examples:
  bedside import clinical-bert --out my-model
  bedside import clinical-bert --calibrate notes.csv --text note --out my-model
  bedside import my-bert --calibrate notes.csv --scores my-bert/scores.csv --data notes.csv \
      --text note --label specialty --split split.csv --measure test --out my-model
  bedside import base-bert --no-head --pool mean --no-pooler --out my-encoder
  bedside evaluate --bundle my-model --data new.csv --text note --label specialty`
}

// imported is what import prints with --json.
type imported struct {
	Out         string                `json:"out"`
	Layers      int                   `json:"layers"`
	Hidden      int                   `json:"hidden"`
	Task        string                `json:"task"`
	Labels      int                   `json:"labels"` // 0: without a head
	Kept        []string              `json:"kept"`
	Dropped     []string              `json:"dropped"`
	DroppedRows int                   `json:"dropped_rows"` // of the table of words, that no token has
	Weights     string                `json:"weights"`
	Before      int64                 `json:"bytes_before"`
	After       int64                 `json:"bytes_after"`
	Calibration calibration           `json:"calibration,omitzero"`
	Device      string                `json:"device"`
	Comparison  quantize.Comparison   `json:"comparison"`
	Tokenizer   checkpoint.CrossCheck `json:"tokenizer"`
	Fitted      int                   `json:"notes_fitted_on"` // calibration and thresholds; 0: neither was fitted
	Measured    *verdict              `json:"measured,omitempty"`
	Warnings    []string              `json:"warnings"`
}

// calibration says what int8 weights were fitted on, and how well.
type calibration struct {
	Source  string  `json:"source"`
	Notes   int     `json:"notes"`
	Tokens  int     `json:"tokens"`
	Error   float64 `json:"error"`   // of a dense layer's outputs, the largest, relative
	Without float64 `json:"without"` // the same without smoothing

	Layers []quantize.Fit `json:"layers"`
}

// Run converts the model, compares it with what it was, and writes the bundle.
func (c *importCommand) Run(ctx context.Context, s streams) error {
	texts, in, err := c.read()
	if err != nil {
		return err
	}
	labels, err := c.labels()
	if err != nil {
		return err
	}
	model, err := checkpoint.Open(c.Dir, checkpoint.Options{
		Labels: labels, MultiLabel: c.MultiLabel, LetterCase: strings.TrimPrefix(c.Case, "auto"), Pool: c.Pool, NoPooler: c.NoPooler, NoHead: c.NoHead,
	})
	if err != nil {
		return err
	}
	defer model.Close()
	for _, w := range model.Warnings {
		fmt.Fprintln(s.err, "warning:", w)
	}
	manifest, err := c.manifest(model, in)
	if err != nil {
		return err
	}
	if err := c.checkKept(&manifest, in.kept); err != nil {
		return err
	}
	if n := in.shared(); in.kept != nil && n > 0 {
		warnShared(s, n, len(in.kept.Examples), c.Measure, c.learntPart())
	}
	p := newProgress(s)
	defer p.end()
	return c.convert(ctx, s, p, model, manifest, texts, in)
}

// read takes in the notes before the work begins, those to calibrate on first, and refuses
// early what would be refused late.
func (c *importCommand) read() ([]string, labelled, error) {
	if err := c.check(); err != nil {
		return nil, labelled{}, err
	}
	if err := bundle.CanWrite(c.Out); err != nil {
		return nil, labelled{}, err
	}
	in, err := c.labelled()
	if err != nil {
		return nil, in, err
	}
	texts, err := c.calibrationNotes()
	if err == nil {
		texts, err = in.unseen(texts)
	}
	return texts, in, err
}

func (c *importCommand) check() error {
	switch {
	case c.Text != "" && c.Calibrate == "" && c.Data == "":
		return usagef("--text needs --calibrate or --data")
	case c.NoHead && (c.Labels != "" || c.MultiLabel):
		return usagef("--labels and --multi-label are of a head: not with --no-head")
	case c.Weights != weights.Int8 && c.Calibrate != "":
		return usagef("--calibrate is for --weights int8")
	case c.Text == "" && isCSV(c.Calibrate):
		return usagef("--calibrate with a CSV needs --text, the column with the notes")
	}
	return nil
}

func isCSV(file string) bool { return strings.EqualFold(filepath.Ext(file), ".csv") }

// maxCalibrationBytes is how much text is read to calibrate on; far less is used.
const maxCalibrationBytes = 4 << 20

// calibrationNotes are what to calibrate on.
func (c *importCommand) calibrationNotes() ([]string, error) {
	switch {
	case c.Calibrate == "":
		return clinical.Calibration, nil
	case isCSV(c.Calibrate) || c.Text != "" && c.Data == "":
		texts, err := dataset.Texts(c.Calibrate, c.Text, maxCalibrationBytes)
		if err == nil && len(texts) == 0 {
			err = fmt.Errorf("%s: column %q has no text to calibrate on", c.Calibrate, c.Text)
		}
		return texts, err
	}
	data, err := readStart(c.Calibrate, maxCalibrationBytes)
	if err != nil {
		return nil, err
	}
	text, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Calibrate, err)
	}
	texts := splitNotes(text)
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s: there is no text to calibrate on", c.Calibrate)
	}
	return texts, nil
}

// readStart reads at most limit bytes of a file. A character that is cut there is left out,
// lest the text pass for one in another encoding.
func readStart(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if int64(len(data)) < limit {
		return data, err
	}
	for n := 1; n <= min(len(data), utf8.UTFMax); n++ {
		if last := data[len(data)-n:]; utf8.RuneStart(last[0]) && !utf8.FullRune(last) {
			return data[:len(data)-n], err
		}
	}
	return data, err
}

// splitNotes cuts at blank lines, or else at each line's end.
func splitNotes(text string) []string {
	var notes, lines []string
	flush := func() {
		if len(lines) > 0 {
			notes = append(notes, strings.Join(lines, "\n"))
		}
		lines = nil
	}
	blank := false
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) == "" {
			blank = true
			flush()
			continue
		}
		lines = append(lines, line)
	}
	if !blank {
		return lines
	}
	flush()
	return notes
}

// labels are the lines of --labels.
func (c *importCommand) labels() ([]string, error) {
	if c.Labels == "" {
		return nil, nil
	}
	data, err := readStart(c.Labels, weights.MaxManifestBytes)
	if err != nil {
		return nil, err
	}
	text, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Labels, err)
	}
	var labels []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			labels = append(labels, line)
		}
	}
	if len(labels) == 0 {
		return nil, fmt.Errorf("%s: there are no labels", c.Labels)
	}
	return labels, nil
}

// manifest describes the bundle, but for its tensors and shards.
func (c *importCommand) manifest(m *checkpoint.Model, in labelled) (weights.Manifest, error) {
	about, err := c.about(c.Out, m.Task.Kind)
	if err != nil {
		return weights.Manifest{}, err
	}
	window, err := c.window(m.Config.Positions)
	if err != nil {
		return weights.Manifest{}, err
	}
	manifest := weights.Manifest{
		Name: about.Name, Title: about.Title, Question: about.Question,
		Task: m.Task,
		Encoder: &weights.Encoder{
			Architecture: weights.BERT, Layers: m.Config.Layers, Hidden: m.Config.Hidden, Heads: m.Config.Heads,
			Intermediate: m.Config.Intermediate, Activation: m.Config.Activation, Epsilon: m.Config.Epsilon,
			Positions: m.Config.Positions, Types: m.Config.Types, Vocabulary: m.Tokenizer.Tokens,
			Pooler: m.Pooler, Pool: m.Pool, Weights: c.Weights, Tokenizer: m.Tokenizer.Tokenizer, Window: window,
		},
		Calibration: weights.Calibration{Kind: weights.Temperature, Slope: []float64{1}},
		Card:        c.card(about, m, in),
	}
	if m.Task.Kind == weights.MultiLabel {
		manifest.Calibration = weights.Calibration{Kind: weights.Platt}
	}
	threshold := 0.5
	if m.NoHead {
		threshold = train.Never
	}
	for range m.Task.Labels {
		manifest.Thresholds = append(manifest.Thresholds, threshold)
		if m.Task.Kind == weights.MultiLabel {
			manifest.Calibration.Slope = append(manifest.Calibration.Slope, 1)
			manifest.Calibration.Intercept = append(manifest.Calibration.Intercept, 0)
		}
	}
	return manifest, c.settle(&manifest, in)
}

// window is how notes are read, as asked or as far as the model's positions go.
func (c *importCommand) window(positions int) (weights.Window, error) {
	const usual, usualOverlap = 512, 124
	w := weights.Window{Tokens: c.Window, Combine: c.Combine}
	if w.Tokens == 0 {
		w.Tokens = min(usual, positions)
	}
	if w.Tokens < weights.MinWindow || w.Tokens > positions {
		return w, usagef("--window %d: want %d to the model's %d positions", w.Tokens, weights.MinWindow, positions)
	}
	most := (w.Tokens - 2) / 2
	if w.Overlap = min(usualOverlap, most); c.Overlap != nil {
		w.Overlap = *c.Overlap
	}
	if w.Overlap < 0 || w.Overlap > most {
		return w, usagef("--overlap %d: want 0 to %d, half of what a window of %d tokens reads", w.Overlap, most, w.Tokens)
	}
	return w, nil
}

// card says above all what was not measured and not calibrated.
func (c *importCommand) card(a about, m *checkpoint.Model, in labelled) weights.Card {
	data := c.sources(a, in)
	if m.NoHead {
		return c.encoderCard(a, m, data)
	}
	var limits []string
	if in.kept == nil {
		limits = append(limits, "The import made no evaluation: how often this model is right is not known here. Measure it with \"bedside evaluate\" on notes that its training did not see.")
	}
	if in.scores == nil {
		limits = append(limits, "Probabilities are the network's own and uncalibrated; such networks are commonly too sure. The threshold of 0.5 was not chosen on data.")
	}
	training := c.training(a, m)
	return weights.Card{
		Summary: cmp.Or(a.Summary, "A fine-tuned BERT, imported."), IntendedUse: a.IntendedUse,
		Limits: append(limits, a.Limits...),
		Data:   data, Training: training,
	}
}

// training says where the weights come from.
func (c *importCommand) training(a about, m *checkpoint.Model) string {
	return fmt.Sprintf("%s Imported from a checkpoint of %d layers of %d, weights as %s.", cmp.Or(a.Training, "Trained elsewhere."), m.Config.Layers, m.Config.Hidden, c.Weights)
}

// encoderCard is the card of an encoder that came alone.
func (c *importCommand) encoderCard(a about, m *checkpoint.Model, data []weights.Data) weights.Card {
	return weights.Card{
		Summary: cmp.Or(a.Summary, "A BERT encoder without a head, imported: it makes vectors of notes and answers nothing."), IntendedUse: a.IntendedUse,
		Limits: append([]string{"There is no head, so no label is ever asserted. Train one with \"bedside train --family head --encoder\"."}, a.Limits...),
		Data:   data, Training: c.training(a, m),
	}
}

// convert does the work, once everything has been read and checked.
func (c *importCommand) convert(ctx context.Context, s streams, p *progress, m *checkpoint.Model, manifest weights.Manifest, texts []string, in labelled) error {
	tokens, err := m.Tokenizer.New()
	if err != nil {
		return err
	}
	window := manifest.Encoder.Window.Tokens
	o := quantize.Options{Weights: c.Weights, Progress: p.show}
	if o.Probes, err = quantize.Starts(tokens, clinical.Probes, min(window, probeTokens)); err != nil {
		return err
	}
	fitted := calibration{Source: cmp.Or(c.Calibrate, "invented notes")}
	if c.Weights == weights.Int8 {
		if o.Calibration, fitted.Notes, err = quantize.Pieces(tokens, texts, window, calibrationTokens); err != nil {
			return err
		}
		if fitted.Notes == 0 {
			return errors.New("the calibration text has no tokens")
		}
	}
	converted, err := quantize.Convert(ctx, m, o)
	if err != nil {
		return err
	}
	out := c.outcome(m)
	if c.Weights == weights.Int8 {
		out.Calibration = fitted.with(o.Calibration, converted.Fits)
	}
	p.show("comparing", 0, 1)
	if out.Device, out.Comparison, err = c.compare(ctx, manifest, converted, o.Probes); err != nil {
		return err
	}
	checked := slices.Concat(clinical.Probes, first(texts, maxCrossChecked, maxCrossCheckedBytes))
	if out.Tokenizer, err = m.Tokenizer.CrossCheck(checked); err != nil {
		return err
	}
	if in.scores != nil {
		out.Fitted = len(in.learnt.Examples)
	}
	if in.kept != nil {
		if out.Measured, err = c.judge(ctx, p, m, &manifest, converted, o.Probes, in); err != nil {
			return err
		}
	}
	if err := bundle.Write(c.Out, manifest, converted.Tensors); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Out, bundle.CardFile), card.Markdown(manifest), 0o644); err != nil {
		return err
	}
	if out.After, err = bytesIn(c.Out); err != nil {
		return err
	}
	p.end()
	return c.print(s, out)
}

// Bounds of what is run: more text costs time and changes little.
const (
	calibrationTokens    = 3072
	probeTokens          = 128
	maxCrossChecked      = 256 // texts
	maxCrossCheckedBytes = 256 << 10
)

// first are so many texts at most, and no more once they have so many bytes.
func first(texts []string, most, bytes int) []string {
	for i, text := range texts {
		if i == most || bytes <= 0 {
			return texts[:i]
		}
		bytes -= len(text)
	}
	return texts
}

// compare runs the probes through the converted model.
func (c *importCommand) compare(ctx context.Context, m weights.Manifest, r *quantize.Result, probes [][]int32) (string, quantize.Comparison, error) {
	device, err := newDevice(ctx, c.Device)
	if err != nil {
		return "", quantize.Comparison{}, err
	}
	defer device.Close()
	answers, err := quantize.Run(ctx, m, r.Tensors, device, probes)
	if err != nil {
		return "", quantize.Comparison{}, fmt.Errorf("running the converted model on %s: %w", device.Name(), err)
	}
	return device.Name(), quantize.Compare(r.Answers, answers), nil
}

// newDevice makes the device of that name.
func newDevice(ctx context.Context, name string) (kernels.Device, error) {
	if name == "simd" {
		return headless.NewDevice(ctx)
	}
	return reference.NewDevice(), nil
}

func (c *importCommand) outcome(m *checkpoint.Model) imported {
	labels := len(m.Task.Labels)
	if m.NoHead {
		labels = 0
	}
	return imported{
		Out: c.Out, Layers: m.Config.Layers, Hidden: m.Config.Hidden, Task: m.Task.Kind, Labels: labels,
		Kept: listed(m.Weights.Kept), Dropped: listed(m.Weights.Dropped), DroppedRows: m.Config.Vocabulary - m.Tokenizer.Tokens,
		Weights: c.Weights, Before: m.Weights.Bytes, Warnings: listed(m.Warnings),
	}
}

// listed is a list that JSON writes as one even where it is empty.
func listed(of []string) []string { return append([]string{}, of...) }

// with adds what was read and how well it went.
func (k calibration) with(pieces [][]int32, fits []quantize.Fit) calibration {
	for _, p := range pieces {
		k.Tokens += len(p)
	}
	k.Layers = fits
	for _, f := range fits {
		k.Error, k.Without = max(k.Error, f.Error), max(k.Without, f.Without)
	}
	return k
}

func bytesIn(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, err
}

func (c *importCommand) print(s streams, o imported) error {
	if c.JSON {
		out := json.NewEncoder(s.out)
		out.SetIndent("", " ")
		return out.Encode(o)
	}
	head := fmt.Sprintf("one of %d labels is right", o.Labels)
	switch {
	case o.Labels == 0:
		head = "no head"
	case o.Task == weights.MultiLabel:
		head = fmt.Sprintf("any of %d labels may be right", o.Labels)
	}
	fmt.Fprintf(s.out, "BERT of %d layers of %d; %s\n", o.Layers, o.Hidden, head)
	fmt.Fprintf(s.out, "kept     %d tensors\n", len(o.Kept))
	printDropped(s.out, o)
	fmt.Fprintf(s.out, "size     %s, now %s with %s weights\n", size(o.Before), size(o.After), o.Weights)
	if k := o.Calibration; k.Notes > 0 {
		fmt.Fprintf(s.out, "fitted   to %s: %d notes, %d tokens; layers err by %.2f %% at most, %.2f %% without smoothing\n",
			printable(k.Source), k.Notes, k.Tokens, 100*k.Error, 100*k.Without)
	}
	k := o.Comparison
	fmt.Fprintf(s.out, "\n%d invented notes, %s weights on the device %s against float32:\n", k.Texts, o.Weights, o.Device)
	if o.Labels > 0 {
		printLogits(s.out, k)
	}
	fmt.Fprintf(s.out, "  smallest cosine, pooled vectors  %.6f\n", k.Cosine)
	fmt.Fprintf(s.out, "  WordPiece as another library's   %d of %d texts\n", o.Tokenizer.Texts-o.Tokenizer.Differing, o.Tokenizer.Texts)
	if o.Tokenizer.Differing > 0 {
		fmt.Fprintln(s.err, "warning: github.com/sugarme/tokenizer cuts some texts otherwise; compare with the tokenizer that the model was trained with")
	}
	if o.Fitted > 0 {
		fmt.Fprintf(s.out, "\ncalibration and thresholds fitted on %d notes\n", o.Fitted)
	}
	next := "nothing was measured on labelled notes: --measure and \"bedside evaluate\" do that\n"
	switch {
	case o.Labels == 0:
		next = "it answers nothing yet: \"bedside train --family head --encoder " + o.Out + "\" gives it a head\n"
	case o.Measured != nil:
		next = ""
		printVerdict(s.out, o.Weights, o.Measured)
	}
	_, err := fmt.Fprintf(s.out, "\nwrote %s; %s is its model card\n%s", o.Out, filepath.Join(o.Out, bundle.CardFile), next)
	return err
}

func printLogits(w io.Writer, k quantize.Comparison) {
	fmt.Fprintf(w, "  same top label                   %d of %d\n", k.SameTop, k.Texts)
	if k.SameTop < k.Texts {
		fmt.Fprintf(w, "    where it changed, float32 led by %.4f at most\n", k.ChangedMargin)
	}
	fmt.Fprintf(w, "  largest logit difference         %.3g (a note's logits span %.3g)\n", k.Logit, k.Spread)
}

// size is a number of bytes for people.
func size(bytes int64) string {
	if bytes < 1e6 {
		return fmt.Sprintf("%.0f KB", float64(bytes)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}

// maxDroppedNames is how many names are printed; --json has all.
const maxDroppedNames = 12

func printDropped(w io.Writer, o imported) {
	if len(o.Dropped) > 0 {
		names := o.Dropped[:min(len(o.Dropped), maxDroppedNames)]
		more := ""
		if len(names) < len(o.Dropped) {
			more = ", and so on"
		}
		fmt.Fprintf(w, "dropped  %d tensors that a classifier does not use: %s%s\n", len(o.Dropped), printable(strings.Join(names, ", ")), more)
	}
	if o.DroppedRows > 0 {
		fmt.Fprintf(w, "dropped  %d rows of the table of words that stand for no token\n", o.DroppedRows)
	}
}
