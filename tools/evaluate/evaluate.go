// Package evaluate measures a model's answers on labelled notes.
package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"bedside/kernels"
	"bedside/tools/dataset"
	"bedside/tools/metrics"
	"bedside/wasm/classify"
	"bedside/wasm/host"
	"bedside/weights"
	"bedside/weights/bundle"
)

// Engine classifies one note; a note without text is refused with
// classify.ErrEmptyNote. It is safe for concurrent use.
type Engine func(ctx context.Context, note string) (*classify.Result, error)

// Native runs the bundle in files as Go code of this process: a linear model with as many
// copies of the scratch memory as calls run at once, an encoder on the device, one call
// after another. The device may be nil for a linear model; it stays the caller's to close.
func Native(ctx context.Context, files fs.FS, device kernels.Device) (Engine, *weights.Manifest, error) {
	b, err := bundle.Open(files)
	if err != nil {
		return nil, nil, err
	}
	if b.Manifest.Encoder != nil {
		engine, err := nativeEncoder(ctx, b, device)
		return engine, b.Manifest, err
	}
	tensors, err := b.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	engine, err := native(b.Manifest, tensors)
	return engine, b.Manifest, err
}

func nativeEncoder(ctx context.Context, b *bundle.Bundle, device kernels.Device) (Engine, error) {
	loading, err := classify.Open(b.Manifest, device)
	if err != nil {
		return nil, err
	}
	if err := b.Each(ctx, loading.Write); err != nil {
		return nil, err
	}
	model, err := loading.Ready()
	if err != nil {
		return nil, err
	}
	return inTurn(model), nil
}

// inTurn answers one note after another.
func inTurn(model *classify.Model) Engine {
	var mu sync.Mutex
	return func(ctx context.Context, note string) (*classify.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		j, err := model.Begin(note, classify.Options{})
		if err != nil {
			return nil, err
		}
		for done := false; !done; {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if done, err = j.Step(); err != nil {
				return nil, err
			}
		}
		return j.Result(), nil
	}
}

// OnDevice runs a model with an encoder that has not been written, one call after another, on
// a device that serves it alone and stays the caller's to close.
func OnDevice(m weights.Manifest, values []weights.Values, device kernels.Device) (Engine, error) {
	header, ordered, err := m.Arrange(values)
	if err != nil {
		return nil, err
	}
	loading, err := classify.Open(&m, device)
	if err != nil {
		return nil, err
	}
	if err := loading.Write(weights.Segment{Tensor: weights.Header, Length: m.HeaderBytes()}, header); err != nil {
		return nil, err
	}
	for i, v := range ordered {
		if err := loading.Write(weights.Segment{Tensor: i, Length: int64(len(v.Data))}, v.Data); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", v.Name, err)
		}
	}
	model, err := loading.Ready()
	if err != nil {
		return nil, err
	}
	return inTurn(model), nil
}

// InMemory runs a linear model that has not been written.
func InMemory(m weights.Manifest, values []weights.Values) (Engine, error) {
	stream, err := m.Layout(values)
	if err != nil {
		return nil, err
	}
	tensors := m.Allocate()
	for i, t := range m.Tensors {
		copy(tensors.At(weights.Segment{Tensor: i, Length: t.Size}), stream[t.Offset:])
	}
	copy(tensors.At(weights.Segment{Tensor: weights.Header, Length: m.HeaderBytes()}), stream)
	return native(&m, tensors)
}

func native(m *weights.Manifest, tensors weights.Tensors) (Engine, error) {
	first, err := classify.New(m, tensors)
	if err != nil {
		return nil, err
	}
	models := sync.Pool{New: func() any {
		model, _ := classify.New(m, tensors) // succeeded above, on the same input
		return model
	}}
	models.Put(first)
	return func(_ context.Context, note string) (*classify.Result, error) {
		model := models.Get().(*classify.Model)
		defer models.Put(model)
		return model.Classify(note, classify.Options{})
	}, nil
}

// Wazero runs the bundle as a model of h.
func Wazero(ctx context.Context, h *host.Host, files fs.FS) (Engine, *weights.Manifest, error) {
	m, err := h.Load(ctx, files)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, note string) (*classify.Result, error) {
		r, err := m.Classify(ctx, note, classify.Options{})
		if refusal := (*host.Error)(nil); errors.As(err, &refusal) && refusal.Code == host.CodeEmptyNote {
			err = classify.ErrEmptyNote
		}
		return r, err
	}, m.Manifest(), nil
}

// Run classifies every example, one after another, and measures. Labels that the
// model does not know are counted and left out, and with them examples that have no
// other label; so are notes without text. progress may be nil.
func Run(ctx context.Context, engine Engine, m *weights.Manifest, d *dataset.Dataset, progress func(done, total int)) (metrics.Report, error) {
	a, times, err := Collect(ctx, engine, m, d, progress)
	if err != nil {
		return metrics.Report{}, err
	}
	return Measure(m, d, a, times)
}

// Measure makes a report of what Collect gave.
func Measure(m *weights.Manifest, d *dataset.Dataset, a metrics.Answers, times []time.Duration) (metrics.Report, error) {
	unknown := Unknown(m, d)
	if len(times) == 0 {
		return metrics.Report{}, fmt.Errorf("no example to measure: %d examples, %d of %d labels unknown to the model", len(d.Examples), unknown, len(d.Labels))
	}
	report, err := metrics.Measure(a)
	if err != nil {
		return metrics.Report{}, err
	}
	times = slices.Sorted(slices.Values(times))
	report.UnknownLabels = unknown
	report.LatencyMS = float64(times[len(times)/2].Nanoseconds()) / 1e6
	return report, nil
}

// Unknown counts the labels of the data that the model does not have.
func Unknown(m *weights.Manifest, d *dataset.Dataset) int {
	unknown := 0
	for _, name := range d.Labels {
		if !slices.Contains(m.Task.Labels, name) {
			unknown++
		}
	}
	return unknown
}

// Collect gives the answers for the examples that Run would measure, and the time each took.
func Collect(ctx context.Context, engine Engine, m *weights.Manifest, d *dataset.Dataset, progress func(done, total int)) (metrics.Answers, []time.Duration, error) {
	position := make([]int, len(d.Labels)) // in the model's labels, or -1
	for i, name := range d.Labels {
		position[i] = slices.Index(m.Task.Labels, name)
	}
	a := metrics.Answers{Labels: m.Task.Labels, MultiClass: m.Task.Kind == weights.MultiClass}
	var times []time.Duration
	for i, e := range d.Examples {
		if err := ctx.Err(); err != nil { // an engine may not look
			return a, nil, err
		}
		if progress != nil {
			progress(i+1, len(d.Examples))
		}
		truth := known(e.Labels, position)
		if len(truth) == 0 && len(e.Labels) > 0 {
			continue
		}
		begin := time.Now()
		r, err := engine(ctx, e.Text)
		if errors.Is(err, classify.ErrEmptyNote) {
			continue
		}
		if err != nil {
			return a, nil, fmt.Errorf("row %d: %w", e.Row, err)
		}
		times = append(times, time.Since(begin))
		add(&a, truth, r)
		a.Notes = append(a.Notes, e.Group)
	}
	return a, times, nil
}

func known(labels, position []int) []int {
	var out []int
	for _, l := range labels {
		if position[l] >= 0 {
			out = append(out, position[l])
		}
	}
	slices.Sort(out)
	return out
}

// add takes in the answer for one example.
func add(a *metrics.Answers, truth []int, r *classify.Result) {
	row := make([]float64, len(r.Labels))
	asserted := []int{}
	for _, l := range r.Labels {
		row[l.Index] = l.Probability
		if l.Clears {
			asserted = append(asserted, l.Index)
		}
	}
	slices.Sort(asserted)
	a.MultiClass = a.MultiClass && len(truth) == 1
	a.Truth = append(a.Truth, truth)
	a.Asserted = append(a.Asserted, asserted)
	a.Probabilities = append(a.Probabilities, row...)
}
