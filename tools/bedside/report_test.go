package main

import (
	"slices"
	"strings"
	"testing"

	"bedside/weights"
)

// TestDifferences: a report says so where a bundle was made otherwise than the models that
// were measured in its place.
func TestDifferences(t *testing.T) {
	const files, settings = "learned from other files", "trained with other settings"
	for _, c := range []struct {
		name   string
		change func(m *weights.Manifest, of *asked)
		want   []string
	}{
		{"none", func(*weights.Manifest, *asked) {}, nil},
		{"what depends on the notes", func(m *weights.Manifest, _ *asked) {
			m.TFIDF.Blocks[0].Terms, m.Lexicon.Phrases, m.Lexicon.Unit = 9, 9, 0.9
		}, nil},
		{"a lexicon less", func(m *weights.Manifest, _ *asked) { m.Lexicon = nil }, []string{settings}},
		{"a lexicon more", func(_ *weights.Manifest, of *asked) { of.Model.Lexicon = nil }, []string{settings}},
		{"longer phrases", func(m *weights.Manifest, _ *asked) { m.Lexicon.MaxN = 5 }, []string{settings}},
		{"a file less", func(m *weights.Manifest, _ *asked) { m.Card.Data = m.Card.Data[1:] }, []string{files}},
		{"a file more", func(_ *weights.Manifest, of *asked) { of.Also = nil }, []string{files}},
		{"other words", func(_ *weights.Manifest, of *asked) { of.Words = "other" }, []string{files}},
		{"no words", func(_ *weights.Manifest, of *asked) { of.Words = "" }, []string{files}},
		{"another C", func(m *weights.Manifest, _ *asked) { m.Linear.C = 3 }, []string{settings}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, of := lexical(), &asked{Data: "notes", Also: []string{"titles"}, Words: "words", Model: lexical()}
			for _, sha := range []string{"notes", "titles", "words"} {
				m.Card.Data = append(m.Card.Data, weights.Data{SHA256: sha})
			}
			c.change(&m, of)
			got := differences(&m, of)
			if !slices.EqualFunc(got, c.want, strings.Contains) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// lexical is a linear model beside a lexicon.
func lexical() weights.Manifest {
	return weights.Manifest{
		Task:    weights.Task{Kind: weights.MultiLabel},
		TFIDF:   &weights.TFIDF{Blocks: []weights.Block{{Analyzer: weights.Word, MinN: 1, MaxN: 2, Terms: 5}}},
		Lexicon: &weights.Lexicon{MaxN: 4, Phrases: 7, Unit: 0.5},
		Linear:  &weights.Linear{Family: "lr", C: 1},
	}
}

// TestOwnProtocol: what describes the notes reaches the command that reads them.
func TestOwnProtocol(t *testing.T) {
	c := &reportCommand{Bundle: t.TempDir(), Data: "new.csv", Text: "note", Label: "codes", LabelSeparator: "|", None: true}
	p := c.own()
	a, err := newAsker(p, p.Runs[0])
	if err != nil {
		t.Fatal(err)
	}
	want := dataFlags{Data: "new.csv", Text: "note", Label: "codes", LabelSeparator: "|", None: true}
	if a.evaluating.dataFlags != want {
		t.Errorf("%+v, want %+v", a.evaluating.dataFlags, want)
	}
}
