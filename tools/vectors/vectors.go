// Package vectors reads notes with the encoder of a bundle, for a head to be fitted on what
// it makes of them, and keeps that on disk: reading is slow.
package vectors

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/kernels/simd/headless"
	"bedside/wasm/encoder"
	"bedside/weights"
	"bedside/weights/bundle"
)

// Devices that encoders can run on, as hosts name them.
const (
	SIMD      = "simd"
	Reference = "reference"
)

// Options say how notes are read.
type Options struct {
	Device string // SIMD or Reference
	Cache  string // directory for what was read
}

// Encoder is a bundle's encoder, whatever its head. It is not safe for concurrent use.
type Encoder struct {
	Manifest *weights.Manifest

	bundle *bundle.Bundle
	device string
	cache  *cache
	known  map[digest][]float32 // nil of notes without tokens
}

// digest is the SHA-256 of a note.
type digest = [sha256.Size]byte

// Open reads the bundle's manifest. Its shards are read when notes are.
func Open(dir string, o Options) (*Encoder, error) {
	if o.Device != SIMD && o.Device != Reference {
		return nil, fmt.Errorf("device %.64q: want %s or %s", o.Device, SIMD, Reference)
	}
	files := os.DirFS(dir)
	if _, err := fs.Stat(files, bundle.ManifestFile); err != nil {
		if _, err := fs.Stat(files, "config.json"); err == nil {
			return nil, fmt.Errorf("%s is a model of Hugging Face: make a bundle of it first, with \"bedside import %s --no-head --out ENCODER\"", dir, dir)
		}
	}
	b, err := bundle.Open(files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if b.Manifest.Encoder == nil {
		return nil, fmt.Errorf("%s: the model %s has no encoder", dir, b.Manifest.Name)
	}
	if b.Manifest.Mix != nil {
		return nil, fmt.Errorf("%s: the model %s is a mix of an encoder and a linear model: name the bundle of the encoder alone", dir, b.Manifest.Name)
	}
	c, err := openCache(o.Cache, b, o.Device)
	if err != nil {
		return nil, err
	}
	return &Encoder{b.Manifest, b, o.Device, c, map[digest][]float32{}}, nil
}

// Width is how many numbers the vector of a window has.
func (e *Encoder) Width() int { return e.Manifest.Encoder.Hidden }

// Vectors are what the encoder pools of each note: of its windows, one behind the other; nil
// where the note has no tokens. progress, which may be nil, hears of each note that had to be read.
func (e *Encoder) Vectors(ctx context.Context, notes []string, progress func(done, total int)) ([][]float32, error) {
	var missing []string
	of := make([]digest, len(notes))
	for i, note := range notes {
		of[i] = sha256.Sum256([]byte(note))
		if _, ok := e.known[of[i]]; ok {
			continue
		}
		v, ok := e.cache.get(of[i], e.Width())
		if !ok {
			missing = append(missing, note)
		}
		e.known[of[i]] = v // of those missing, until they are read, a place
	}
	if err := e.read(ctx, missing, progress); err != nil {
		for _, note := range missing {
			delete(e.known, sha256.Sum256([]byte(note)))
		}
		return nil, err
	}
	out := make([][]float32, len(notes))
	for i, d := range of {
		out[i] = e.known[d]
	}
	return out, nil
}

// read reads distinct notes, on every core. Which of them reads a note makes no difference.
func (e *Encoder) read(ctx context.Context, notes []string, progress func(done, total int)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var mu sync.Mutex
	next, done := 0, 0
	take := func() (note string, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(notes) || ctx.Err() != nil {
			return "", false
		}
		next++
		return notes[next-1], true
	}
	keep := func(note string, v []float32) error {
		d := sha256.Sum256([]byte(note))
		if err := e.cache.put(d, v, e.Width()); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		e.known[d] = v
		if done++; progress != nil {
			progress(done, len(notes))
		}
		return nil
	}
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(notes)) {
		wait.Go(func() {
			if err := e.work(ctx, take, keep); err != nil {
				stop(err)
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// work reads notes on a device of its own.
func (e *Encoder) work(ctx context.Context, take func() (string, bool), keep func(string, []float32) error) error {
	device, err := newDevice(ctx, e.device)
	if err != nil {
		return err
	}
	defer device.Close()
	network, err := e.load(ctx, device)
	if err != nil {
		return err
	}
	for {
		note, ok := take()
		if !ok {
			return nil
		}
		v, err := pooled(ctx, network, note)
		if err != nil {
			return err
		}
		if err := keep(note, v); err != nil {
			return err
		}
	}
}

func newDevice(ctx context.Context, name string) (kernels.Device, error) {
	if name == Reference {
		return reference.NewDevice(), nil
	}
	return headless.NewDevice(ctx)
}

// load puts the encoder on a device.
func (e *Encoder) load(ctx context.Context, device kernels.Device) (*encoder.Encoder, error) {
	network, err := encoder.New(e.Manifest, device)
	if err != nil {
		return nil, err
	}
	tensors := e.Manifest.Allocate()
	err = e.bundle.Each(ctx, func(s weights.Segment, data []byte) error {
		if at := tensors.At(s); at != nil {
			copy(at, data)
			return nil
		}
		whole, _ := network.Destination(s.Tensor)
		return device.Write(kernels.Buffer{Address: whole.Address + uint32(s.TensorOffset), Bytes: uint32(s.Length)}, data)
	})
	if err != nil {
		return nil, err
	}
	if err := tensors.Check(); err != nil {
		return nil, err
	}
	return network, network.Ready(tensors.Uint8(weights.EncoderVocabulary))
}

func pooled(ctx context.Context, network *encoder.Encoder, note string) ([]float32, error) {
	tokens, err := network.Tokenize(nil, note)
	if err != nil {
		return nil, err
	}
	job, err := network.BeginTokens(network.Windows(tokens)...)
	for done := false; err == nil && !done; {
		if err = ctx.Err(); err == nil {
			done, err = job.Step()
		}
	}
	if err != nil {
		return nil, err
	}
	var v []float32
	for _, window := range job.Results() {
		v = append(v, window.Pooled...)
	}
	return v, nil
}

// Tensors are all of the bundle's but its head's.
func (e *Encoder) Tensors(ctx context.Context) ([]weights.Values, error) {
	values, err := e.bundle.Values(ctx)
	if err != nil {
		return nil, err
	}
	kept := values[:0]
	for _, v := range values {
		if !strings.HasPrefix(v.Name, weights.Head+".") {
			kept = append(kept, v)
		}
	}
	return kept, nil
}

// DefaultCache is where vectors are kept unless another place is named.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "bedside", "vectors"), err
}
