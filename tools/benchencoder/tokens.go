package main

import (
	"fmt"
	"strings"
)

// tokenRepeats makes a note of some 60,000 tokens of one of 512.
const tokenRepeats = 120

// tokens times the module's tokenizer in Chromium: words split, ids and places in the text.
func (r *Report) tokens(b *browser, s *server, m models, o options) error {
	name := o.Models[len(o.Models)-1]
	c, err := m.cases(name)
	if err != nil {
		return err
	}
	text := strings.Repeat(c.Notes[512].Text+" ", tokenRepeats)
	const rounds = 40
	var times []float64
	err = b.visit(s, func(t *tab) error {
		return t.eval(&times, `bench.tokenize(%s, %s, %s)`, name, text, rounds)
	})
	if err != nil {
		return err
	}
	n := float64(tokenRepeats * (512 - 2))
	r.TokensPerSecond = n / median(times[rounds/2:]) * 1e3
	fmt.Printf("\nWordPiece in Chromium, the note's copy and the plan of windows with it: %.1f million tokens a second (the first note %.1f).\n",
		r.TokensPerSecond/1e6, n/times[0]/1e3)
	return nil
}
