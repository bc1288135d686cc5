package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"bedside/tools/card"
	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/tools/page"
	"bedside/tools/report"
	"bedside/wasm/classify"
	"bedside/wasm/host"
	"bedside/weights"
	"bedside/weights/bundle"
)

type reportCommand struct {
	Protocols []string `arg:"" optional:"" help:"Files that say how bundles are measured; weights/README.md documents them." placeholder:"PROTOCOL.json" type:"existingfile"`

	Bundle         string `help:"Instead of protocols: a model, to be asked about --data." placeholder:"DIR" type:"existingdir"`
	Data           string `help:"With --bundle: CSV file of labelled notes that the model has not seen." placeholder:"F.csv"`
	Text           string `help:"Column with the notes." placeholder:"COL"`
	Label          string `help:"Column with the label or labels." placeholder:"COL"`
	LabelSeparator string `help:"What separates several labels in one cell." placeholder:"';'"`
	None           bool   `help:"An empty label cell says that no label is right for the note, which counts as such."`
	GroupByText    bool   `help:"One example per distinct text, its labels united."`
	Split          string `help:"CSV file with the columns row and part." placeholder:"F"`
	Part           string `help:"With --split: the part to ask about." placeholder:"PART"`

	Out      string `help:"Markdown file to write. Its plots go to a directory beside it: REPORT-plots for REPORT.md." required:"" placeholder:"F.md"`
	Title    string `help:"The report's heading." default:"What the models are worth"`
	Cards    bool   `help:"Write the figures into the bundles' manifests and model cards too."`
	Chromium string `help:"What the bench in Chromium has written." placeholder:"F.json" type:"existingfile"`
	Answers  string `help:"Keep the answers there, and take those made by the same flags from the same files instead of training again. A change of Bedside itself is not noticed: delete the directory then." placeholder:"DIR"`
	Seed     uint64 `help:"Seed of the bootstrap." default:"1"`
}

func (c *reportCommand) Help() string {
	return `A model that was fitted on all the data there is has seen every note it could be asked
about. So its protocol says how to train others with the same settings on part of the
notes, and those are asked about the rest, as "bedside measure" does. A model of which
some labelled notes were kept aside is asked itself: --bundle and --data.

Examples:
  bedside report weights/section.protocol.json --out section.md
  bedside report --bundle my-model --data new.csv --text note --label specialty --out my-model.md`
}

// Run measures every bundle and writes the report.
func (c *reportCommand) Run(ctx context.Context, s streams) error {
	protocols, err := c.protocols()
	if err != nil {
		return err
	}
	on := report.Machine{Name: machine()}
	if c.Chromium != "" {
		if on.Chromium, err = report.ReadChromium(c.Chromium); err != nil {
			return err
		}
	}
	p := newProgress(s)
	defer p.end()
	var models []report.Model
	for i, protocol := range protocols {
		of := &reporting{c, protocol, p, fmt.Sprintf("%s (%d of %d)", filepath.Base(protocol.Bundle), i+1, len(protocols))}
		model, err := of.model(ctx)
		if err != nil {
			return err
		}
		models = append(models, model)
	}
	p.end()
	if err := c.write(models, on); err != nil {
		return err
	}
	if c.Cards {
		for i, m := range models {
			if err := c.setCard(protocols[i], m); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprintf(s.out, "wrote %s\n", c.Out)
	return err
}

// protocols reads all files first, so that a mistake costs no training.
func (c *reportCommand) protocols() ([]*report.Protocol, error) {
	switch {
	case (c.Bundle == "") == (len(c.Protocols) == 0):
		return nil, usagef("want either protocols or --bundle with --data")
	case c.Bundle == "" && (c.Data != "" || c.Text != "" || c.Label != "" || c.LabelSeparator != "" || c.None || c.GroupByText || c.Split != "" || c.Part != ""):
		return nil, usagef("--data and what describes it are for --bundle; a protocol names its own")
	case c.Bundle != "":
		return []*report.Protocol{c.own()}, nil
	}
	var out []*report.Protocol
	for _, path := range c.Protocols {
		p, err := report.ReadProtocol(path)
		if err != nil {
			return nil, err
		}
		for _, r := range p.Runs {
			if _, err := newAsker(p, r); err != nil {
				return nil, fmt.Errorf("%s: run %q: %w", path, r.Protocol, err)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// own is the protocol of asking a bundle itself.
func (c *reportCommand) own() *report.Protocol {
	flags := report.Flags{"none": c.None, "group-by-text": c.GroupByText}
	for name, value := range map[string]string{
		"data": c.Data, "text": c.Text, "label": c.Label, "label-separator": c.LabelSeparator, "split": c.Split, "part": c.Part,
	} {
		if value != "" {
			flags[name] = value
		}
	}
	name := filepath.Base(c.Data)
	if c.Part != "" {
		name += fmt.Sprintf(", part %q", c.Part)
	}
	return &report.Protocol{Bundle: c.Bundle, Runs: []report.Run{{Protocol: name, Evaluate: flags}}}
}

func (c *reportCommand) write(models []report.Model, on report.Machine) error {
	name := strings.TrimSuffix(filepath.Base(c.Out), filepath.Ext(c.Out)) + "-plots"
	text, plots, err := report.Write(c.Title, models, on, name)
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(c.Out), name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, p := range plots {
		if err := os.WriteFile(filepath.Join(dir, p.File), p.Contents, 0o666); err != nil {
			return err
		}
	}
	return os.WriteFile(c.Out, text, 0o666)
}

// setCard puts the runs in place of the card's evaluations; of a bundle that was asked
// itself, beside those it had.
func (c *reportCommand) setCard(p *report.Protocol, m report.Model) error {
	about := m.Manifest.Card
	var evaluations []weights.Evaluation
	for _, r := range m.Runs {
		evaluations = append(evaluations, r.Evaluation())
	}
	if c.Bundle == "" {
		about.Refitted = m.Runs[0].Measure != nil
	}
	if c.Bundle != "" {
		for _, e := range about.Evaluations {
			if e.Protocol != evaluations[0].Protocol {
				evaluations = append(evaluations, e)
			}
		}
	}
	about.Evaluations = evaluations
	if err := bundle.SetCard(p.Bundle, about); err != nil {
		return err
	}
	m.Manifest.Card = about
	return os.WriteFile(filepath.Join(p.Bundle, bundle.CardFile), card.Markdown(m.Manifest), 0o644)
}

// reporting is the work on one bundle.
type reporting struct {
	*reportCommand
	protocol *report.Protocol
	progress *progress
	name     string
}

func (r *reporting) model(ctx context.Context) (report.Model, error) {
	b, err := bundle.Open(os.DirFS(r.protocol.Bundle))
	if err != nil {
		return report.Model{}, in(r.protocol.Bundle, err)
	}
	m := report.Model{Manifest: *b.Manifest, Published: r.protocol.Published}
	for i, run := range r.protocol.Runs {
		asker, err := newAsker(r.protocol, run)
		if err != nil {
			return m, err
		}
		answers, err := r.ask(ctx, asker, fmt.Sprintf("%s-%d", b.Manifest.Name, i+1))
		if err != nil {
			return m, fmt.Errorf("%s, %q: %w", r.protocol.Bundle, run.Protocol, err)
		}
		r.progress.show(r.name+": intervals", 1, 1)
		measured, err := report.Measure(run, answers.Asked, r.Seed)
		if err != nil {
			return m, in(r.protocol.Bundle, err)
		}
		if m.Runs = append(m.Runs, measured); i > 0 {
			continue
		}
		m.Remarks = differences(b.Manifest, answers)
		r.progress.show(r.name+": speed", 1, 1)
		if m.Headless, err = r.headless(ctx, asker); err != nil {
			return m, in(r.protocol.Bundle, err)
		}
	}
	r.progress.show(r.name+": size", 1, 1)
	m.Packed, err = packed(b)
	return m, err
}

// asked is what came of a run, and of what it was made.
type asked struct {
	report.Asked
	Data  string           // SHA-256
	Also  []string         // of the files learned from beside
	Words string           // SHA-256 of the vectors of words, or ""
	Part  string           // of the split, that the bundle itself was asked about; "" means all
	Model weights.Manifest // of the settings trained with; empty if the bundle itself was asked
}

// asking is the command of a run: one or the other.
type asking struct {
	measuring  *measureCommand
	evaluating *evaluateCommand
	command    []string
}

// newAsker reads a run's flags as the command line would.
func newAsker(p *report.Protocol, r report.Run) (*asking, error) {
	a := &asking{}
	var grammar any
	flags := p.Flags.With(r.Measure)
	if r.Measure != nil {
		a.measuring, a.command = &measureCommand{}, []string{"bedside", "measure"}
		grammar = a.measuring
	} else {
		flags = p.Flags.With(r.Evaluate).With(report.Flags{"bundle": p.Bundle})
		a.evaluating, a.command = &evaluateCommand{}, []string{"bedside", "evaluate"}
		grammar = a.evaluating
	}
	args, err := flags.Args()
	if err != nil {
		return nil, err
	}
	a.command = append(a.command, args...)
	parser, err := kong.New(grammar, kong.NoDefaultHelp(), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse(args); err != nil {
		return nil, &usageError{err}
	}
	return a, nil
}

// ask gets the answers of a run, from the directory of answers where it has them.
func (r *reporting) ask(ctx context.Context, a *asking, name string) (*asked, error) {
	kept, err := r.kept(a, name)
	if err != nil || kept.found != nil {
		return kept.found, err
	}
	show := func(stage string, done, total int) { r.progress.show(r.name+": "+stage, done, total) }
	out, err := a.ask(ctx, show)
	if err != nil {
		return nil, err
	}
	out.Command = shellQuoted(a.command)
	return out, kept.keep(out)
}

func (a *asking) ask(ctx context.Context, show func(stage string, done, total int)) (*asked, error) {
	if a.measuring != nil {
		f, err := a.measuring.run(ctx, show)
		if err != nil {
			return nil, err
		}
		return &asked{Asked: report.Asked{Runs: f.runs, Wide: f.wide, Shared: f.shared, Unknown: f.unknown}, Data: f.data.SHA256, Also: f.also, Words: f.words, Model: f.model}, nil
	}
	engine, manifest, done, err := a.evaluating.engine(ctx, a.evaluating.Bundle)
	if err != nil {
		return nil, err
	}
	defer done()
	data, err := a.notes()
	if err != nil {
		return nil, err
	}
	answers, _, err := evaluate.Collect(ctx, engine, manifest, data, func(done, total int) { show("classifying", done, total) })
	return &asked{Asked: report.Asked{Runs: []metrics.Answers{answers}, Unknown: evaluate.Unknown(manifest, data)}, Data: data.SHA256, Part: a.evaluating.Part}, err
}

// notes are those that a run asks about, or some of them.
func (a *asking) notes() (*dataset.Dataset, error) {
	if a.measuring != nil {
		return a.measuring.load(cmp.Or(a.measuring.On, a.measuring.Part))
	}
	return a.evaluating.load(a.evaluating.Part)
}

// differences says how the models asked differ from the bundle that ships.
func differences(m *weights.Manifest, of *asked) []string {
	var out []string
	if of.Model.Task.Kind == "" {
		if slices.ContainsFunc(m.Card.Data, func(d weights.Data) bool {
			return d.SHA256 == of.Data && (d.Part == "" || of.Part == "" || d.Part == of.Part)
		}) {
			out = append(out, "This model was trained on notes of this very file: the figures say little about new notes.")
		}
		return out
	}
	if !maps.Equal(of.files(), filesOf(m.Card)) {
		out = append(out, "The bundle learned from other files than the models measured here.")
	}
	if got, want := settingsOf(of.Model), settingsOf(*m); got != want {
		out = append(out, fmt.Sprintf("The bundle was trained with other settings than the models measured here: it is %s, they are %s.", want, got))
	}
	return out
}

// files are the SHA-256 of all that the models asked learned from.
func (a *asked) files() map[string]bool {
	files := map[string]bool{a.Data: true}
	for _, sha := range a.Also {
		files[sha] = true
	}
	if a.Words != "" {
		files[a.Words] = true
	}
	return files
}

// filesOf are those of a bundle.
func filesOf(c weights.Card) map[string]bool {
	files := map[string]bool{}
	for _, d := range c.Data {
		files[d.SHA256] = true
	}
	return files
}

// settingsOf describes a model but for what depends on the notes it was fitted on.
func settingsOf(m weights.Manifest) string {
	s := fmt.Sprintf("%s, prepare %q, lowercase %t, accents %q", m.Task.Kind, m.Text.Prepare, m.Text.Lowercase, m.Text.StripAccents)
	if m.TFIDF != nil {
		for _, b := range m.TFIDF.Blocks {
			b.Terms = 0
			s += fmt.Sprintf(", %+v", b)
		}
	}
	if x := m.Lexicon; x != nil {
		s += fmt.Sprintf(", lexicon of phrases to %d words", x.MaxN)
	}
	if m.Linear != nil {
		s += fmt.Sprintf(", %s of C=%g", m.Linear.Family, m.Linear.C)
	}
	if m.Encoder != nil {
		s += ", an encoder"
	}
	return s
}

// Headless speed is measured on so many notes, or on those that a first pass, which is not counted, gets through in its time.
const (
	timedNotes = 300
	firstPass  = 5 * time.Second
	passes     = 5
)

// headless times the bundle in the module, on one core: its quickest pass, for this machine
// may have other work.
func (r *reporting) headless(ctx context.Context, a *asking) (report.Headless, error) {
	var out report.Headless
	if _, err := host.EmbeddedModule(); err != nil {
		return out, nil // a program without the module: the report says "not measured"
	}
	data, err := a.notes()
	if err != nil {
		return out, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	h, err := newHost(ctx, host.SIMD)
	if err != nil {
		return out, err
	}
	defer func() { _ = h.Close(context.WithoutCancel(ctx)) }()
	model, err := h.LoadDir(ctx, r.protocol.Bundle)
	if err != nil {
		return out, err
	}
	notes := data.Examples[:min(len(data.Examples), timedNotes)]
	var best time.Duration
	for pass := range passes + 1 {
		begun := time.Now()
		for i, e := range notes {
			if _, err := model.ClassifyJSON(ctx, e.Text, classify.Options{}); err != nil {
				return out, err
			}
			if pass == 0 && time.Since(begun) > firstPass {
				notes = notes[:i+1]
				break
			}
		}
		if took := time.Since(begun); pass == 1 || pass > 1 && took < best {
			best = took
		}
	}
	for _, e := range notes {
		out.Characters += float64(utf8.RuneCountInString(e.Text)) / float64(len(notes))
	}
	out.Notes, out.PerSecond = len(notes), float64(len(notes))/best.Seconds()
	return out, nil
}

// packed is what a browser fetches of the bundle.
func packed(b *bundle.Bundle) (int64, error) {
	total, err := page.Packed(b.Raw)
	for i := 0; i < len(b.Manifest.Shards) && err == nil; i++ {
		var shard []byte
		var size int64
		if shard, err = b.ReadShard(i, nil); err == nil {
			size, err = page.Packed(shard)
		}
		total += size
	}
	return total, err
}

// machine is this one, in words, and how much it has to do.
func machine() string {
	name := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for l := range strings.Lines(string(text)) {
			if key, value, found := strings.Cut(l, ":"); found && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	words := fmt.Sprintf("%d cores of %s, %s", runtime.NumCPU(), name, runtime.GOOS)
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ := strings.Cut(string(text), " ")
		words += ", load average " + load
	}
	return words
}

// shellQuoted is a command line that a shell takes apart again.
func shellQuoted(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		name, value, found := strings.Cut(arg, "=")
		if !found {
			name, value = "", arg
		} else {
			name += "="
		}
		if value == "" || strings.ContainsFunc(value, func(r rune) bool {
			return !strings.ContainsRune("-_./,+:%@", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		quoted[i] = name + value
	}
	return strings.Join(quoted, " ")
}
