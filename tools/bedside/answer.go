package main

import (
	"fmt"
	"strings"
	"unicode"

	"bedside/wasm/classify"
	"bedside/weights"
)

// format writes the labels that a person wants to see, and the words behind them.
func format(file, note string, r *classify.Result, top int) string {
	var b strings.Builder
	b.WriteString(called(file) + ":")
	switch {
	case r.Reason == classify.NoKnownTerms:
		b.WriteString(" not sure (the note holds no words that the model knows)")
	case !r.Sure:
		b.WriteString(" not sure (no label reaches its threshold)")
	}
	b.WriteByte('\n')
	for i, label := range r.Labels {
		if i >= top && !label.Clears {
			continue
		}
		mark := " "
		if label.Clears {
			mark = "*"
		}
		fmt.Fprintf(&b, "  %s %5.1f %%  %s\n", mark, 100*label.Probability, printable(label.Name))
	}
	for _, e := range r.Explanations {
		evidence(&b, note, e)
	}
	return b.String()
}

// called is a file's name for people.
func called(file string) string {
	if file == "-" {
		return "standard input"
	}
	return printable(file)
}

// maxListed bounds the n-grams, or sentences, listed for and against a label.
const maxListed = 8

// evidence lists the strongest n-grams for and against a label, as the note spells them:
// whole words where the model reads any; and sentences, a line each.
func evidence(b *strings.Builder, note string, e classify.Explanation) {
	analyzer := weights.CharWB
	for _, f := range e.Features {
		if f.Analyzer == weights.Word {
			analyzer = weights.Word
		}
	}
	for side, word := range []string{"for", "against"} {
		var grams, sentences []string
		for _, f := range e.Features {
			if (f.Contribution < 0) != (side == 1) || len(f.Spans) == 0 {
				continue
			}
			span := printable(note[f.Spans[0][0]:f.Spans[0][1]])
			switch {
			case f.Analyzer == classify.Sentence && len(sentences) < maxListed:
				sentences = append(sentences, fmt.Sprintf("    %+.2f  %s\n", f.Contribution, shortened(span)))
			case f.Analyzer == analyzer && len(grams) < maxListed:
				grams = append(grams, fmt.Sprintf("%s %+.2f", span, f.Contribution))
			}
		}
		if len(grams)+len(sentences) > 0 {
			fmt.Fprintf(b, "  %s %s:%s\n", word, printable(e.Name), strings.TrimRight(" "+strings.Join(grams, ", "), " "))
			b.WriteString(strings.Join(sentences, ""))
		}
	}
}

// maxQuoted is how many characters of a sentence are printed.
const maxQuoted = 100

func shortened(sentence string) string {
	if runes := []rune(sentence); len(runes) > maxQuoted {
		return string(runes[:maxQuoted-1]) + "…"
	}
	return sentence
}

// printable makes one line of a text, without what could steer a terminal.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	return strings.Join(strings.Fields(text), " ")
}
