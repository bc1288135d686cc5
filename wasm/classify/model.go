// Package classify answers notes with a bundle's model: ranked labels with calibrated
// probabilities, whether the model is sure, and exact explanations.
package classify

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bedside/kernels/reference"
	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// MaxNoteBytes is the largest note, in bytes of UTF-8.
const MaxNoteBytes = 16 << 20

// Limits of what one classification explains.
const (
	MaxFeatures = 1000    // n-grams listed for a label
	MaxListed   = 1 << 16 // n-grams listed in all
)

// Errors about what was asked, as opposed to defects.
var (
	ErrEmptyNote    = errors.New("the note is empty or blank; there is nothing to classify")
	ErrNoteTooLarge = fmt.Errorf("the note is larger than %d MiB; classify it in parts", MaxNoteBytes>>20)
	ErrOptions      = errors.New("options")
)

// Model is a loaded bundle. It holds scratch memory: one goroutine at a time.
type Model struct {
	manifest   *weights.Manifest
	vectorizer *tfidf.Vectorizer
	weight8    []int8    // exactly one of weight8 and weight32 is set
	weight32   []float32 // [columns, labels]
	scale      []float32
	bias       []float32

	vector        tfidf.Vector
	logits        []float64
	probabilities []float64
	listed        []int32 // per column: 1 + position among the features being located, else 0
}

// New makes a model of a checked manifest and its loaded tensors.
func New(m *weights.Manifest, tensors weights.Tensors) (*Model, error) {
	if err := tensors.Check(); err != nil {
		return nil, err
	}
	v, err := tfidf.New(m, tensors)
	if err != nil {
		return nil, err
	}
	labels := len(m.Task.Labels)
	return &Model{
		manifest:      m,
		vectorizer:    v,
		weight8:       tensors.Int8(weights.LinearWeight),
		weight32:      tensors.Float32(weights.LinearWeight),
		scale:         tensors.Float32(weights.LinearScale),
		bias:          tensors.Float32(weights.LinearBias),
		logits:        make([]float64, labels),
		probabilities: make([]float64, labels),
		listed:        make([]int32, v.Columns()),
	}, nil
}

// Manifest is the bundle's manifest.
func (m *Model) Manifest() *weights.Manifest { return m.manifest }

// Classify answers one note.
func (m *Model) Classify(note string, o Options) (*Result, error) {
	if err := m.check(note, o); err != nil {
		return nil, err
	}
	m.Score(note)
	r := m.rank()
	m.explain(r, note, o)
	return r, nil
}

// Score computes a note's logits and probabilities by label index; both are
// overwritten by the next call. It neither checks the note nor explains.
func (m *Model) Score(note string) (logits, probabilities []float64) {
	m.vectorizer.Transform(&m.vector, note)
	if m.weight8 != nil {
		reference.SparseLinear(m.logits, m.vector.Columns, m.vector.Values, m.weight8, m.scale, m.bias)
	} else {
		reference.SparseLinear(m.logits, m.vector.Columns, m.vector.Values, m.weight32, m.scale, m.bias)
	}
	Calibrate(m.manifest.Calibration, m.logits, m.probabilities)
	return m.logits, m.probabilities
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
	case o.Explain < 0 || o.Features < 0 || o.Features > MaxFeatures || min(o.Explain, len(m.logits)) > MaxListed/max(o.Features, defaultFeatures):
		return fmt.Errorf("%w: explain must not be negative, features must be 0 to %d, and at most %d over all labels explained", ErrOptions, MaxFeatures, MaxListed)
	}
	return nil
}

func (m *Model) rank() *Result {
	r := &Result{
		Model:  m.manifest.Name,
		Task:   m.manifest.Task.Kind,
		Terms:  len(m.vector.Columns),
		Labels: make([]Label, len(m.logits)),
	}
	for l, name := range m.manifest.Task.Labels {
		p, threshold := m.probabilities[l], m.manifest.Thresholds[l]
		clears := p >= threshold && r.Terms > 0
		r.Labels[l] = Label{l, name, m.logits[l], p, threshold, clears}
		r.Sure = r.Sure || clears
	}
	slices.SortStableFunc(r.Labels, func(a, b Label) int { return cmp.Compare(b.Probability, a.Probability) })
	switch {
	case r.Terms == 0:
		r.Reason = NoKnownTerms
	case !r.Sure:
		r.Reason = BelowThresholds
	}
	return r
}

// contribution is what the vector's k-th column adds to label l's logit.
func (m *Model) contribution(k, l int) float64 {
	at := int(m.vector.Columns[k])*len(m.logits) + l
	if m.weight8 != nil {
		return m.vector.Values[k] * float64(m.weight8[at]) * float64(m.scale[l])
	}
	return m.vector.Values[k] * float64(m.weight32[at]) * float64(m.scale[l])
}
