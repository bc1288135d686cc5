package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"

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
// fsys must stay readable until the model is closed. Peak memory is the model, in every
// instance that opens it, plus one shard. Errors of the bundle are of type *Error.
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
		if refused := (*Error)(nil); errors.As(err, &refused) && refused.Code == CodeDeviceLost {
			in.close(ctx, m)
		}
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

// WithProgress has calls made with the context tell report how far they are, where a
// note takes more than one part: done of total windows. It is called between parts, on
// the caller's goroutine.
func WithProgress(ctx context.Context, report func(done, total int)) context.Context {
	return context.WithValue(ctx, progressKey{}, report)
}

type progressKey struct{}

// classify runs one job.
func (in *instance) classify(ctx context.Context, opened handle, text, options string) ([]byte, error) {
	job, err := in.begin(ctx, opened.model, text, options)
	if err != nil {
		return nil, err
	}
	for {
		if ctx.Err() != nil {
			_, err := in.check(ctx, "bedside_cancel", api.EncodeI32(job))
			return nil, errors.Join(ctx.Err(), err)
		}
		more, err := in.check(ctx, "bedside_finish", api.EncodeI32(job))
		if err != nil {
			return nil, in.explained(err, opened.device)
		}
		if more > 1 {
			return nil, in.defect("bedside_finish answered %d", more)
		}
		output, err := in.output(ctx)
		if err != nil || more == 0 {
			return output, err
		}
		if err := in.report(ctx, output); err != nil {
			return nil, err
		}
	}
}

// begin starts a job.
func (in *instance) begin(ctx context.Context, model int32, text, options string) (job int32, err error) {
	textAt, err := in.put(ctx, text, CodeNoteTooLarge)
	if err != nil {
		return 0, err
	}
	optionsAt, err := in.put(ctx, options, CodeBadOptions)
	if err != nil {
		_ = in.free(ctx, textAt)
		return 0, err
	}
	job, failed := in.check(ctx, "bedside_begin", api.EncodeI32(model),
		textAt, uint64(len(text)), optionsAt, uint64(len(options)))
	if !in.broken {
		for _, address := range []uint64{textAt, optionsAt} {
			if err := in.free(ctx, address); err != nil {
				return 0, err
			}
		}
	}
	return job, failed
}

// report passes a job's progress on.
func (in *instance) report(ctx context.Context, output []byte) error {
	report, _ := ctx.Value(progressKey{}).(func(done, total int))
	if report == nil {
		return nil
	}
	var progress struct{ Done, Of int }
	if err := json.Unmarshal(output, &progress); err != nil {
		return in.defect("bedside_finish left no progress")
	}
	report(progress.Done, progress.Of)
	return nil
}

// explained adds to the error of a lost device what became of it.
func (in *instance) explained(err error, device int32) error {
	refused, d := (*Error)(nil), in.devices[device]
	if errors.As(err, &refused) && refused.Code == CodeDeviceLost && d != nil {
		refused.cause = d.Err()
	}
	return err
}
