package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"

	"bedside/site"
	"bedside/tools/page"
	"bedside/wasm/host"
)

type siteCommand struct {
	Out    string   `help:"Directory to write the site to." required:"" placeholder:"DIR"`
	Bundle []string `help:"Directories of the models it offers, the first one preset. Default: the models this binary ships with." placeholder:"DIR" type:"existingdir"`
	Source string   `help:"Compile the page from this directory of its TypeScript, instead of taking the built-in one." placeholder:"DIR" type:"existingdir"`
}

func (c *siteCommand) Help() string {
	return `The directory can be put on any static host. Its _headers file, which Netlify and
Cloudflare Pages read, carries the security headers; set the same ones elsewhere.

Example: a site for a model of your own
  bedside site --bundle my-model --out public`
}

// Run assembles the site.
func (c *siteCommand) Run(ctx context.Context, s streams) error {
	p, err := c.page()
	if err != nil {
		return err
	}
	module, err := host.EmbeddedModule()
	if err != nil {
		return err
	}
	bundles, err := c.bundles()
	if err != nil {
		return err
	}
	shown := newProgress(s)
	defer shown.end()
	if err := p.Assemble(c.Out, module, bundles, shown.show); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "wrote %s\n", c.Out)
	return err
}

func (c *siteCommand) page() (*page.Page, error) {
	if c.Source != "" {
		return page.Compile(c.Source)
	}
	dist, err := site.Dist()
	if err != nil {
		return nil, err
	}
	return page.FromDist(dist)
}

func (c *siteCommand) bundles() ([]fs.FS, error) {
	var out []fs.FS
	for _, dir := range c.Bundle {
		out = append(out, os.DirFS(dir))
	}
	if len(out) > 0 {
		return out, nil
	}
	return shipped("")
}
