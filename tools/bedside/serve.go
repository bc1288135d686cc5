package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"bedside/site"
	"bedside/tools/serve"
)

type serveCommand struct {
	Address     string `help:"Address to listen on. Default: 127.0.0.1:8765, or a free port when that is taken." placeholder:"HOST:PORT"`
	AllowRemote bool   `help:"Permit an address that other machines can reach."`
	Dir         string `help:"Serve this directory, written by \"bedside site\", instead of the built-in page." placeholder:"DIR" type:"existingdir"`
	Quiet       bool   `help:"Do not log requests."`
}

func (c *serveCommand) Help() string {
	return `Everything the page needs is inside this binary. The server only hands out files:
no address of it accepts a note, and its log holds no query strings.

Stop it with Ctrl-C; answers under way are finished first.`
}

// Run serves until the context ends.
func (c *serveCommand) Run(ctx context.Context, s streams) error {
	files, err := c.files()
	if err != nil {
		return err
	}
	var log *slog.Logger
	if !c.Quiet {
		log = slog.New(slog.NewTextHandler(s.err, nil))
	}
	err = serve.Run(ctx, serve.Options{
		Site:        files,
		Address:     c.Address,
		AllowRemote: c.AllowRemote,
		Log:         log,
		Ready:       func(address string) { fmt.Fprintf(s.out, "Bedside is at %s (Ctrl-C stops it)\n", address) },
	})
	if err == nil {
		fmt.Fprintln(s.out, "stopped")
	}
	return err
}

func (c *serveCommand) files() (fs.FS, error) {
	if c.Dir != "" {
		return os.DirFS(c.Dir), nil
	}
	return site.Dist()
}
