// Package site embeds the assembled web page.
package site

import (
	"embed"
	"errors"
	"io/fs"
)

//go:embed all:dist
var files embed.FS

// ErrNotBuilt says that the binary was compiled before the page was.
var ErrNotBuilt = errors.New("this binary was built without the page: run \"make build\"")

// Dist is the page as "bedside site" assembled it.
func Dist() (fs.FS, error) {
	dist, err := fs.Sub(files, "dist")
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(dist, "index.html"); err != nil {
		return nil, ErrNotBuilt
	}
	return dist, nil
}
