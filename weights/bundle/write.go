package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"bedside/weights"
)

// ManifestFile is the manifest's name in a bundle.
const ManifestFile = "manifest.json"

// Write makes dir a bundle of the manifest and the tensors; Tensors and Shards of
// the manifest are filled in. The bundle is written beside dir and moved into place
// whole, so a failure leaves what was there.
func Write(dir string, m weights.Manifest, tensors []weights.Values) (err error) {
	m.Format, m.Version = weights.Format, weights.Version
	stream, err := m.Layout(tensors)
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
	m.Shards = nil
	for i := 0; len(stream) > 0; i++ {
		part := stream[:min(len(stream), weights.MaxShardBytes)]
		stream = stream[len(part):]
		sum := sha256.Sum256(part)
		shard := weights.Shard{
			File: fmt.Sprintf("%05d.shard", i), Size: int64(len(part)), SHA256: hex.EncodeToString(sum[:]),
		}
		m.Shards = append(m.Shards, shard)
		if err := os.WriteFile(filepath.Join(temp, shard.File), part, 0o644); err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("bundle %s: %w", dir, err)
	}
	if _, err := weights.ParseManifest(text); err != nil {
		return fmt.Errorf("bundle %s would not be readable: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(temp, ManifestFile), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	return replace(temp, dir)
}

// replace moves the directory temp to dir. What stood there must be a bundle or empty.
func replace(temp, dir string) error {
	old, err := os.ReadDir(dir)
	if err == nil && len(old) > 0 {
		if _, err := os.Stat(filepath.Join(dir, ManifestFile)); err != nil {
			return fmt.Errorf("bundle: %s exists and is not a bundle; choose another directory or remove it", dir)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	return nil
}
