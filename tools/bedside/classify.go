package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"bedside/site"
	"bedside/tools/page"
	"bedside/wasm/classify"
	"bedside/wasm/host"
)

type classifyCommand struct {
	Bundle      string   `help:"Directory of the model. Default: the first model this binary ships with." placeholder:"DIR" type:"existingdir" xor:"model"`
	Model       string   `help:"Name of the model, of those this binary ships with." placeholder:"NAME" xor:"model"`
	JSON        bool     `help:"Print one JSON object for each note, one on a line."`
	Explain     int      `help:"Explain this many of the most probable labels, by words or, of encoders, by sentences; 0 is quicker for encoders." default:"1"`
	Top         int      `help:"Print this many of the most probable labels, and those asserted (not with --json)." default:"3"`
	Device      string   `help:"What computes an encoder: SIMD kernels, or the slow reference that defines them." default:"simd" enum:"simd,reference"`
	RequireSure bool     `help:"Exit with 3 when some note gets no label."`
	Files       []string `arg:"" optional:"" name:"file" help:"Files of one note each; - or nothing reads standard input."`
}

func (c *classifyCommand) Help() string {
	return `The model runs as the same WebAssembly module that the page runs, under wazero.
Labels marked * are asserted: their probability reaches their threshold. Where none
is, the model is not sure.

Words that a label is explained by contribute exactly what is printed to its score. An
encoder is explained by what the score loses with each sentence, for which it reads the
note again without it.

A note that cannot be read or classified does not stop the others; the exit code is
then 1, and its line of --json is {"error":{"code":"…","message":"…"}}.

Examples:
  bedside classify note.txt
  bedside classify --model section dialogue.txt
  bedside classify --json notes/*.txt > answers.jsonl
  pbpaste | bedside classify -`
}

// Run classifies each file in turn.
func (c *classifyCommand) Run(ctx context.Context, s streams) error {
	if c.Explain < 0 || c.Top < 0 {
		return usagef("--explain and --top count labels: want 0 or more")
	}
	h, err := newHost(ctx, c.Device)
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
	return c.all(ctx, s, model, files)
}

// all classifies the notes, going on after one that is refused.
func (c *classifyCommand) all(ctx context.Context, s streams, model *host.Model, files []string) error {
	refused, unsure := 0, false
	for i, file := range files {
		answer, sure, err := c.one(ctx, s, model, file)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			refused++
			name := called(file)
			if errors.Is(err, errTyped) {
				name = fmt.Sprintf("argument %d", i+1)
			}
			fmt.Fprintf(s.err, "bedside: %s: %s\n", name, message(err))
			answer = c.refusal(err)
		}
		if _, err := io.WriteString(s.out, answer); err != nil {
			return err
		}
		unsure = unsure || err == nil && !sure
	}
	switch {
	case refused > 0 && len(files) > 1:
		return fmt.Errorf("%d of %d notes were not classified", refused, len(files))
	case refused > 0:
		return errReported
	case unsure && c.RequireSure:
		return errUnsure
	}
	return nil
}

// one classifies a note and gives what is to be printed, and whether a label is asserted.
func (c *classifyCommand) one(ctx context.Context, s streams, model *host.Model, file string) (answer string, sure bool, err error) {
	note, err := readNote(ctx, s, file)
	if err != nil {
		return "", false, err
	}
	p := newProgress(s)
	reading := host.WithProgress(ctx, func(done, total int) { p.show("reading", done, total) })
	written, err := model.ClassifyJSON(reading, note, classify.Options{Explain: c.Explain})
	p.end()
	if err != nil {
		return "", false, err
	}
	r := new(classify.Result)
	if err := json.Unmarshal(written, r); err != nil {
		return "", false, fmt.Errorf("the module's answer is not readable: %w", err)
	}
	if c.JSON {
		return string(written) + "\n", r.Sure, nil
	}
	return format(file, note, r, c.Top), r.Sure, nil
}

// refusal is what is printed in place of an answer.
func (c *classifyCommand) refusal(err error) string {
	if !c.JSON {
		return ""
	}
	var line struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	line.Error.Code, line.Error.Message = "bad-file", message(err)
	switch refused := (*host.Error)(nil); {
	case errors.As(err, &refused):
		line.Error.Code = refused.Code
	case errors.Is(err, classify.ErrNoteTooLarge):
		line.Error.Code = host.CodeNoteTooLarge
	}
	text, _ := json.Marshal(line) // two strings always become JSON
	return string(text) + "\n"
}

// message says why a note was refused, without the steps on the way there.
func message(err error) string {
	if refused := (*host.Error)(nil); errors.As(err, &refused) {
		return refused.Message
	}
	return err.Error()
}

func (c *classifyCommand) load(ctx context.Context, h *host.Host) (*host.Model, error) {
	if c.Bundle != "" {
		m, err := h.LoadDir(ctx, c.Bundle)
		return m, in(c.Bundle, err)
	}
	models, err := shipped(c.Model)
	if err != nil {
		return nil, err
	}
	return h.Load(ctx, models[0])
}

// in says which bundle an error is about.
func in(dir string, err error) error {
	if refused := (*host.Error)(nil); errors.As(err, &refused) {
		return fmt.Errorf("%s: %s", dir, refused.Message)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}

// newHost makes a host that computes encoders on the named device. Its compiled module
// is kept between runs where the system has a place for that.
func newHost(ctx context.Context, device string) (*host.Host, error) {
	options := host.Options{Instances: runtime.GOMAXPROCS(0), Device: device}
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

// shipped gives the models of the embedded page, in its order: all, or the one of that name.
func shipped(name string) ([]fs.FS, error) {
	dist, err := site.Dist()
	if err != nil {
		return nil, err
	}
	release, err := page.ReadRelease(dist)
	if err != nil {
		return nil, err
	}
	var out []fs.FS
	var names []string
	for _, m := range release.Models {
		names = append(names, m.Name)
		if name != "" && m.Name != name {
			continue
		}
		files, err := fs.Sub(dist, m.Dir())
		if err != nil {
			return nil, err
		}
		out = append(out, files)
	}
	switch {
	case len(names) == 0:
		return nil, errors.New("this binary ships no model; name one with --bundle DIR")
	case len(out) == 0:
		return nil, fmt.Errorf("this binary ships no model %q; its models are %s", name, strings.Join(names, ", "))
	}
	return out, nil
}
