// Package card writes model cards.
package card

import (
	"bytes"
	"fmt"
	"strings"

	"bedside/weights"
)

// Markdown is the model card of a bundle, all of it from the manifest.
func Markdown(m weights.Manifest) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s", m.Title, m.Question)
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
	for _, e := range m.Card.Evaluations {
		evaluation(&b, e)
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
		fmt.Fprintf(b, "- %s\n", item)
	}
	b.WriteByte('\n')
}

func model(b *bytes.Buffer, m weights.Manifest) {
	b.WriteString("## Model\n\n")
	var blocks []string
	for _, f := range m.TFIDF.Blocks {
		unit := "words"
		if f.Analyzer == weights.CharWB {
			unit = "characters within words"
		}
		blocks = append(blocks, fmt.Sprintf("%d n-grams of %d to %d %s", f.Terms, f.MinN, f.MaxN, unit))
	}
	family := map[string]string{"lr": "logistic regression", "svm": "linear support vector machine"}[m.Linear.Family]
	fmt.Fprintf(b, "TF-IDF of %s; %s, C = %g; probabilities by %s scaling.\n\n", strings.Join(blocks, " and "), family, m.Linear.C, m.Calibration.Kind)
}

func data(b *bytes.Buffer, sources []weights.Data) {
	b.WriteString("## Data\n\n| source | licence | rows | examples | SHA-256 |\n|---|---|--:|--:|---|\n")
	for _, d := range sources {
		fmt.Fprintf(b, "| %s | %s | %d | %d | `%s` |\n", cell(d.Name), cell(d.Licence), d.Rows, d.Examples, d.SHA256)
	}
	b.WriteByte('\n')
}

func evaluation(b *bytes.Buffer, e weights.Evaluation) {
	fmt.Fprintf(b, "## Measured: %s\n\n%d notes.\n\n| figure | value |\n|---|--:|\n", e.Protocol, e.N)
	for _, f := range e.Figures {
		fmt.Fprintf(b, "| %s | %.4f |\n", cell(f.Name), f.Value)
	}
	b.WriteByte('\n')
	if len(e.Bins) > 0 {
		b.WriteString("Calibration of the top label: what it claims, and how often it is right.\n\n| claimed | right | notes |\n|--:|--:|--:|\n")
		for _, bin := range e.Bins {
			fmt.Fprintf(b, "| %.3f | %.3f | %d |\n", bin.Confidence, bin.Accuracy, bin.Count)
		}
		b.WriteByte('\n')
	}
	if len(e.PerLabel) > 0 {
		b.WriteString("| label | precision | recall | F1 | notes with it | asserted |\n|---|--:|--:|--:|--:|--:|\n")
		for _, l := range e.PerLabel {
			fmt.Fprintf(b, "| %s | %.3f | %.3f | %.3f | %d | %d |\n", cell(l.Label), l.Precision, l.Recall, l.F1, l.Support, l.Predicted)
		}
		b.WriteByte('\n')
	}
}

// cell keeps a text from breaking out of its table cell.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s) }
