package main

import (
	"context"
	"fmt"
	"math"
	"os"

	"bedside/tools/dataset"
	"bedside/tools/words"
)

type wordsCommand struct {
	Data  []string `help:"CSV files of texts; they need no labels." required:"" placeholder:"F.csv" type:"existingfile"`
	Text  string   `help:"Column with the texts." required:"" placeholder:"COL"`
	Width int      `help:"Numbers of a vector." default:"200"`
	Least int      `help:"Times that a word must stand in the texts." default:"10"`
	Seed  uint64   `help:"Seed of everything random." default:"1"`
	Out   string   `help:"File to write, in the text format of word2vec." required:"" placeholder:"F"`
}

func (c *wordsCommand) Help() string {
	return `Words that stand among the same neighbours get vectors that lie close together. With
"bedside train --words", a model that saw a word in few notes, or in none, judges it by
such words. Millions of words of text of the same field do well; none of it may be what
the model is measured on.

Example:
  bedside words --data unlabelled.csv --text note --out words.vec
  bedside train --data notes.csv --text note --label specialty --words words.vec --out my-model`
}

// Run learns the vectors and writes them.
func (c *wordsCommand) Run(ctx context.Context, s streams) error {
	if c.Width < 1 || c.Width > words.MaxWidth || c.Least < 1 {
		return usagef("--width %d, --least %d: want 1 to %d numbers, and words that stand once or more", c.Width, c.Least, words.MaxWidth)
	}
	var texts []string
	for _, path := range c.Data {
		more, err := dataset.Texts(path, c.Text, math.MaxInt)
		if err != nil {
			return err
		}
		texts = append(texts, more...)
	}
	p := newProgress(s)
	defer p.end()
	v, err := words.Learn(ctx, texts, words.Options{Width: c.Width, Least: c.Least, Seed: c.Seed, Progress: p.show})
	if err != nil {
		return err
	}
	f, err := os.Create(c.Out)
	if err != nil {
		return err
	}
	if err := v.Write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%d words of %d texts, %d numbers each: %s\n", len(v.Words), len(texts), v.Width, c.Out)
	return err
}
