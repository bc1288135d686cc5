package host

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"bedside/wasm/classify"
	"bedside/weights"
	"bedside/weights/bundle"
)

// Model is a bundle that the instances of a Host can open.
type Model struct {
	host   *Host
	bundle *bundle.Bundle
	closed atomic.Bool
}

// LoadDir is Load for a directory.
func (h *Host) LoadDir(ctx context.Context, dir string) (*Model, error) {
	return h.Load(ctx, os.DirFS(dir))
}

// Load reads the bundle at the root of fsys into one instance, so that a damaged
// bundle is found now. Further instances read it again when they are first needed:
// fsys must stay readable until the model is closed. Peak memory is the model plus
// one shard. Errors of the bundle are of type *Error.
func (h *Host) Load(ctx context.Context, fsys fs.FS) (*Model, error) {
	opened, err := bundle.Open(regularFiles{fsys})
	if err != nil {
		return nil, fmt.Errorf("host: loading the bundle: %w", &Error{Code: CodeBadManifest, Message: err.Error(), cause: err})
	}
	m := &Model{host: h, bundle: opened}
	if err := h.with(ctx, m, m.open); err != nil {
		return nil, fmt.Errorf("host: loading the bundle: %w", err)
	}
	return m, nil
}

// Manifest describes the model. The caller must not change it.
func (m *Model) Manifest() *weights.Manifest { return m.bundle.Manifest }

// Classify answers what the model says of a note. The note is taken as UTF-8; what
// is not is read as U+FFFD. It returns the error of ctx when that ends first.
func (m *Model) Classify(ctx context.Context, text string, options classify.Options) (*classify.Result, error) {
	output, err := m.ClassifyJSON(ctx, text, options)
	if err != nil {
		return nil, err
	}
	var result classify.Result
	if err := json.Unmarshal(output, &result); err != nil {
		return nil, fmt.Errorf("host: reading the module's result: %w", err)
	}
	return &result, nil
}

// ClassifyJSON is Classify with the result as the module wrote it: the JSON of a
// classify.Result.
func (m *Model) ClassifyJSON(ctx context.Context, text string, options classify.Options) ([]byte, error) {
	if len(text) > classify.MaxNoteBytes {
		return nil, &Error{Code: CodeNoteTooLarge, Message: classify.ErrNoteTooLarge.Error()}
	}
	var written string
	if options != (classify.Options{}) {
		b, err := json.Marshal(options)
		if err != nil {
			return nil, fmt.Errorf("host: writing the options: %w", err)
		}
		written = string(b)
	}
	if m.closed.Load() {
		return nil, ErrClosed
	}
	var output []byte
	err := m.host.with(ctx, m, func(ctx context.Context, in *instance) error {
		if err := m.open(ctx, in); err != nil {
			return err
		}
		var err error
		output, err = in.classify(ctx, in.handles[m], text, written)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("host: classifying: %w", err)
	}
	return output, nil
}

// Close frees the model in every instance. Calls at work finish first.
func (m *Model) Close() {
	if !m.closed.Swap(true) {
		m.host.forget(m)
	}
}

// classify runs one job.
func (in *instance) classify(ctx context.Context, model int32, text, options string) ([]byte, error) {
	textAt, err := in.put(ctx, text, CodeNoteTooLarge)
	if err != nil {
		return nil, err
	}
	optionsAt, err := in.put(ctx, options, CodeBadOptions)
	if err != nil {
		_ = in.free(ctx, textAt)
		return nil, err
	}
	job, failed := in.check(ctx, "bedside_begin", uint64(uint32(model)),
		textAt, uint64(len(text)), optionsAt, uint64(len(options)))
	if !in.broken {
		for _, address := range []uint64{textAt, optionsAt} {
			if err := in.free(ctx, address); err != nil {
				return nil, err
			}
		}
	}
	if failed != nil {
		return nil, failed
	}
	if _, err := in.check(ctx, "bedside_finish", uint64(uint32(job))); err != nil {
		return nil, err
	}
	return in.output(ctx)
}
