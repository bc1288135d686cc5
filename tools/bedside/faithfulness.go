package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/report"
)

type faithfulnessCommand struct {
	dataFlags `embed:""`

	Bundle string `help:"Directory of the model." required:"" placeholder:"DIR" type:"existingdir"`
	Part   string `help:"With --split: the part to measure on." placeholder:"PART"`
	Notes  int    `help:"Measure on so many notes, drawn by --seed. Default: all." placeholder:"N"`
	Draws  int    `help:"Random orders for each note, of which the mean counts." default:"5"`
	Seed   uint64 `help:"Seed of everything random." default:"1"`
	Device string `help:"What computes an encoder: SIMD kernels, or the slow reference that defines them." default:"simd" enum:"simd,reference"`
	Plot   string `help:"Write the curves to this file, as SVG." placeholder:"F.svg"`
	JSON   bool   `help:"Print the figures as JSON."`
}

func (c *faithfulnessCommand) Help() string {
	return `A note's sentences are deleted one by one until one is left, and what is left is
classified anew each time: first in the order in which the explanation says that they
support the note's most probable label, then at random, then in the opposite order. If
the explanation is right, the label's probability falls sooner than at random: the area
under that curve is smaller. The interval is a bootstrap over notes.

Encoders name the sentences that they are explained by. For other models, mixes too, a
sentence's support is what the label's score loses without it. Of equal notes one is
measured. Labels of the data are not used.

Example:
  bedside faithfulness --bundle my-medbert --data notes.csv --text note --label specialty \
      --split split.csv --part test --notes 200 --plot deletion.svg`
}

// Run measures and prints.
func (c *faithfulnessCommand) Run(ctx context.Context, s streams) error {
	switch {
	case c.Part != "" && c.Split == "":
		return usagef("--part needs --split")
	case c.Notes < 0 || c.Draws < 1 || c.Draws > 1000:
		return usagef("--notes %d, --draws %d: want 0 notes or more, and 1 to 1000 draws", c.Notes, c.Draws)
	}
	h, err := newHost(ctx, c.Device)
	if err != nil {
		return err
	}
	defer h.Close(context.WithoutCancel(ctx))
	model, err := h.LoadDir(ctx, c.Bundle)
	if err != nil {
		return in(c.Bundle, err)
	}
	data, err := c.load(c.Part)
	if err != nil {
		return err
	}
	warnTrained(s, model.Manifest(), data, c.Part)
	p := newProgress(s)
	defer p.end()
	f, err := evaluate.Faithful(ctx, model.Classify, c.drawn(data), evaluate.Deletion{
		Draws: c.Draws, Seed: c.Seed, Progress: func(done, total int) { p.show("deleting", done, total) },
	})
	if err != nil {
		return err
	}
	p.end()
	if c.Plot != "" {
		plot, err := report.Deletion(f.Supportive.Points, f.Random.Points, f.Least.Points)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.Plot, plot, 0o666); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(s, f)
	}
	printFaithfulness(s.out, f)
	return nil
}

// drawn are the notes to measure on, of equal ones the first: the interval takes notes to be
// independent of each other.
func (c *faithfulnessCommand) drawn(data *dataset.Dataset) []string {
	var notes []string
	seen := map[int]bool{}
	for _, e := range data.Examples {
		if !seen[e.Group] {
			notes = append(notes, e.Text)
		}
		seen[e.Group] = true
	}
	if c.Notes == 0 || c.Notes >= len(notes) {
		return notes
	}
	r := rand.New(rand.NewPCG(c.Seed, 0xfa17))
	r.Shuffle(len(notes), func(i, j int) { notes[i], notes[j] = notes[j], notes[i] })
	return notes[:c.Notes]
}

func printFaithfulness(w io.Writer, f evaluate.Faithfulness) {
	fmt.Fprintf(w, "%d notes of %.1f sentences on average; left out: %d with fewer than %d, %d without a word that the model knows\n",
		f.Notes, float64(f.Sentences)/float64(f.Notes), f.Short, evaluate.LeastSentences, f.Unknown)
	fmt.Fprintln(w, "area under the top label's probability as sentences are deleted")
	for _, row := range []struct {
		name  string
		curve evaluate.Curve
	}{{"most supportive first", f.Supportive}, {"at random", f.Random}, {"least supportive first", f.Least}} {
		fmt.Fprintf(w, "  %-30s %.4f\n", row.name, row.curve.Area)
	}
	fmt.Fprintf(w, "most supportive first is %.1f %% smaller than at random (95 %% interval %.1f to %.1f)\n", 100*f.Smaller, 100*f.Low, 100*f.High)
}
