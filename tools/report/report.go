package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"bedside/tools/evaluate"
	"bedside/weights"
)

// Model is what is known of one bundle.
type Model struct {
	Manifest  weights.Manifest
	Runs      []Measured
	Published []Published
	Remarks   []string // what a reader should know before the figures
	Packed    int64    // bytes of the bundle under brotli
	Headless  Headless
}

// Machine is what speed was measured on, in words.
type Machine struct {
	Name     string
	Chromium *Chromium // nil where that was not measured
}

// Plot is an SVG file that the report shows.
type Plot struct {
	File     string // within the report's directory of plots
	Contents []byte
}

// Write makes the report, which finds its plots in the directory plots, relative to
// itself.
func Write(title string, models []Model, on Machine, plots string) ([]byte, []Plot, error) {
	w := &writer{dir: plots}
	w.line("# %s\n", cell(title))
	w.preface(models)
	w.overview(models)
	w.use(models, on)
	for _, m := range models {
		w.model(m)
	}
	return w.out.Bytes(), w.plots, w.err
}

type writer struct {
	out   bytes.Buffer
	dir   string
	plots []Plot
	err   error
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.out, format+"\n", args...) }

func (w *writer) preface(models []Model) {
	var trained, itself bool
	for _, m := range models {
		for _, r := range m.Runs {
			trained, itself = trained || r.Measure != nil, itself || r.Evaluate != nil
		}
	}
	w.line(`Written by "bedside report".`)
	if trained {
		w.line(`Figures are of models trained with the settings of the one that ships, on notes that do not
include those they are asked about unless a heading says so; calibration and thresholds come from the notes trained on too.`)
	}
	if itself {
		w.line("Where no training is named, the model itself was asked.")
	}
	w.line(`In brackets are 95 %% intervals: percentile bootstrap over the notes asked about, %d draws, a note drawn with all its
answers. They tell how much the choice of those notes matters, not how other training data or other hospitals would change
the figure. Macro-F1 of a draw leaves out labels that the draw does not have, and leans where labels are rare: a figure without an
interval lies outside of what draws gave.
Calibration error has no interval, for drawing adds to it; "by chance alone" is what a perfectly calibrated model would
show on as many notes.
`, resamples)
}

// overview has the headline figures of each model's first run.
func (w *writer) overview(models []Model) {
	names := []string{"top label right", "LRAP", "micro-F1", "macro-F1", calibrationError, byChance}
	w.line("## Overview\n")
	w.line("| model | measured on | notes | %s |", strings.Join(names, " | "))
	w.line("|---|---|--:%s|", strings.Repeat("|--:", len(names)))
	for _, m := range models {
		for _, r := range m.Runs {
			if r.Brief {
				continue
			}
			row := fmt.Sprintf("| [%s](#%s) | %s | %d", cell(m.Manifest.Name), anchor(m), cell(r.name()), r.Notes)
			for _, name := range names {
				row += " | " + interval(find(r.figures(), name))
			}
			w.line("%s |", row)
		}
	}
	w.line("")
}

// use has size and speed.
func (w *writer) use(models []Model, on Machine) {
	w.line("## Size and speed\n")
	chromium := "in Chromium, a note"
	if on.Chromium != nil {
		chromium = fmt.Sprintf("in %s, a note of %d characters: median, p99", cell(on.Chromium.Browser), on.Chromium.Characters)
	}
	w.line("| model | labels | brotli | headless, one core | notes there, characters | %s |", chromium)
	w.line("|---|--:|--:|--:|--:|--:|")
	for _, m := range models {
		took := "not measured"
		if on.Chromium != nil {
			if t, ok := on.Chromium.Models[m.Manifest.Name]; ok {
				took = fmt.Sprintf("%.2f ms, %.2f ms (n=%d)", t.Median, t.P99, t.Notes)
			}
		}
		headless := "not measured"
		if m.Headless.Notes > 0 {
			headless = fmt.Sprintf("%.0f notes/s", m.Headless.PerSecond)
		}
		w.line("| %s | %d | %.2f MB | %s | %.0f | %s |", cell(m.Manifest.Name), len(m.Manifest.Task.Labels), float64(m.Packed)/1e6, headless, m.Headless.Characters, took)
	}
	w.line("\nMeasured on %s. Headless is the module under wazero, on notes of the data; Chromium is the module in the page, warm,\non invented notes. Speed is the machine's as much as the model's.\n", on.Name)
}

func (w *writer) model(m Model) {
	w.line("## %s\n", cell(m.Manifest.Title))
	w.line("<a id=\"%s\"></a>%s %d labels; %s.\n", anchor(m), cell(m.Manifest.Question), len(m.Manifest.Task.Labels), kind(m.Manifest))
	for _, remark := range m.Remarks {
		w.line("**%s**\n", cell(remark))
	}
	w.published(m)
	for i, r := range m.Runs {
		if r.Brief {
			continue
		}
		w.run(m, r, fmt.Sprintf("%s-%d", m.Manifest.Name, i+1))
	}
}

func kind(m weights.Manifest) string {
	if m.Task.Kind == weights.MultiLabel {
		return "any number of them may be right"
	}
	return "one of them is right"
}

// published sets our figures beside those of other systems: the same words, and other
// notes unless the protocol says so.
func (w *writer) published(m Model) {
	names := columns(m)
	if len(names) == 0 {
		return
	}
	w.line("### Beside published systems\n\n| system | protocol | %s |", strings.Join(names, " | "))
	w.line("|---|---%s|", strings.Repeat("|--:", len(names)))
	for _, r := range m.Runs {
		row := fmt.Sprintf("| **here** | %s", cell(r.name()))
		for _, name := range names {
			row += " | " + interval(ours(m, r, name))
		}
		w.line("%s |", row)
	}
	for _, other := range m.Published {
		row := fmt.Sprintf("| %s | %s", cell(other.System), cell(other.Protocol))
		for _, name := range names {
			row += " | " + interval(find(other.Figures, name))
		}
		w.line("%s |", row)
	}
	w.line("")
}

// columns are the figures that some published system has.
func columns(m Model) []string {
	var names []string
	for _, name := range figureNames() {
		if slices.ContainsFunc(m.Published, func(p Published) bool { return find(p.Figures, name).Name != "" }) {
			names = append(names, name)
		}
	}
	return names
}

// ours is a figure of a run by the name that papers use.
func ours(m Model, r Measured, name string) weights.Figure {
	if name == accuracy && m.Manifest.Task.Kind == weights.MultiClass {
		name = "top label right"
	}
	return find(r.figures(), name)
}

func (w *writer) run(m Model, r Measured, file string) {
	w.line("### %s\n", cell(r.name()))
	of := fmt.Sprintf("%d notes", r.Notes)
	if r.Repeats > 1 {
		of = fmt.Sprintf("Figures are the mean of %d runs on %d notes each, %d distinct ones; calibration error, tables and plots are of all %d answers together", r.Repeats, r.Figures.N, r.Notes, r.Tables.N)
	} else if r.Notes < r.Figures.N {
		of = fmt.Sprintf("%d rows of %d distinct notes", r.Figures.N, r.Notes)
	}
	w.line("%s. By itself: `%s`\n", of, strings.ReplaceAll(r.Command, "`", "'"))
	w.line("| figure | value |\n|---|--:|")
	for _, f := range r.figures() {
		w.line("| %s | %s |", cell(f.Name), interval(f))
	}
	if r.Wide.N > 0 {
		w.line("| macro-F1 with float32 weights | %.3f |", r.Wide.MacroF1)
	}
	w.line("")
	w.curves(r, file)
	w.pairs(m, r)
	w.labels(r, file)
}

func (w *writer) curves(r Measured, file string) {
	distinct := float64(r.Notes) / float64(r.Tables.N)
	w.plot(file+"-reliability.svg", spokenReliability(r.Tables.Reliability), func() ([]byte, error) { return reliability(r.Tables.Reliability, distinct) })
	w.plot(file+"-coverage.svg", spokenCoverage(r.Tables.Curve), func() ([]byte, error) { return coverage(r.Tables, distinct) })
	w.line("\nLeft: confidence keeps its word where the dots lie on the broken line; larger dots stand for more notes, bars are Wilson's 95 %%")
	w.line("intervals. Right: the top label's accuracy if only the surest notes are answered. The square is where the model stands by")
	w.line("its own thresholds: it asserts something for %.1f %% of notes, and its top assertion is right for %.1f %% of those.\n", 100*r.Tables.Coverage, 100*r.Tables.RightIfSure)
}

func (w *writer) plot(file, spoken string, draw func() ([]byte, error)) {
	contents, err := draw()
	if err != nil {
		if w.err == nil {
			w.err = fmt.Errorf("plot %s: %w", file, err)
		}
		return
	}
	w.plots = append(w.plots, Plot{file, contents})
	w.line("![%s](%s/%s)", spoken, w.dir, file)
}

// shownPairs is how many pairs a reader looks at.
const shownPairs = 10

func (w *writer) pairs(m Model, r Measured) {
	if len(r.Tables.Pairs) == 0 {
		return
	}
	w.line("#### Most confused\n")
	if m.Manifest.Task.Kind == weights.MultiClass {
		w.line("Notes of one label that were given another, and how many of the label's notes that is.\n")
		w.line("| label | given | notes | of the label's |\n|---|---|--:|--:|")
	} else {
		w.line("Notes for which one label was missed while another was wrongly asserted, where that happens more often than if the two had")
		w.line("nothing to do with each other: the second may stand in for the first.\n")
		w.line("| missed | asserted | notes | by chance |\n|---|---|--:|--:|")
	}
	for _, p := range r.Tables.Pairs[:min(len(r.Tables.Pairs), shownPairs)] {
		last := fmt.Sprintf("%.1f", p.Chance)
		if m.Manifest.Task.Kind == weights.MultiClass {
			last = fmt.Sprintf("%.0f %%", 100*float64(p.Count)/float64(support(r.Tables.PerLabel, p.Missed)))
		}
		w.line("| %s | %s | %d | %s |", cell(p.Missed), cell(p.Given), p.Count, last)
	}
	w.line("")
}

func support(labels []weights.LabelFigure, name string) int {
	at := slices.IndexFunc(labels, func(l weights.LabelFigure) bool { return l.Label == name })
	if at < 0 {
		return 0
	}
	return labels[at].Support
}

// maxRows is how many labels a table has room for.
const maxRows = 200

func (w *writer) labels(r Measured, file string) {
	w.line("#### Label by label\n")
	if none := absent(r.Tables.PerLabel); len(none) > 0 {
		w.line("No note asked about has these labels, so nothing is known of how well they are found: %s.\n", cell(strings.Join(none, ", ")))
	}
	w.plot(file+"-labels.svg", fmt.Sprintf("F1 of the %d most frequent labels; the table below has the numbers", min(len(r.Tables.PerLabel), maxBars)), func() ([]byte, error) { return byLabel(r.Tables.PerLabel) })
	w.line("\n<details><summary>Precision, recall and F1</summary>\n")
	w.line("| label | precision | recall | F1 | notes with it | asserted |\n|---|--:|--:|--:|--:|--:|")
	sorted := bySupport(r.Tables.PerLabel)
	for _, l := range sorted[:min(len(sorted), maxRows)] {
		w.line("| %s | %.3f | %.3f | %.3f | %d | %d |", cell(l.Label), l.Precision, l.Recall, l.F1, l.Support, l.Predicted)
	}
	if more := len(sorted) - maxRows; more > 0 {
		w.line("\n%d labels of fewer notes are not shown.", more)
	}
	w.line("\n</details>\n")
}

// absent names labels without support, as many as a reader wants to see.
func absent(labels []weights.LabelFigure) []string {
	var names []string
	for _, l := range labels {
		if l.Support == 0 {
			names = append(names, l.Label)
		}
	}
	if more := len(names) - shownPairs; more > 0 {
		names = append(names[:shownPairs:shownPairs], fmt.Sprintf("and %d more", more))
	}
	return names
}

func spokenReliability(bins []weights.Bin) string {
	var parts []string
	for _, b := range bins {
		if b.Count > 0 {
			parts = append(parts, fmt.Sprintf("%.0f %% claimed, %.0f %% right of %d", 100*b.Confidence, 100*b.Accuracy, b.Count))
		}
	}
	return "Reliability: " + strings.Join(parts, "; ")
}

func spokenCoverage(curve []weights.Point) string {
	var parts []string
	for i, p := range curve {
		if (i+1)%10 == 0 || i+1 == len(curve) {
			parts = append(parts, fmt.Sprintf("%.0f %% answered, %.1f %% right", 100*p.Answered, 100*p.Accuracy))
		}
	}
	return "Answering less: " + strings.Join(parts, "; ")
}

// find is the named figure, or one without a name.
func find(figures []weights.Figure, name string) weights.Figure {
	at := slices.IndexFunc(figures, func(f weights.Figure) bool { return f.Name == name })
	if at < 0 {
		return weights.Figure{}
	}
	return figures[at]
}

// interval is a figure with its ends, as far as it has them.
func interval(f weights.Figure) string {
	switch {
	case f.Name == "":
		return ""
	case f.High == 0:
		return fmt.Sprintf("%.3f", f.Value)
	}
	return fmt.Sprintf("%.3f (%.3f to %.3f)", f.Value, f.Low, f.High)
}

func anchor(m Model) string { return "model-" + m.Manifest.Name }

// cell keeps a name from breaking out of its table cell, and from being read as Markdown
// or HTML.
func cell(name string) string { return escaper.Replace(line(name)) }

var escaper = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", `\<`, "[", `\[`, "`", "\\`", "*", `\*`)

// line makes one line of a text.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

// Figures of a run by name, for whoever compares.
func (m Measured) Value(name string) float64 { return find(evaluate.Figures(m.Figures), name).Value }
