package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bedside/weights"
)

// ManifestFile is the manifest's name in a bundle, CardFile that of its model card,
// which no reader needs.
const (
	ManifestFile = "manifest.json"
	CardFile     = "CARD.md"
)

// CanWrite says early what Write would refuse in the end because of what lies at dir.
func CanWrite(dir string) error {
	_, err := replaceable(filepath.Clean(dir))
	return err
}

// Write makes dir a bundle of the manifest and the tensors; Tensors and Shards of
// the manifest are filled in. The bundle is written beside dir and moved into place
// whole once it has been read back, so a failure leaves what was there.
func Write(dir string, m weights.Manifest, tensors []weights.Values) error {
	dir = filepath.Clean(dir) // without a final separator, which would make dir its own parent
	m.Format, m.Version = weights.Format, weights.Version
	header, tensors, err := m.Arrange(tensors)
	if err != nil {
		return fmt.Errorf("bundle %s: %w", dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".bundle-*")
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if m.Shards, err = writeShards(temp, header, tensors); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("bundle %s: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(temp, ManifestFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := readBack(temp); err != nil {
		return fmt.Errorf("bundle %s would not be readable: %w", dir, err)
	}
	return replace(temp, dir)
}

// SetCard gives the bundle at dir another card; its numbers stay as they are. The model
// card for people is the caller's to write.
func SetCard(dir string, c weights.Card) error {
	b, err := Open(os.DirFS(dir))
	if err != nil {
		return fmt.Errorf("bundle %s: %w", dir, err)
	}
	b.Manifest.Card = c
	text, err := json.MarshalIndent(b.Manifest, "", " ")
	if err != nil {
		return fmt.Errorf("bundle %s: %w", dir, err)
	}
	if _, err := weights.ParseManifest(text); err != nil {
		return fmt.Errorf("bundle %s would not be readable: %w", dir, err)
	}
	temp := filepath.Join(dir, "."+ManifestFile)
	if err := os.WriteFile(temp, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := os.Rename(temp, filepath.Join(dir, ManifestFile)); err != nil {
		return errors.Join(fmt.Errorf("bundle: %w", err), os.Remove(temp))
	}
	return nil
}

// writeShards cuts the stream into files.
func writeShards(dir string, header []byte, tensors []weights.Values) ([]weights.Shard, error) {
	var shards []weights.Shard
	part := make([]byte, 0, weights.MaxShardBytes)
	flush := func() error {
		sum := sha256.Sum256(part)
		s := weights.Shard{
			File: fmt.Sprintf("%05d.shard", len(shards)), Size: int64(len(part)), SHA256: hex.EncodeToString(sum[:]),
		}
		shards = append(shards, s)
		err := os.WriteFile(filepath.Join(dir, s.File), part, 0o644)
		part = part[:0]
		return err
	}
	for i := range len(tensors) + 1 {
		data := header
		if i > 0 {
			data = tensors[i-1].Data
		}
		for len(data) > 0 {
			n := min(len(data), cap(part)-len(part))
			part, data = append(part, data[:n]...), data[n:]
			if len(part) == cap(part) {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(part) == 0 {
		return shards, nil
	}
	err := flush()
	return shards, err
}

func readBack(dir string) error {
	b, err := Open(os.DirFS(dir))
	if err != nil {
		return err
	}
	_, err = b.Load(context.Background())
	return err
}

// replace moves the directory temp to dir. What stood there must be a bundle or empty;
// it is kept aside until its successor is in place.
func replace(temp, dir string) error {
	found, err := replaceable(dir)
	if err != nil {
		return err
	}
	old := temp + ".old"
	if found {
		if err := os.Rename(dir, old); err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
	}
	if err := os.Rename(temp, dir); err != nil {
		if found {
			err = errors.Join(err, os.Rename(old, dir))
		}
		return fmt.Errorf("bundle: %w", err)
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("bundle: %s is written, but what it replaced is left: %w", dir, err)
	}
	return nil
}

// replaceable answers whether something stands at dir, with an error if that is
// neither a bundle nor empty.
func replaceable(dir string) (found bool, err error) {
	held, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return true, fmt.Errorf("bundle: %s cannot be replaced; choose another directory: %w", dir, err)
	case len(held) == 0:
		return true, nil
	}
	var m struct {
		Format string `json:"format"`
	}
	raw, err := readBounded(os.DirFS(dir), ManifestFile, weights.MaxManifestBytes)
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err != nil || m.Format != weights.Format {
		return true, fmt.Errorf("bundle: %s exists and is not a bundle; choose another directory or remove it", dir)
	}
	for _, e := range held {
		if name := e.Name(); name != ManifestFile && name != CardFile && filepath.Ext(name) != ".shard" {
			return true, fmt.Errorf("bundle: %s holds %s, which is no part of a bundle and would be lost; move it, or choose another directory", dir, name)
		}
	}
	return true, nil
}
