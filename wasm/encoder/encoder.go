// Package encoder reads notes with a BERT-family network (Devlin et al. 2018,
// https://arxiv.org/abs/1810.04805): WordPiece tokens in windows, transformer layers on a
// kernels.Device, a dense head.
//
// New plans where tensors lie on the device, the caller fills them, Ready ends the
// loading. Begin makes a Job of a note, each Step of which runs one batch of windows.
package encoder

import (
	"errors"
	"fmt"

	"bedside/kernels"
	"bedside/wasm/tokenizer"
	"bedside/weights"
)

// Errors of encoders.
var (
	// ErrNotReady: Ready has not been called, or has failed.
	ErrNotReady = errors.New("the encoder is not loaded: fill its tensors, then call Ready")
	// ErrNotFinite: a logit is infinite or not a number.
	ErrNotFinite = errors.New("the network's answer is not a finite number: its weights are damaged or were trained to overflow")
)

// Encoder is one model's network on a device. One goroutine at a time; so for its jobs.
type Encoder struct {
	shape      *weights.Encoder
	activation kernels.Activation
	labels     int
	device     kernels.Device
	bytes      int

	destinations []kernels.Buffer // by tensor of the manifest; zero for those not on the device
	halves       []half
	network      network
	space        workspace

	tokenizer *tokenizer.WordPiece // nil until Ready
	special   tokenizer.SpecialIDs
	scratch   scratch
	flying    *Job // whose batch the device is at work on, nil where none is

	// every runs the last layer for all rows, although only first ones are pooled; for
	// tests, which hold the two to the same answer.
	every bool
}

// New allocates a checked manifest's network on a device, in one call: its tensors, F16
// ones twice (as they come, and widened to float32), and the workspace of one batch.
//
// A batch has at most R = Window.Tokens rows: one window of full length, or several
// shorter ones. With H hidden, I intermediate and S = R/3 windows, the shortest having
// three tokens, its workspace takes, in bytes,
//
//	12 R                     tokens, places, kinds
//	4 R (2 H + max(3 H, I))  hidden states, attention's answer, and what is wider
//	QuantizedBytes(R, max(H, I))
//	4 S (2 H + labels)       pooled vectors and logits
//
// which is 12 to 14 MB for BERT-base, by device. The errors are those of Device.Allocate, and
// manifests without an encoder or with tensors missing.
func New(m *weights.Manifest, device kernels.Device) (*Encoder, error) {
	if m.Encoder == nil {
		return nil, errors.New("the manifest describes no encoder")
	}
	if a := m.Encoder.Architecture; a != weights.BERT {
		return nil, fmt.Errorf("architecture %.64q is not supported", a)
	}
	activation, ok := activations[m.Encoder.Activation]
	if !ok {
		return nil, fmt.Errorf("activation %.64q is not supported", m.Encoder.Activation)
	}
	e := &Encoder{shape: m.Encoder, activation: activation, labels: len(m.Task.Labels), device: device}
	e.destinations = make([]kernels.Buffer, len(m.Tensors))
	p := newPlan(m, e.destinations)
	e.network.plan(p, e.shape, e.labels)
	e.space.plan(p, e)
	if p.err != nil {
		return nil, p.err
	}
	if err := p.allocate(device); err != nil {
		return nil, err
	}
	e.bytes, e.halves = p.bytes, p.halves
	return e, nil
}

var activations = map[string]kernels.Activation{
	weights.GELU: kernels.GELU, weights.GELUTanh: kernels.GELUTanh, weights.ReLU: kernels.ReLU,
}

// Destination is the buffer on the device that a tensor's bytes go to, as they stand in
// the bundle. It is false for the vocabulary, which stays in memory for Ready.
func (e *Encoder) Destination(tensor int) (kernels.Buffer, bool) {
	if tensor < 0 || tensor >= len(e.destinations) {
		return kernels.Buffer{}, false
	}
	b := e.destinations[tensor]
	return b, b.Bytes != 0
}

// Bytes is what the encoder takes of the device's memory.
func (e *Encoder) Bytes() int { return e.bytes }

// Ready ends the loading, all tensors being filled: it widens F16 tensors and makes the
// tokenizer of the vocabulary, a vocab.txt, which must have all special tokens and no
// more entries than the table of words has rows.
func (e *Encoder) Ready(vocabulary []byte) error {
	words, err := tokenizer.ReadVocabulary(vocabulary)
	if err != nil {
		return fmt.Errorf("%s: %w", weights.EncoderVocabulary, err)
	}
	if words.Len() > e.shape.Vocabulary {
		return fmt.Errorf("%s: %d entries for a table of %d words; vocabulary and weights are not of one model",
			weights.EncoderVocabulary, words.Len(), e.shape.Vocabulary)
	}
	t := e.shape.Tokenizer
	if t.Kind != weights.WordPiece {
		return fmt.Errorf("tokenizer %.64q is not supported", t.Kind)
	}
	w, err := tokenizer.NewWordPiece(words, tokenizer.Options{
		Lowercase: t.Lowercase, StripAccents: t.StripAccents, JoinCJK: t.JoinCJK, MaxWord: t.MaxWord,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", weights.EncoderVocabulary, err)
	}
	if err := e.widen(); err != nil {
		return err
	}
	e.tokenizer, e.special = w, w.Special()
	return nil
}

func (e *Encoder) widen() error {
	program := make([]kernels.Op, len(e.halves))
	for i, h := range e.halves {
		program[i] = kernels.Widen{In: e.destinations[h.tensor], Out: *h.wide}
	}
	if len(program) == 0 {
		return nil
	}
	return e.device.Run(program)
}

// Special are the ids of the vocabulary's tokens with a role, once Ready.
func (e *Encoder) Special() tokenizer.SpecialIDs { return e.special }

// Tokenize appends the note's tokens to dst, without [CLS] and [SEP].
func (e *Encoder) Tokenize(dst []tokenizer.Token, note string) ([]tokenizer.Token, error) {
	if e.tokenizer == nil {
		return dst, ErrNotReady
	}
	return e.tokenizer.Append(dst, note)
}
