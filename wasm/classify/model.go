// Package classify answers notes with a bundle's model: ranked labels with calibrated
// probabilities, whether the model is sure, and explanations: exact ones of linear models,
// and for encoders what they say without each sentence.
package classify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/wasm/encoder"
	"bedside/wasm/text"
	"bedside/weights"
)

// MaxNoteBytes is the largest note, in bytes of UTF-8.
const MaxNoteBytes = 16 << 20

// Limits of what one classification explains.
const (
	MaxFeatures = 1000    // n-grams or sentences listed for a label
	MaxListed   = 1 << 16 // these listed in all
)

// Errors about what was asked, as opposed to defects.
var (
	ErrEmptyNote    = errors.New("the note is empty or blank; there is nothing to classify")
	ErrNoteTooLarge = fmt.Errorf("the note is larger than %d MiB; classify it in parts", MaxNoteBytes>>20)
	ErrOptions      = errors.New("options")
)

// Model is a loaded bundle: a linear model on TF-IDF features, an encoder on a device, or
// both, the logits of which add up. It holds scratch memory: one goroutine at a time.
type Model struct {
	manifest *weights.Manifest
	linear   *linear          // nil where the model is an encoder alone
	encoder  *encoder.Encoder // nil where it is linear alone

	logits        []float64
	probabilities []float64
}

// New makes a model of a checked manifest of a linear model and its loaded tensors.
func New(m *weights.Manifest, tensors weights.Tensors) (*Model, error) {
	if m.Encoder != nil {
		return nil, fmt.Errorf("model %s has an encoder, which needs a device: use Open", m.Name)
	}
	if err := tensors.Check(); err != nil {
		return nil, err
	}
	l, err := newLinear(m, tensors)
	if err != nil {
		return nil, err
	}
	return newModel(m, l, nil), nil
}

func newModel(m *weights.Manifest, l *linear, e *encoder.Encoder) *Model {
	labels := len(m.Task.Labels)
	return &Model{m, l, e, make([]float64, labels), make([]float64, labels)}
}

// Manifest is the bundle's manifest.
func (m *Model) Manifest() *weights.Manifest { return m.manifest }

// errLater is for callers who could not wait for the device between two steps.
var errLater = fmt.Errorf("this device needs Begin and Step: %w", kernels.ErrPending)

// Classify answers one note: Begin, and every step.
func (m *Model) Classify(note string, o Options) (*Result, error) {
	j, err := m.Begin(note, o)
	for done := false; err == nil && !done; {
		if done, err = j.Step(); err == nil && j.Pending() {
			err = errLater
		}
	}
	if err != nil {
		return nil, err
	}
	return j.Result(), nil
}

// Score computes a note's logits and probabilities by label index; both are
// overwritten by the next call. It neither checks the note nor explains.
func (m *Model) Score(note string) (logits, probabilities []float64, err error) {
	clear(m.logits)
	if m.linear != nil {
		m.linear.score(m.logits, note)
	}
	if m.encoder != nil {
		if err := m.encode(note); err != nil {
			return nil, nil, err
		}
	}
	Calibrate(m.manifest.Calibration, m.logits, m.probabilities)
	return m.logits, m.probabilities, nil
}

// Calibrate turns logits into probabilities.
func Calibrate(c weights.Calibration, logits, probabilities []float64) {
	if c.Kind == weights.Temperature {
		for l, z := range logits {
			probabilities[l] = float64(z * c.Slope[0])
		}
		reference.Softmax(probabilities)
		return
	}
	ceiling := c.Ceiling
	if ceiling == 0 {
		ceiling = 1
	}
	for l, z := range logits {
		probabilities[l] = ceiling * reference.Sigmoid(float64(z*c.Slope[l])+c.Intercept[l])
	}
}

func (m *Model) check(note string, o Options) error {
	switch {
	case len(note) > MaxNoteBytes:
		return ErrNoteTooLarge
	case strings.IndexFunc(note, func(r rune) bool { return !text.IsSpace(r) }) < 0:
		return ErrEmptyNote
	case o.Offsets != "" && o.Offsets != "utf8" && o.Offsets != "utf16":
		return fmt.Errorf("%w: offsets %.16q, want \"utf8\" or \"utf16\"", ErrOptions, o.Offsets)
	case o.Labels < 0:
		return fmt.Errorf("%w: labels must not be negative", ErrOptions)
	case o.Explain < 0 || o.Features < 0 || o.Features > MaxFeatures || min(o.Explain, len(m.logits)) > MaxListed/max(o.Features, defaultFeatures):
		return fmt.Errorf("%w: explain must not be negative, features must be 0 to %d, and at most %d over all labels explained", ErrOptions, MaxFeatures, MaxListed)
	}
	return nil
}

// rank lists the labels of a note in which the model knows so many terms, most probable
// first; as many as asked for, where that is not 0, and every one that clears.
func (m *Model) rank(terms, asked int) *Result {
	Calibrate(m.manifest.Calibration, m.logits, m.probabilities)
	r := &Result{Model: m.manifest.Name, Task: m.manifest.Task.Kind, Terms: terms}
	least := -1.0
	if asked > 0 && asked < len(m.logits) {
		least, r.Known = nthLargest(m.probabilities, asked), len(m.logits)
	}
	for l, p := range m.probabilities {
		threshold := m.manifest.Thresholds[l]
		if clears := p >= threshold && terms > 0; p >= least || clears {
			r.Labels = append(r.Labels, Label{l, m.manifest.Task.Labels[l], m.logits[l], p, threshold, clears})
			r.Sure = r.Sure || clears
		}
	}
	slices.SortStableFunc(r.Labels, func(a, b Label) int { return cmp.Compare(b.Probability, a.Probability) })
	if r.Known != 0 {
		r.Labels = upTo(r.Labels, asked)
	}
	switch {
	case r.Terms == 0:
		r.Reason = NoKnownTerms
	case !r.Sure:
		r.Reason = BelowThresholds
	}
	return r
}

// nthLargest is the n-th largest value.
func nthLargest(values []float64, n int) float64 {
	top := make([]float64, 0, n+1) // falling
	for _, v := range values {
		if len(top) == n && v <= top[n-1] {
			continue
		}
		at := len(top)
		for at > 0 && top[at-1] < v {
			at--
		}
		top = slices.Insert(top, at, v)
		top = top[:min(len(top), n)]
	}
	return top[len(top)-1]
}

// upTo keeps the first n labels, and of the rest those that clear: many may be equally
// probable with the n-th.
func upTo(labels []Label, n int) []Label {
	kept := labels[:min(n, len(labels))]
	for _, l := range labels[len(kept):] {
		if l.Clears {
			kept = append(kept, l)
		}
	}
	return kept
}
