package vectors

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"bedside/weights/bundle"
)

// cache is a directory for one encoder on one device, with a file for each note, named by
// the note's SHA-256: how many windows it has, and the float32 numbers of their vectors. No
// text is kept. A vector tells something of its note all the same, so that files are private.
type cache struct{ dir string }

// arithmetic is part of the encoder's name. It must change when notes get other vectors
// from the same bundle.
const arithmetic = "2"

func openCache(dir string, b *bundle.Bundle, device string) (*cache, error) {
	name := sha256.Sum256(fmt.Appendf(nil, "%s %s %s", arithmetic, device, b.Raw))
	c := &cache{filepath.Join(dir, hex.EncodeToString(name[:16]))}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("the cache of vectors cannot be made, choose another place: %w", err)
	}
	return c, nil
}

func (c *cache) path(d digest) string { return filepath.Join(c.dir, hex.EncodeToString(d[:])) }

// get are the vectors of a note, if they are there and whole.
func (c *cache) get(d digest, width int) (v []float32, ok bool) {
	data, err := os.ReadFile(c.path(d))
	if err != nil || len(data) < 4 {
		return nil, false
	}
	windows, data := binary.LittleEndian.Uint32(data), data[4:]
	if uint64(len(data)) != uint64(windows)*uint64(4*width) {
		return nil, false
	}
	if windows == 0 {
		return nil, true
	}
	v = make([]float32, len(data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		if x := float64(v[i]); math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, false
		}
	}
	return v, true
}

// put keeps the vectors of a note; others may read and write the same ones meanwhile.
func (c *cache) put(d digest, v []float32, width int) error {
	data := binary.LittleEndian.AppendUint32(nil, uint32(len(v)/width))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	f, err := os.CreateTemp(c.dir, ".new-*") // private to the user
	if err != nil {
		return fmt.Errorf("cache of vectors: %w", err)
	}
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), c.path(d))
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("cache of vectors: %w", err)
	}
	return nil
}
