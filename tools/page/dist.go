package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

const releaseStart, releaseEnd = `<script type="application/json" id="release">`, `</script>`

// FromDist takes the page out of an assembled site, so that it can be assembled again
// with another module or other bundles.
func FromDist(site fs.FS) (*Page, error) {
	before, text, after, err := cutIndex(site)
	if err != nil {
		return nil, err
	}
	release, err := parseRelease(text)
	if err != nil {
		return nil, err
	}
	p := &Page{before: before, after: after, files: map[string][]byte{}}
	err = fs.WalkDir(site, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && name != "weights" {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		switch ext := path.Ext(name); {
		case name == "index.html", slices.Contains(release.runtime(), name), name == ".gitkeep", ext == ".br", ext == ".gz":
			return nil
		}
		p.files[name], err = fs.ReadFile(site, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("page: reading the assembled site: %w", err)
	}
	return p, nil
}

// ReadRelease answers with what an assembled site pins: where its module, its kernels
// and its bundles lie.
func ReadRelease(site fs.FS) (*Release, error) {
	_, text, _, err := cutIndex(site)
	if err != nil {
		return nil, err
	}
	return parseRelease(text)
}

func cutIndex(site fs.FS) (before, release, after string, err error) {
	index, err := fs.ReadFile(site, "index.html")
	if err != nil {
		return "", "", "", fmt.Errorf("page: the site is not assembled: %w", err)
	}
	before, rest, ok := strings.Cut(string(index), releaseStart)
	release, after, closed := strings.Cut(rest, releaseEnd)
	if !ok || !closed {
		return "", "", "", errors.New("page: index.html names no release; assemble the site anew")
	}
	return before + releaseStart, release, releaseEnd + after, nil
}

func parseRelease(text string) (*Release, error) {
	r := new(Release)
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, fmt.Errorf("page: the release in index.html: %w", err)
	}
	return r, nil
}
