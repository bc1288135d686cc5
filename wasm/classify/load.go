package classify

import (
	"fmt"

	"bedside/kernels"
	"bedside/wasm/encoder"
	"bedside/weights"
)

// Loading is a model whose tensors are on their way.
type Loading struct {
	manifest *weights.Manifest
	tensors  weights.Tensors
	device   kernels.Device
	encoder  *encoder.Encoder // nil where there is none
}

// Open makes room for the tensors of a checked manifest: an encoder's on the device,
// which serves this model alone from now on; a linear model needs none. Errors of the
// device wrap those of kernels.
func Open(m *weights.Manifest, device kernels.Device) (*Loading, error) {
	l := &Loading{manifest: m, device: device}
	if m.Encoder != nil {
		if device == nil {
			return nil, fmt.Errorf("model %s needs a device", m.Name)
		}
		var err error
		if l.encoder, err = encoder.New(m, device); err != nil {
			return nil, err
		}
	}
	l.tensors = m.Allocate()
	return l, nil
}

// Memory is where a segment's bytes belong, nil where that is on the device.
func (l *Loading) Memory(s weights.Segment) []byte { return l.tensors.At(s) }

// Buffer is where on the device a segment's bytes belong.
func (l *Loading) Buffer(s weights.Segment) kernels.Buffer {
	whole, _ := l.encoder.Destination(s.Tensor)
	return kernels.Buffer{Address: whole.Address + uint32(s.TensorOffset), Bytes: uint32(s.Length)}
}

// Write puts a segment's bytes where they belong.
func (l *Loading) Write(s weights.Segment, data []byte) error {
	if at := l.Memory(s); at != nil {
		copy(at, data)
		return nil
	}
	return l.device.Write(l.Buffer(s), data)
}

// Ready makes a model of the tensors, once all have been written.
func (l *Loading) Ready() (*Model, error) {
	if l.encoder == nil {
		return New(l.manifest, l.tensors)
	}
	if err := l.tensors.Check(); err != nil {
		return nil, err
	}
	if err := l.encoder.Ready(l.tensors.Uint8(weights.EncoderVocabulary)); err != nil {
		return nil, err
	}
	if l.manifest.Linear == nil {
		return newModel(l.manifest, nil, l.encoder), nil
	}
	part, err := newLinear(l.manifest, l.tensors)
	if err != nil {
		return nil, err
	}
	return newModel(l.manifest, part, l.encoder), nil
}
