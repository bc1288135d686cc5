package page

import (
	"errors"
	"fmt"
	"io/fs"

	"bedside/weights/bundle"
)

// ErrNoBundle says that a directory holds no bundle, or that none was given.
var ErrNoBundle = errors.New("no bundle")

// addBundle checks a bundle and copies its files into files.
func addBundle(files map[string][]byte, from fs.FS) (Model, error) {
	b, err := bundle.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return Model{}, fmt.Errorf("%w: %w", ErrNoBundle, err)
	}
	if err != nil {
		return Model{}, err
	}
	m := b.Manifest
	manifest := pin("", b.Raw)
	dir := "weights/" + m.Name + "." + manifest.SHA256[:hashDigits] + "/"
	manifest.URL = dir + bundle.ManifestFile
	files[manifest.URL] = b.Raw
	model := Model{Name: m.Name, Title: m.Title, Question: m.Question, Encoder: m.Encoder != nil, Manifest: manifest}
	for i, shard := range m.Shards {
		contents, err := b.ReadShard(i, nil)
		if err != nil {
			return Model{}, fmt.Errorf("bundle %s: %w", m.Name, err)
		}
		files[dir+shard.File] = contents
		model.Shards = append(model.Shards, Pinned{URL: dir + shard.File, Size: shard.Size, SHA256: shard.SHA256})
	}
	return model, nil
}
