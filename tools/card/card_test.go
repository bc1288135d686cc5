package card

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"bedside/weights"
)

var update = flag.Bool("update", false, "write testdata anew")

func manifest() weights.Manifest {
	return weights.Manifest{
		Title:    "Rooms",
		Question: "Which room does this note speak of?",
		Task:     weights.Task{Kind: weights.MultiLabel, Labels: []string{"Kitchen", "Hall | stairs"}},
		TFIDF: &weights.TFIDF{Blocks: []weights.Block{
			{Analyzer: weights.Word, MinN: 1, MaxN: 2, Terms: 120},
			{Analyzer: weights.CharWB, MinN: 3, MaxN: 5, Terms: 3400},
		}},
		Linear:      &weights.Linear{Family: "lr", C: 0.3},
		Calibration: weights.Calibration{Kind: weights.Platt},
		Card: weights.Card{
			Summary:     "Sorts notes about a house.",
			IntendedUse: []string{"Finding notes again.", "Nothing that\nmatters."},
			Limits:      []string{"Knows *two* rooms."},
			Data:        []weights.Data{{Name: "house|notes.csv", Licence: "CC0", Rows: 30, Examples: 28, SHA256: "ab12"}},
			Training:    "Chosen among 2 settings.",
			Refitted:    true,
			Evaluations: []weights.Evaluation{
				{
					Protocol: "part \"test\"\nof the split", N: 9,
					Figures: []weights.Figure{{Name: "micro-F1", Value: 0.75, Low: 0.5, High: 0.875}, {Name: "ECE", Value: 0.03125}},
					Bins:    []weights.Bin{{Confidence: 0.5, Accuracy: 1, Count: 1}, {}, {Confidence: 0.9, Accuracy: 0.875, Count: 8}},
					Curve: []weights.Point{
						{Confidence: 0.95, Answered: 0.2, Accuracy: 1}, {Confidence: 0.9, Answered: 0.4, Accuracy: 1}, {Confidence: 0.85, Answered: 0.6, Accuracy: 1},
						{Confidence: 0.8, Answered: 0.8, Accuracy: 0.9}, {Confidence: 0.5, Answered: 1, Accuracy: 0.875},
					},
					Pairs: []weights.Pair{{Missed: "Hall | stairs", Given: "Kitchen", Count: 1, Chance: 0.25}},
					PerLabel: []weights.LabelFigure{
						{Label: "Kitchen", Precision: 1, Recall: 0.5, F1: 2.0 / 3, Support: 4, Predicted: 2},
						{Label: "Hall | stairs\n<b>`up`</b> C:\\| [x](y)", Precision: 0.5, Recall: 0.5, F1: 0.5, Support: 2, Predicted: 2},
					},
				},
				{Protocol: "cited", N: 3, Figures: []weights.Figure{{Name: "micro-F1", Value: 0.5}}},
			},
		},
	}
}

func TestMarkdown(t *testing.T) {
	const file = "testdata/rooms.md"
	got := Markdown(manifest())
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the card differs from %s (go test -update writes it):\n%s", file, got)
	}
}

// TestTablesStayWhole counts the cells of every row.
func TestTablesStayWhole(t *testing.T) {
	m := manifest()
	for _, label := range []string{"|", "a|b|c", "\\|", "\\", "a\r\n| b |", "\u2028|"} {
		m.Card.Evaluations[0].PerLabel = []weights.LabelFigure{{Label: label}}
		m.Card.Evaluations[0].Pairs = []weights.Pair{{Missed: label, Given: label}}
		m.Card.Data[0].Name = label
		columns := 0
		for row := range strings.Lines(string(Markdown(m))) {
			if !strings.HasPrefix(row, "|") {
				columns = 0
				continue
			}
			n := cells(row)
			if columns == 0 {
				columns = n
			}
			if n != columns {
				t.Errorf("label %q: %d cells under %d columns: %s", label, n, columns, row)
			}
		}
	}
}

// cells splits a row as GitHub does: a backslash takes the next character with it.
func cells(row string) int {
	n := -1
	for i := 0; i < len(row); i++ {
		switch row[i] {
		case '\\':
			i++
		case '|':
			n++
		}
	}
	return n
}

func TestCardsThatSayLittle(t *testing.T) {
	got := string(Markdown(weights.Manifest{Title: "Bare", Question: "What?", Task: weights.Task{Kind: weights.MultiClass, Labels: []string{"a", "b"}}}))
	if want := "# Bare\n\nWhat? Exactly one of 2 labels is right.\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	m := manifest()
	m.Encoder, m.Mix = &weights.Encoder{Layers: 4, Hidden: 256}, &weights.Mix{Encoder: .35}
	if got := string(Markdown(m)); !strings.Contains(got, "an encoder of 4 layers, 256 wide, with a weight of 0.35, and a linear model with 0.65. The linear one: TF-IDF of 120 n-grams") {
		t.Errorf("a mix is not named:\n%s", got)
	}
	m = manifest()
	m.Linear.Family = "for|est"
	if got := string(Markdown(m)); !strings.Contains(got, `for\|est, C = 0.3`) {
		t.Errorf("an unknown family is not named:\n%s", got)
	}
}
