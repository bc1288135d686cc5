package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bedside/tools/card"
	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/tools/train"
	"bedside/tools/vectors"
	"bedside/weights"
	"bedside/weights/bundle"
)

// dataFlags say where labelled notes are; train and evaluate share them.
type dataFlags struct {
	Data           string `help:"CSV file of labelled notes." required:"" placeholder:"F.csv"`
	Text           string `help:"Column with the notes." required:"" placeholder:"COL"`
	Label          string `help:"Column with the label or labels." required:"" placeholder:"COL"`
	LabelSeparator string `help:"What separates several labels in one cell." placeholder:"';'"`
	None           bool   `help:"An empty label cell says that no label is right for the note, which counts as such; with --multi-label."`
	GroupByText    bool   `help:"One example per distinct text, its labels united."`
	Split          string `help:"CSV file with the columns row and part: which part of a split each row belongs to." placeholder:"F"`
}

func (f dataFlags) load(part string) (*dataset.Dataset, error) {
	return dataset.Load(f.Data, f.Split, dataset.Options{
		Text: f.Text, Label: f.Label, Separator: f.LabelSeparator, None: f.None, GroupByText: f.GroupByText, Part: part,
	})
}

// recipeFlags say how to learn; train and measure share them.
type recipeFlags struct {
	MultiLabel bool     `help:"Several labels may be right for one note."`
	Prepare    string   `help:"What to do with texts first. dialogue: NFKC, speaker tags out, white space folded." enum:",dialogue" default:"" placeholder:"dialogue"`
	Also       []string `help:"CSV files of more labelled texts, with the same columns, to learn from but never to measure on. Where one has a column row, a text is only learnt from where that row of the data is." placeholder:"F.csv" type:"existingfile"`
	Copies     int      `help:"With --also: a note counts as so many of these texts." default:"1"`
	Features   []string `help:"Feature sets to choose from: notebook, word, char, word+char, rare, rare+char, phrase, phrase+char, lexicon, lexicon+rare+char." default:"notebook"`
	Words      string   `help:"Vectors of words, by which words that few notes use, or none, learn from words used alike: a file of \"bedside words\", or one of word2vec, GloVe or fastText, as text." placeholder:"F" type:"existingfile"`
	Family     []string `help:"Classifiers to choose from: lr (logistic regression), svm (linear support vector machine); or, in train, head, on --encoder." default:"lr" enum:"lr,svm,head"`
	C          string   `name:"C" help:"Inverse regularization strengths to choose from, comma-separated." default:"1"`
	Folds      int      `help:"Folds of the cross-validation that chooses, calibrates and sets thresholds." default:"5"`
	Slack      float64  `help:"Macro-F1 that cheaper features may fall short of the best by and still be kept. Default: one standard error." placeholder:"0.01"`
	Seed       uint64   `help:"Seed of everything random." default:"1"`
	Precision  string   `help:"Weights in the bundle: int8 or float32." default:"int8" enum:"int8,float32"`
}

type trainCommand struct {
	dataFlags   `embed:""`
	recipeFlags `embed:""`

	Part    string            `help:"With --split: the part to train on. Default: train." placeholder:"PART"`
	Card    string            `help:"JSON file with name, title, question and the card's texts." placeholder:"F.json" type:"existingfile"`
	Measure string            `help:"With --split: a part to measure the fitted model on, for its card." placeholder:"PART"`
	Cite    map[string]string `help:"Add a report of \"evaluate --json\" or \"measure --json\" to the card under a protocol's name." placeholder:"PROTOCOL=F.json"`
	Refit   bool              `help:"After measuring, fit the chosen settings again on every part, and ship that."`
	Out     string            `help:"Directory to write the bundle to." required:"" placeholder:"DIR"`
	JSON    bool              `help:"Print the outcome as JSON."`

	Encoder string `help:"With --family head: the bundle whose encoder reads the notes." placeholder:"DIR" type:"existingdir"`
	Device  string `help:"With --family head: what computes the encoder: SIMD kernels, or the slow reference that defines them." default:"simd" enum:"simd,reference"`
	Hidden  string `help:"With --family head: units of a hidden layer to choose from, comma-separated; 0 for none." default:"0" placeholder:"0,64"`
	Cache   string `help:"With --family head: where vectors of notes are kept, so that no note is read twice. Default: in your cache directory." placeholder:"DIR"`
}

func (c *trainCommand) Help() string {
	return `Every combination of --features, --family and --C is tried by cross-validation and
the one with the best macro-F1 on held-out folds is fitted; of feature sets that do
equally well, to within a standard error, the first named is. Calibration and
thresholds come from the held-out folds too. The same data and --seed give the same
bundle, byte for byte.

With --family head the notes are read by the encoder of a bundle, which stays as it is,
and softmax or sigmoids on its vectors are fitted, behind a hidden layer with
--hidden: of several the smallest that does equally well. Reading is slow, so the
vectors are kept: by the note's hash, without its text. They tell something of the notes
all the same; to forget them, delete the directory.

Examples:
  bedside train --data notes.csv --text note --label specialty --out my-model
  bedside train --data notes.csv --text note --label codes --label-separator ';' \
      --multi-label --features word,word+char --family lr,svm --C 0.3,1,3 --out my-model
  bedside import base-bert --no-head --pool mean --no-pooler --out my-encoder
  bedside train --data notes.csv --text note --label specialty \
      --family head --encoder my-encoder --out my-model
  bedside evaluate --bundle my-model --data new.csv --text note --label specialty
  bedside classify --bundle my-model note.txt
  bedside site --bundle my-model --out public`
}

// outcome is what train prints with --json.
type outcome struct {
	Out      string          `json:"out"`
	Examples int             `json:"examples"`
	Skipped  int             `json:"skipped_empty"`
	Labels   int             `json:"labels"`
	Features int             `json:"features"`
	Chosen   chosen          `json:"chosen"`
	Trials   []chosen        `json:"trials"`
	Measured *metrics.Report `json:"measured,omitempty"`
}

type chosen struct {
	Features string  `json:"features"`
	Family   string  `json:"family"`
	C        float64 `json:"C"`
	Hidden   int     `json:"hidden,omitzero"`
	MacroF1  float64 `json:"cv_macro_f1"`
	MicroF1  float64 `json:"cv_micro_f1"`
}

// Run trains, measures where asked, and writes the bundle.
func (c *trainCommand) Run(ctx context.Context, s streams) error {
	in, err := c.read()
	if err != nil {
		return err
	}
	p := newProgress(s)
	defer p.end()
	in.progress, in.settings.Progress = p.show, p.show
	if n := in.seenBefore(); n > 0 {
		warnShared(s, n, len(in.kept.Examples), c.Measure, c.Part)
	}
	in.settings.Also = beside(in.data, in.kept, in.also)
	model, err := in.train(ctx, in.data, in.settings)
	if err != nil {
		return err
	}
	return c.finish(ctx, s, in, model)
}

// input is all that training reads.
type input struct {
	settings train.Settings
	about    about
	cited    []weights.Evaluation
	data     *dataset.Dataset // to train on
	also     []*dataset.Dataset
	kept     *dataset.Dataset // to measure on, or nil
	encoder  *vectors.Encoder // to fit a head on, or nil
	progress func(stage string, done, total int)
}

// read takes in everything before the work begins, so that a mistake costs no training.
func (c *trainCommand) read() (in input, err error) {
	if c.Split == "" && (c.Measure != "" || c.Refit || c.Part != "") {
		return in, usagef("--part, --measure and --refit need --split")
	}
	c.Part = cmp.Or(c.Part, "train")
	if c.Measure == c.Part {
		return in, usagef("--measure %q is the part that is trained on; measure on another", c.Measure)
	}
	if in.settings, err = c.settings(); err != nil {
		return in, err
	}
	if in.encoder, err = c.openEncoder(); err != nil {
		return in, err
	}
	if in.settings.Hidden, err = c.hidden(in.encoder); err != nil {
		return in, err
	}
	if in.also, err = c.extras(c.dataFlags); err != nil {
		return in, err
	}
	if err = bundle.CanWrite(c.Out); err != nil {
		return in, err
	}
	if in.about, err = readAbout(c.Card, c.Out, c.MultiLabel); err != nil {
		return in, err
	}
	if in.cited, err = c.cited(); err != nil {
		return in, err
	}
	if c.Split == "" {
		in.data, err = c.load("")
		return in, err
	}
	if in.data, err = c.load(c.Part); err != nil || c.Measure == "" {
		return in, err
	}
	in.kept, err = c.load(c.Measure)
	return in, err
}

// seenBefore counts the notes to measure on that are also trained on.
func (in input) seenBefore() int {
	if in.kept == nil {
		return 0
	}
	trained, n := map[string]bool{}, 0
	for _, e := range in.data.Examples {
		trained[dataset.Fold(e.Text)] = true
	}
	for _, e := range in.kept.Examples {
		if trained[dataset.Fold(e.Text)] {
			n++
		}
	}
	return n
}

func warnShared(s streams, shared, of int, measured, trained string) {
	fmt.Fprintf(s.err, "warning: %d of the %d notes of part %q also stand in part %q; figures measured on them say little about new notes\n",
		shared, of, measured, trained)
}

// finish measures the model, fits it again where asked, and writes the bundle.
func (c *trainCommand) finish(ctx context.Context, s streams, in input, model *train.Model) error {
	result := outcome{Out: c.Out, Chosen: trial(model.Best)}
	for _, t := range model.Trials {
		result.Trials = append(result.Trials, trial(t))
	}
	evaluations, data, searched := in.cited, in.data, c.searched(in, model)
	if in.kept != nil {
		report, err := c.measure(ctx, in, model)
		if err != nil {
			return err
		}
		result.Measured = &report
		evaluations = append([]weights.Evaluation{evaluate.Evaluation(c.protocol(in), report)}, evaluations...)
	}
	if c.Refit {
		var err error
		if data, model, err = c.refit(ctx, in, model.Best.Candidate); err != nil {
			return err
		}
	}
	manifest, tensors, err := c.assemble(ctx, in, model)
	if err != nil {
		return err
	}
	a := in.about
	manifest.Name, manifest.Title, manifest.Question = a.Name, a.Title, a.Question
	manifest.Card = weights.Card{
		Summary: a.Summary, IntendedUse: a.IntendedUse, Limits: a.Limits,
		Data:     c.sources(in, data),
		Training: searched + c.fitted(in, data, model, manifest), Refitted: c.Refit, Evaluations: evaluations,
	}
	if err := bundle.Write(c.Out, manifest, tensors); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Out, bundle.CardFile), card.Markdown(manifest), 0o644); err != nil {
		return err
	}
	result.Examples, result.Skipped, result.Labels, result.Features = len(data.Examples), data.Skipped, len(data.Labels), features(in, model)
	return c.print(s, result)
}

// protocol says on the card what the figures on the part kept aside are worth.
func (c *trainCommand) protocol(in input) string {
	if n := in.seenBefore(); n > 0 {
		return fmt.Sprintf("part %q of the split, %d of whose notes also stand in the part trained on", c.Measure, n)
	}
	return fmt.Sprintf("part %q of the split, unseen by training, calibration and thresholds", c.Measure)
}

// searched says on the card how the settings were chosen.
func (c *trainCommand) searched(in input, model *train.Model) string {
	best := model.Best
	said := fmt.Sprintf("Settings tried by %d-fold cross-validation: %d. Chosen by macro-F1: %s, with macro-F1 %.3f and micro-F1 %.3f on held-out folds.",
		c.Folds, len(model.Trials), best.Candidate, best.MacroF1, best.MicroF1)
	if len(model.Trials) == 1 {
		said = fmt.Sprintf("Settings: %s, with macro-F1 %.3f and micro-F1 %.3f on the held-out folds of %d that calibration and thresholds come from.",
			best.Candidate, best.MacroF1, best.MicroF1, c.Folds)
	}
	top := slices.MaxFunc(model.Trials, func(a, b train.Trial) int { return cmp.Compare(a.MacroF1, b.MacroF1) })
	if top.MacroF1 > best.MacroF1 {
		kept := "cheaper features were"
		if in.encoder != nil {
			kept = "smaller hidden layer was"
		}
		said += fmt.Sprintf(" %s reached macro-F1 %.3f and micro-F1 %.3f; the %s kept.", top.Candidate, top.MacroF1, top.MicroF1, kept)
	}
	return said
}

// fitted says on the card what the shipped model was fitted on, and what it is made of.
func (c *trainCommand) fitted(in input, data *dataset.Dataset, model *train.Model, manifest weights.Manifest) string {
	said := ""
	if c.Refit && in.kept != nil {
		said += fmt.Sprintf(" The figures on part %q are of that model.", c.Measure)
	}
	if c.Refit {
		said += " The shipped model was then fitted on all examples with the same settings."
	}
	kept := in.kept
	if c.Refit {
		kept = nil
	}
	said += c.alsoLearnt(len(beside(data, kept, in.also)))
	if v := in.settings.Words(); v != nil {
		said += fmt.Sprintf(" Single words share what they learn through vectors of %d words, made of texts without labels, so that words no note used are judged by words used alike.", len(v.Words))
	}
	if in.encoder == nil {
		return said
	}
	if model.Hidden != nil {
		said += fmt.Sprintf(" Between encoder and head stands a hidden layer of %d units (tanh), fitted with the head and shipped in %s as the encoder's pooler.",
			model.Best.Candidate.Hidden, manifest.Encoder.Weights)
	}
	return said + fmt.Sprintf(" The encoder is that of %s, and stayed as it was.", in.encoder.Manifest.Name)
}

// refit fits the chosen settings on every part of the split.
func (c *trainCommand) refit(ctx context.Context, in input, chosen train.Candidate) (*dataset.Dataset, *train.Model, error) {
	data, err := c.load("")
	if err != nil {
		return nil, nil, err
	}
	settings := in.settings.Only(chosen)
	settings.Also = beside(data, nil, in.also)
	model, err := in.train(ctx, data, settings)
	return data, model, err
}

// assemble is the bundle of the model and, where it is a head, of the encoder that it stands on.
func (c *trainCommand) assemble(ctx context.Context, in input, model *train.Model) (weights.Manifest, []weights.Values, error) {
	manifest, tensors := model.Bundle(c.Precision)
	if in.encoder == nil {
		return manifest, tensors, nil
	}
	frozen, err := in.encoder.Tensors(ctx)
	if err != nil {
		return manifest, nil, fmt.Errorf("%s: %w", c.Encoder, err)
	}
	manifest.Encoder = headed(in.encoder, model)
	return manifest, append(frozen, tensors...), nil
}

// features counts what a model reads of a note: n-grams and phrases, or the elements of its vector.
func features(in input, model *train.Model) int {
	if in.encoder != nil {
		return in.encoder.Width()
	}
	n := 0
	for _, v := range model.Vocabularies {
		n += len(v.Keys)
	}
	if model.Lexicon != nil {
		n += len(model.Lexicon.Keys)
	}
	return n
}

// sources lists the data, then the texts learnt from beside it, and what the encoder was made of.
func (c *trainCommand) sources(in input, data *dataset.Dataset) []weights.Data {
	a := in.about
	out := []weights.Data{{
		Name: cmp.Or(a.DataName, filepath.Base(c.Data)), Licence: cmp.Or(a.DataLicence, "not stated"),
		Rows: data.Rows, Examples: len(data.Examples), SHA256: data.SHA256,
		Part: c.fittedOn(),
	}}
	for i, d := range in.also {
		source := weights.Data{Name: filepath.Base(c.Also[i]), Licence: "not stated", Rows: d.Rows, Examples: len(d.Examples), SHA256: d.SHA256}
		if i < len(a.Also) {
			source.Name, source.Licence = a.Also[i].Name, a.Also[i].Licence
		}
		out = append(out, source)
	}
	if v := in.settings.Words(); v != nil {
		out = append(out, weights.Data{
			Name: cmp.Or(a.Words.Name, filepath.Base(c.Words)), Licence: cmp.Or(a.Words.Licence, "not stated"),
			Rows: len(v.Words), SHA256: v.SHA256,
		})
	}
	if in.encoder != nil {
		out = append(out, in.encoder.Manifest.Card.Data...)
	}
	return out
}

// fittedOn is the part of the split that the shipped model was fitted on; "" is all.
func (c *trainCommand) fittedOn() string {
	if c.Split == "" || c.Refit {
		return ""
	}
	return c.Part
}

// measure evaluates the model, quantized as it will ship, on the part kept aside.
func (c *trainCommand) measure(ctx context.Context, in input, model *train.Model) (metrics.Report, error) {
	if in.encoder != nil {
		return in.measureHead(ctx, model)
	}
	manifest, tensors := model.Bundle(c.Precision)
	engine, err := evaluate.InMemory(manifest, tensors)
	if err != nil {
		return metrics.Report{}, err
	}
	return evaluate.Run(ctx, engine, &manifest, in.kept, nil)
}

// cited reads the reports named by --cite, by rising protocol name.
func (c *trainCommand) cited() ([]weights.Evaluation, error) {
	var out []weights.Evaluation
	for _, protocol := range slices.Sorted(maps.Keys(c.Cite)) {
		text, err := os.ReadFile(c.Cite[protocol])
		if err != nil {
			return nil, err
		}
		var report metrics.Report
		if err := json.Unmarshal(text, &report); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Cite[protocol], err)
		}
		if report.N == 0 {
			return nil, fmt.Errorf("%s: not a report of \"evaluate --json\" or \"measure --json\"", c.Cite[protocol])
		}
		e := evaluate.Evaluation(protocol, report)
		if c.Measure != "" || len(out) > 0 { // the card has its tables already
			e.PerLabel, e.Bins, e.Curve, e.Pairs = nil, nil, nil, nil
		}
		out = append(out, e)
	}
	return out, nil
}

func trial(t train.Trial) chosen {
	return chosen{t.Candidate.Features.Name, t.Candidate.Family, t.Candidate.C, t.Candidate.Hidden, t.MacroF1, t.MicroF1}
}

func (c *trainCommand) print(s streams, o outcome) error {
	if c.JSON {
		out := json.NewEncoder(s.out)
		out.SetIndent("", " ")
		return out.Encode(o)
	}
	features := "%d n-grams and phrases"
	if !strings.HasPrefix(o.Chosen.Features, "lexicon") {
		features = "%d n-grams"
	}
	if c.Encoder != "" {
		features = "vectors of %d"
	}
	fmt.Fprintf(s.out, "%d examples, %d labels, "+features, o.Examples, o.Labels, o.Features)
	if o.Skipped > 0 {
		fmt.Fprintf(s.out, " (%d rows without text skipped)", o.Skipped)
	}
	fmt.Fprintf(s.out, "\n\ncross-validation, %d folds (* chosen):\n", c.Folds)
	for _, t := range o.Trials {
		mark := " "
		if t == o.Chosen {
			mark = "*"
		}
		hidden := ""
		if c.Hidden != noHidden {
			hidden = fmt.Sprintf(" hidden=%-4d", t.Hidden)
		}
		fmt.Fprintf(s.out, "%s %-10s %-4s C=%-8g%s macro-F1 %.4f  micro-F1 %.4f\n", mark, t.Features, t.Family, t.C, hidden, t.MacroF1, t.MicroF1)
	}
	if o.Measured != nil {
		fmt.Fprintf(s.out, "\nmeasured on part %q: ", c.Measure)
		printReport(s.out, *o.Measured)
	}
	_, err := fmt.Fprintf(s.out, "\nwrote %s; %s is its model card\n", o.Out, filepath.Join(o.Out, bundle.CardFile))
	return err
}

// readAbout reads the names and texts of the card from file; "" leaves them to the directory
// that the bundle goes to.
func readAbout(file, out string, multiLabel bool) (about, error) {
	name := filepath.Base(filepath.Clean(out))
	a := about{Name: slug(name), Title: name, Question: "Which label does this note belong to?"}
	if multiLabel {
		a.Question = "Which labels does this note belong to?"
	}
	if file == "" {
		return a, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return a, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, fmt.Errorf("%s: %w", file, err)
	}
	if a.Name != slug(a.Name) {
		return a, fmt.Errorf("%s: name %q: want lower-case letters, digits and hyphens, 64 at most", file, a.Name)
	}
	return a, nil
}

// nameFlags say what a bundle is called; import and mix share them.
type nameFlags struct {
	Name     string `help:"Identifier of the model: lower-case letters, digits and hyphens." placeholder:"NAME"`
	Title    string `help:"What people call the model."`
	Question string `help:"What the model answers about a note."`
	Card     string `help:"JSON file with name, title, question and the card's texts." placeholder:"F.json" type:"existingfile"`
}

func (f nameFlags) about(out, task string) (about, error) {
	a, err := readAbout(f.Card, out, task == weights.MultiLabel)
	if err != nil {
		return a, err
	}
	if f.Name != "" && f.Name != slug(f.Name) {
		return a, usagef("--name %q: want lower-case letters, digits and hyphens, 64 at most", f.Name)
	}
	a.Name, a.Title, a.Question = cmp.Or(f.Name, a.Name), cmp.Or(f.Title, a.Title), cmp.Or(f.Question, a.Question)
	return a, nil
}

// about is what --card holds.
type about struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Question    string   `json:"question"`
	Summary     string   `json:"summary"`
	IntendedUse []string `json:"intended_use"`
	Limits      []string `json:"limits"`
	Training    string   `json:"training"` // of a model to import, of which import knows nothing
	DataName    string   `json:"data_name"`
	DataLicence string   `json:"data_licence"`

	Also  []source `json:"also"`  // the files of --also, in their order
	Words source   `json:"words"` // the vectors of --words
}

type source struct {
	Name    string `json:"name"`
	Licence string `json:"licence"`
}

// maxName is the longest name of a bundle.
const maxName = 64

// slug makes a name that manifests accept.
func slug(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, name)
	return cmp.Or(strings.Trim(clean[:min(len(clean), maxName)], "-"), "model")
}
