package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"bedside/site"
	"bedside/wasm/classify"
	"bedside/wasm/host"
)

type classifyCommand struct {
	Bundle      string   `help:"Directory of the model. Default: the model this binary ships with." placeholder:"DIR" type:"existingdir"`
	JSON        bool     `help:"Print one JSON object a note, one a line."`
	Explain     int      `help:"Explain this many of the top labels." default:"1"`
	Top         int      `help:"Labels to print a note, besides those asserted (text output)." default:"3"`
	RequireSure bool     `help:"Exit with 3 when a note gets no label."`
	Files       []string `arg:"" optional:"" name:"file" help:"Files of one note each; - or nothing reads standard input."`
}

func (c *classifyCommand) Help() string {
	return `The model runs as the same WebAssembly module that the page runs, under wazero.

Examples:
  bedside classify note.txt
  bedside classify --json notes/*.txt > answers.jsonl
  pbpaste | bedside classify -`
}

// Run classifies each file in turn.
func (c *classifyCommand) Run(ctx context.Context, s streams) error {
	h, err := newHost(ctx)
	if err != nil {
		return err
	}
	defer h.Close(context.WithoutCancel(ctx))
	model, err := c.load(ctx, h)
	if err != nil {
		return err
	}
	files := c.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	unsure := false
	for _, file := range files {
		r, err := c.one(ctx, s, model, file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		unsure = unsure || !r.Sure
	}
	if unsure && c.RequireSure {
		return errUnsure
	}
	return nil
}

func (c *classifyCommand) load(ctx context.Context, h *host.Host) (*host.Model, error) {
	if c.Bundle != "" {
		return h.LoadDir(ctx, c.Bundle)
	}
	files, err := shippedBundle()
	if err != nil {
		return nil, err
	}
	return h.Load(ctx, files)
}

func (c *classifyCommand) one(ctx context.Context, s streams, model *host.Model, file string) (*classify.Result, error) {
	note, err := readNote(s, file)
	if err != nil {
		return nil, err
	}
	options := classify.Options{Explain: c.Explain}
	if !c.JSON {
		r, err := model.Classify(ctx, note, options)
		if err == nil {
			printResult(s.out, file, note, r, c.Top)
		}
		return r, err
	}
	answer, err := model.ClassifyJSON(ctx, note, options)
	if err != nil {
		return nil, err
	}
	r := new(classify.Result)
	if err := json.Unmarshal(answer, r); err != nil {
		return nil, fmt.Errorf("the module's answer is not readable: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s\n", answer)
	return r, err
}

func readNote(s streams, file string) (string, error) {
	from := s.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, classify.MaxNoteBytes+1))
	if err != nil {
		return "", err
	}
	if len(data) > classify.MaxNoteBytes {
		return "", classify.ErrNoteTooLarge
	}
	return string(data), nil
}

// printResult writes the labels a person wants to see, and the words behind the first.
func printResult(w io.Writer, file, note string, r *classify.Result, top int) {
	if !r.Sure {
		why := "no label reaches its threshold"
		if r.Reason == classify.NoKnownTerms {
			why = "the note holds no words the model knows"
		}
		fmt.Fprintf(w, "%s: not sure (%s)\n", file, why)
	} else {
		fmt.Fprintf(w, "%s:\n", file)
	}
	for i, label := range r.Labels {
		if i >= top && !label.Clears {
			continue
		}
		mark := " "
		if label.Clears {
			mark = "*"
		}
		fmt.Fprintf(w, "  %s %5.1f %%  %s\n", mark, 100*label.Probability, label.Name)
	}
	for _, e := range r.Explanations {
		fmt.Fprintf(w, "  %s, because of: %s\n", e.Name, strings.Join(words(note, e), ", "))
	}
}

// words lists the first few word n-grams of an explanation as the note spells them.
func words(note string, e classify.Explanation) []string {
	var out []string
	for _, f := range e.Features {
		if len(f.Spans) == 0 || len(out) == 8 {
			continue
		}
		span := strings.Join(strings.Fields(note[f.Spans[0][0]:f.Spans[0][1]]), " ")
		out = append(out, fmt.Sprintf("%s (%+.2f)", span, f.Contribution))
	}
	return out
}

// newHost makes a host whose compiled module is kept between runs where the system
// has a place for that.
func newHost(ctx context.Context) (*host.Host, error) {
	options := host.Options{Instances: runtime.GOMAXPROCS(0)}
	if dir, err := os.UserCacheDir(); err == nil {
		options.CacheDir = filepath.Join(dir, "bedside", "wazero")
	}
	h, err := host.New(ctx, options)
	if err != nil && options.CacheDir != "" {
		options.CacheDir = "" // a cache that cannot be written must not stop the work
		return host.New(ctx, options)
	}
	return h, err
}

// shippedBundle is the first model of the embedded page.
func shippedBundle() (fs.FS, error) {
	dist, err := site.Dist()
	if err != nil {
		return nil, err
	}
	bundles, err := fs.Glob(dist, "weights/*/manifest.json")
	if err != nil {
		return nil, err
	}
	if len(bundles) == 0 {
		return nil, fmt.Errorf("this binary ships no model; name one with --bundle DIR")
	}
	return fs.Sub(dist, strings.TrimSuffix(bundles[0], "/manifest.json"))
}
