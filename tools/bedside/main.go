// Command bedside trains, measures, serves and runs Bedside's models.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// Exit codes, for scripts.
const (
	exitOK          = 0
	exitFailed      = 1 // the command could not do its work; the message says why
	exitUsage       = 2 // the command line is wrong
	exitUnsure      = 3 // classify --require-sure: a note got no label
	exitInterrupted = 130
)

type commands struct {
	Train        trainCommand        `cmd:"" help:"Train a model from a CSV of labelled notes."`
	Measure      measureCommand      `cmd:"" help:"Measure what training would give, on notes it does not see."`
	Words        wordsCommand        `cmd:"" help:"Make vectors of words from texts without labels, for train --words."`
	Import       importCommand       `cmd:"" help:"Make a model from a fine-tuned BERT of Hugging Face."`
	Mix          mixCommand          `cmd:"" help:"Make one model of a linear model and an encoder."`
	Evaluate     evaluateCommand     `cmd:"" help:"Measure a model on labelled notes."`
	Faithfulness faithfulnessCommand `cmd:"" help:"Measure whether explanations name the sentences that answers rest on."`
	Report       reportCommand       `cmd:"" help:"Write what models are worth: figures with intervals, plots, size and speed."`
	Classify     classifyCommand     `cmd:"" help:"Classify notes with a model, without a browser."`
	Site         siteCommand         `cmd:"" help:"Write the web page with your models, ready for any static host."`
	Serve        serveCommand        `cmd:"" help:"Serve the web page from this machine: the offline kiosk."`
	Version      versionCommand      `cmd:"" help:"Print what this binary is made of."`
}

// streams is where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // err is a terminal: progress bars are welcome
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends what does not listen
	s := streams{os.Stdin, os.Stdout, os.Stderr, term.IsTerminal(int(os.Stderr.Fd()))}
	code := run(ctx, os.Args[1:], s)
	stop()
	os.Exit(code)
}

// errUnsure makes the exit code exitUnsure; errReported makes it exitFailed, where the
// message has been printed.
var (
	errUnsure   = errors.New("a note got no label")
	errReported = errors.New("reported")
)

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, s streams) (code int) {
	defer func() {
		// kong leaves through Exit after --help.
		if e := recover(); e != nil {
			asked, ok := e.(exit)
			if !ok {
				panic(e)
			}
			code = int(asked)
		}
	}()
	var c commands
	parser, err := kong.New(&c,
		kong.Name("bedside"),
		kong.Description("Classify clinical notes where they are written. Nothing here sends a note anywhere.\n\n"+
			"Exit codes: 0 done, 1 failed, 2 wrong command line, 3 a note got no label (classify --require-sure), 130 interrupted."),
		kong.UsageOnError(),
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintln(s.err, "bedside:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		// kong names the end of the command line by its token.
		problem := strings.Replace(err.Error(), `expected string value but got "EOL" (<EOL>)`, "a value is missing", 1)
		fmt.Fprintf(s.err, "bedside: %s\nRun \"bedside --help\", or --help after a command's name.\n", problem)
		return exitUsage
	}
	return tell(ctx, s, chosen.Run())
}

type exit int

func tell(ctx context.Context, s streams, err error) int {
	usage := (*usageError)(nil)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUnsure):
		return exitUnsure
	case errors.Is(err, errReported):
		return exitFailed
	case ctx.Err() != nil:
		fmt.Fprintln(s.err, "bedside: interrupted")
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintln(s.err, "bedside:", err)
		return exitUsage
	}
	fmt.Fprintln(s.err, "bedside:", err)
	return exitFailed
}

// usageError is a command line that parsed but makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}
