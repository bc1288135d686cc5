// Package bundle opens and writes bundles in a file system.
package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"bedside/weights"
)

// ErrShard is wrapped by every error about a shard's bytes.
var ErrShard = errors.New("shard")

// Bundle is an open bundle: its manifest, and where its shards are.
type Bundle struct {
	Manifest *weights.Manifest
	Raw      []byte // manifest.json as it stands
	files    fs.FS
}

// Open reads and checks a bundle's manifest.
func Open(files fs.FS) (*Bundle, error) {
	raw, err := readBounded(files, ManifestFile, weights.MaxManifestBytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", weights.ErrManifest, err)
	}
	m, err := weights.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	return &Bundle{m, raw, files}, nil
}

// ReadShard reads shard i into buf, which is grown as needed, and checks its size
// and SHA-256.
func (b *Bundle) ReadShard(i int, buf []byte) ([]byte, error) {
	s := b.Manifest.Shards[i]
	f, err := b.files.Open(s.File)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShard, err)
	}
	defer f.Close()
	if int64(cap(buf)) < s.Size {
		buf = make([]byte, s.Size)
	}
	buf = buf[:s.Size]
	if n, err := io.ReadFull(f, buf); err != nil {
		return nil, fmt.Errorf("%w %s: %d bytes, the manifest says %d: %w", ErrShard, s.File, n, s.Size, err)
	}
	if n, _ := io.ReadFull(f, make([]byte, 1)); n > 0 {
		return nil, fmt.Errorf("%w %s: longer than the %d bytes the manifest says", ErrShard, s.File, s.Size)
	}
	if sum := sha256.Sum256(buf); hex.EncodeToString(sum[:]) != s.SHA256 {
		return nil, fmt.Errorf("%w %s: its SHA-256 is not the manifest's; fetch the bundle again", ErrShard, s.File)
	}
	return buf, nil
}

// Load reads every tensor that stays in memory; what belongs on a device is read and
// checked, and dropped. Peak memory is those tensors and one shard; a manifest that
// promises more than is there is refused before any is taken.
func (b *Bundle) Load(ctx context.Context) (weights.Tensors, error) {
	if err := b.checkSizes(); err != nil {
		return weights.Tensors{}, err
	}
	tensors := b.Manifest.Allocate()
	err := b.Each(ctx, func(s weights.Segment, data []byte) error {
		copy(tensors.At(s), data)
		return nil
	})
	if err != nil {
		return weights.Tensors{}, err
	}
	return tensors, tensors.Check()
}

// Values reads every tensor, a device's too, in stream order.
func (b *Bundle) Values(ctx context.Context) ([]weights.Values, error) {
	if err := b.checkSizes(); err != nil {
		return nil, err
	}
	values := make([]weights.Values, len(b.Manifest.Tensors))
	for i, t := range b.Manifest.Tensors {
		values[i] = weights.Values{Name: t.Name, DType: t.DType, Shape: t.Shape, Data: make([]byte, 0, t.Size)}
	}
	err := b.Each(ctx, func(s weights.Segment, data []byte) error {
		if s.Tensor != weights.Header {
			values[s.Tensor].Data = append(values[s.Tensor].Data, data...)
		}
		return nil
	})
	return values, err
}

// Each reads the shards in order, checked, and gives each segment with its bytes to
// take, which must not keep them. Peak memory is one shard.
func (b *Bundle) Each(ctx context.Context, take func(s weights.Segment, data []byte) error) error {
	plan := b.Manifest.Plan()
	var buf []byte
	for i := range b.Manifest.Shards {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if buf, err = b.ReadShard(i, buf); err != nil {
			return err
		}
		for ; len(plan) > 0 && plan[0].Shard == i; plan = plan[1:] {
			s := plan[0]
			if err := take(s, buf[s.ShardOffset:s.ShardOffset+s.Length]); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSizes holds the sizes of the shard files against the manifest.
func (b *Bundle) checkSizes() error {
	for _, s := range b.Manifest.Shards {
		info, err := fs.Stat(b.files, s.File)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrShard, err)
		}
		if info.Size() != s.Size {
			return fmt.Errorf("%w %s: %d bytes, the manifest says %d; fetch the bundle again", ErrShard, s.File, info.Size(), s.Size)
		}
	}
	return nil
}

func readBounded(files fs.FS, name string, limit int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: more than %d bytes", name, limit)
	}
	return data, nil
}
