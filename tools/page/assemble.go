package page

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// Progress hears of each file written; it may be nil.
type Progress func(file string, done, total int)

// Assemble writes the site to the directory out, with the module and the bundles in
// the order in which the page offers them, and the kernels built into this program where
// a bundle needs them. It builds beside out and then swaps, so that a failure leaves the
// old site as it was.
func (p *Page) Assemble(out string, module []byte, bundles []fs.FS, progress Progress) error {
	files, err := p.collect(module, bundles)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if err := replaceable(out); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(out), ".site-*")
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	defer os.RemoveAll(temp)
	if err := write(temp, files, progress); err != nil {
		return fmt.Errorf("page: writing the site: %w", err)
	}
	if err := swap(temp, out); err != nil {
		return fmt.Errorf("page: putting the site in place: %w", err)
	}
	return nil
}

var wasmMagic = []byte("\x00asm")

// collect answers with every file of the site, uncompressed, by path.
func (p *Page) collect(module []byte, bundles []fs.FS) (map[string][]byte, error) {
	if !bytes.HasPrefix(module, wasmMagic) {
		return nil, errors.New("the module is not WebAssembly; build it first")
	}
	if len(bundles) == 0 {
		return nil, fmt.Errorf("%w given: the page needs at least one", ErrNoBundle)
	}
	files := maps.Clone(p.files)
	release := Release{Module: asset("bedside", ".wasm", module)}
	files[release.Module.URL] = module
	seen := map[string]bool{}
	for _, bundle := range bundles {
		model, err := addBundle(files, bundle)
		if err != nil {
			return nil, err
		}
		if seen[model.Manifest.URL] {
			return nil, fmt.Errorf("bundle %s is given twice", model.Name)
		}
		seen[model.Manifest.URL] = true
		release.Models = append(release.Models, model)
		if model.Encoder && release.Kernels == nil {
			if release.Kernels, err = addKernels(files); err != nil {
				return nil, fmt.Errorf("bundle %s: %w", model.Name, err)
			}
		}
	}
	// Marshal escapes < and >, so no title can end the script element.
	text, err := json.Marshal(release)
	if err != nil {
		return nil, err
	}
	files["index.html"] = []byte(p.before + string(text) + p.after)
	return files, nil
}

const keepFile = ".gitkeep" // holds the place of a build output in a repository

// replaceable refuses to put a site where something else lies.
func replaceable(out string) error {
	entries, err := os.ReadDir(out)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == "_headers" {
			return nil
		}
	}
	if len(entries) == 0 || len(entries) == 1 && entries[0].Name() == keepFile {
		return nil
	}
	return fmt.Errorf("%s holds something that is not a site; name another directory", out)
}

// swap moves the finished site to its place, keeping the old one until it is there.
func swap(temp, out string) error {
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if keep, err := os.ReadFile(filepath.Join(out, keepFile)); err == nil {
		if err := os.WriteFile(filepath.Join(temp, keepFile), keep, 0o644); err != nil {
			return err
		}
	}
	old := temp + ".old"
	err := os.Rename(out, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	had := err == nil
	if err := os.Rename(temp, out); err != nil {
		if had {
			return errors.Join(err, os.Rename(old, out))
		}
		return err
	}
	return os.RemoveAll(old)
}
