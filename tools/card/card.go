// Package card writes model cards.
package card

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"bedside/weights"
)

// Markdown is the model card of a bundle, all of it from the manifest. Sections that
// the manifest says nothing about are left out. Labels and other names are escaped;
// titles, texts and list items may use Markdown.
func Markdown(m weights.Manifest) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s", line(m.Title), line(m.Question))
	kind := "Exactly one of %d labels is right."
	if m.Task.Kind == weights.MultiLabel {
		kind = "Any number of %d labels may be right."
	}
	fmt.Fprintf(&b, " "+kind+"\n\n", len(m.Task.Labels))
	paragraph(&b, "", m.Card.Summary)
	list(&b, "Intended use", m.Card.IntendedUse)
	list(&b, "Limits", m.Card.Limits)
	model(&b, m)
	data(&b, m.Card.Data)
	paragraph(&b, "Training", m.Card.Training)
	if m.Card.Refitted && len(m.Card.Evaluations) > 0 {
		b.WriteString("Figures below are of models that had not seen the notes they were asked about, unless a heading says otherwise. The one here was then fitted on all notes, with the same settings.\n\n")
	}
	for _, e := range m.Card.Evaluations {
		evaluation(&b, m, e)
	}
	return b.Bytes()
}

func paragraph(b *bytes.Buffer, heading, text string) {
	if text == "" {
		return
	}
	if heading != "" {
		fmt.Fprintf(b, "## %s\n\n", heading)
	}
	fmt.Fprintf(b, "%s\n\n", text)
}

func list(b *bytes.Buffer, heading string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s\n\n", heading)
	for _, item := range items {
		fmt.Fprintf(b, "- %s\n", line(item))
	}
	b.WriteByte('\n')
}

func model(b *bytes.Buffer, m weights.Manifest) {
	if m.TFIDF == nil && m.Lexicon == nil {
		return
	}
	b.WriteString("## Model\n\n")
	if m.Mix != nil {
		fmt.Fprintf(b, "Two models whose scores are added up, calibrated and weighed: an encoder of %d layers, %d wide, with a weight of %g, and a linear model with %g. The linear one: ",
			m.Encoder.Layers, m.Encoder.Hidden, m.Mix.Encoder, rounded(1-m.Mix.Encoder))
	}
	if x := m.Lexicon; x != nil {
		fmt.Fprintf(b, "A lexicon of %d phrases of 1 to %d words, speaking %d times for %d labels: the loudest phrase in a note counts for its label. ",
			x.Phrases, x.MaxN, x.Entries, x.Concepts)
	}
	if m.TFIDF == nil || m.Linear == nil {
		fmt.Fprintf(b, "Probabilities by %s.\n\n", called(m.Calibration.Kind))
		return
	}
	var blocks []string
	for _, f := range m.TFIDF.Blocks {
		unit := "words"
		if f.Analyzer == weights.CharWB {
			unit = "characters within words"
		}
		if f.Analyzer == weights.Word && f.MaxN == 1 {
			blocks = append(blocks, fmt.Sprintf("%d single words", f.Terms))
			continue
		}
		blocks = append(blocks, fmt.Sprintf("%d n-grams of %d to %d %s", f.Terms, f.MinN, f.MaxN, unit))
	}
	fmt.Fprintf(b, "TF-IDF of %s; %s, C = %g; probabilities by %s.\n\n", strings.Join(blocks, " and "),
		called(m.Linear.Family), m.Linear.C, called(m.Calibration.Kind))
}

// rounded leaves out what binary fractions add to decimal ones.
func rounded(share float64) float64 { return math.Round(1e6*share) / 1e6 }

// called is the full name of a family or a calibration.
func called(kind string) string {
	switch kind {
	case "lr":
		return "logistic regression"
	case "svm":
		return "linear support vector machine"
	case weights.Platt:
		return "Platt scaling"
	case weights.Temperature:
		return "temperature scaling"
	}
	return cell(kind)
}

func data(b *bytes.Buffer, sources []weights.Data) {
	if len(sources) == 0 {
		return
	}
	b.WriteString("## Data\n\n| source | licence | rows | examples | SHA-256 |\n|---|---|--:|--:|---|\n")
	for _, d := range sources {
		fmt.Fprintf(b, "| %s | %s | %d | %d | `%s` |\n", cell(d.Name), cell(d.Licence), d.Rows, d.Examples, cell(d.SHA256))
	}
	b.WriteByte('\n')
}

func evaluation(b *bytes.Buffer, m weights.Manifest, e weights.Evaluation) {
	fmt.Fprintf(b, "## Measured: %s\n\n%d notes.\n\n", cell(e.Protocol), e.N)
	figures(b, e.Figures)
	if len(e.Bins) > 0 {
		b.WriteString("Calibration of the top label: what it claims, and how often it is right.\n\n| claimed | right | notes |\n|--:|--:|--:|\n")
		for _, bin := range e.Bins {
			if bin.Count > 0 {
				fmt.Fprintf(b, "| %.3f | %.3f | %d |\n", bin.Confidence, bin.Accuracy, bin.Count)
			}
		}
		b.WriteByte('\n')
	}
	if len(e.Curve) > 0 {
		b.WriteString("Answering only the surest notes: how often their top label is right.\n\n| answered | right | from confidence |\n|--:|--:|--:|\n")
		for i, p := range e.Curve {
			if (i+1)%curveStep == 0 || i+1 == len(e.Curve) {
				fmt.Fprintf(b, "| %.3f | %.3f | %.3f |\n", p.Answered, p.Accuracy, p.Confidence)
			}
		}
		b.WriteByte('\n')
	}
	pairs(b, m, e.Pairs)
	if len(e.PerLabel) > 0 {
		b.WriteString("| label | precision | recall | F1 | notes with it | asserted |\n|---|--:|--:|--:|--:|--:|\n")
		for _, l := range e.PerLabel {
			fmt.Fprintf(b, "| %s | %.3f | %.3f | %.3f | %d | %d |\n", cell(l.Label), l.Precision, l.Recall, l.F1, l.Support, l.Predicted)
		}
		b.WriteByte('\n')
	}
}

// What of a curve and of pairs a card has room for.
const (
	curveStep  = 4
	shownPairs = 10
)

func figures(b *bytes.Buffer, figures []weights.Figure) {
	b.WriteString("| figure | value | 95 % interval |\n|---|--:|--:|\n")
	for _, f := range figures {
		interval := ""
		if f.High > 0 {
			interval = fmt.Sprintf("%.3f to %.3f", f.Low, f.High)
		}
		fmt.Fprintf(b, "| %s | %.4f | %s |\n", cell(f.Name), f.Value, interval)
	}
	b.WriteByte('\n')
}

func pairs(b *bytes.Buffer, m weights.Manifest, pairs []weights.Pair) {
	if len(pairs) == 0 {
		return
	}
	if m.Task.Kind == weights.MultiLabel {
		b.WriteString("Most confused: notes for which one label was missed while another was wrongly asserted, where that happens more often than by chance.\n\n")
	} else {
		b.WriteString("Most confused: notes of one label that were given another, and how many there would be by chance.\n\n")
	}
	b.WriteString("| missed | given | notes | by chance |\n|---|---|--:|--:|\n")
	for _, p := range pairs[:min(len(pairs), shownPairs)] {
		fmt.Fprintf(b, "| %s | %s | %d | %.1f |\n", cell(p.Missed), cell(p.Given), p.Count, p.Chance)
	}
	b.WriteByte('\n')
}

// cell keeps a name from breaking out of its table cell, and from being read as Markdown
// or HTML.
func cell(name string) string { return escaper.Replace(line(name)) }

var escaper = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", `\<`, "[", `\[`, "`", "\\`", "*", `\*`)

// line makes one line of a text.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }
