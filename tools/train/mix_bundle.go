package train

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/weights"
)

// Member is a bundle that becomes part of a mixture.
type Member struct {
	Manifest weights.Manifest
	Tensors  []weights.Values
}

// Bundle makes one model of the members, whose logits are to add up: scales, biases and the
// encoder's head take in calibration and share, all else stays as it is. The labels are in the
// order of the linear model. Slopes and shares are above 0, so that combining an encoder's
// windows by their highest logits gives the same window as before. The card and the names are the caller's to fill in.
func (m *Mixture) Bundle(linear, encoder Member) (weights.Manifest, []weights.Values, error) {
	labels := linear.Manifest.Task.Labels
	out := weights.Manifest{
		Task: linear.Manifest.Task, Text: linear.Manifest.Text,
		TFIDF: linear.Manifest.TFIDF, Lexicon: linear.Manifest.Lexicon, Linear: linear.Manifest.Linear,
		Encoder: encoder.Manifest.Encoder, Mix: &weights.Mix{Encoder: m.Share},
		Calibration: m.Calibration, Thresholds: m.Thresholds,
	}
	tensors, err := m.linearPart(linear.Tensors, len(labels))
	if err != nil {
		return out, nil, err
	}
	position := make([]int, len(labels))
	for l, name := range labels {
		if position[l] = slices.Index(encoder.Manifest.Task.Labels, name); position[l] < 0 {
			return out, nil, fmt.Errorf("the encoder does not have label %q", name)
		}
	}
	head, err := m.encoderPart(encoder.Tensors, encoder.Manifest.Encoder.Hidden, position)
	return out, append(tensors, head...), err
}

// linearPart gives the linear model's tensors their share. With weights in float32 every
// scale stays 1.
func (m *Mixture) linearPart(tensors []weights.Values, labels int) ([]weights.Values, error) {
	out := slices.Clone(tensors)
	wide := slices.ContainsFunc(tensors, func(v weights.Values) bool { return v.Name == weights.LinearWeight && v.DType == weights.F32 })
	for i, v := range tensors {
		scaled := v.Name == weights.LinearScale && !wide || v.Name == weights.LinearWeight && wide
		if !scaled && v.Name != weights.LinearBias {
			continue
		}
		values, err := numbers(v)
		if err != nil {
			return nil, err
		}
		for at := range values {
			slope, intercept := affine(m.Linear, at%labels)
			if scaled {
				intercept = 0
			}
			values[at] = float32((1 - m.Share) * (slope*float64(values[at]) + intercept))
		}
		out[i] = weights.Float32s(v.Name, values, v.Shape...)
	}
	return out, nil
}

// encoderPart gives the encoder's tensors, with a head of the labels that stand at these
// positions in its own, in float32.
func (m *Mixture) encoderPart(tensors []weights.Values, hidden int, position []int) ([]weights.Values, error) {
	var out []weights.Values
	var weight, bias []float32
	var err error
	for _, v := range tensors {
		switch v.Name {
		case weights.Head + weights.Weight:
			weight, err = numbers(v)
		case weights.Head + weights.Bias:
			bias, err = numbers(v)
		default:
			out = append(out, v)
		}
		if err != nil {
			return nil, err
		}
	}
	const width = kernels.PanelWidth
	own, ownBias := make([]float32, 0, hidden*len(position)), make([]float32, 0, len(position))
	for l, at := range position {
		slope, intercept := affine(m.Encoder, l)
		for k := range hidden {
			own = append(own, float32(m.Share*slope*float64(weight[(at/width*hidden+k)*width+at%width])))
		}
		ownBias = append(ownBias, float32(m.Share*(slope*float64(bias[at])+intercept)))
	}
	return append(out, packedHead(own, ownBias, hidden)...), nil
}

// numbers are those of a tensor in half or single precision.
func numbers(v weights.Values) ([]float32, error) {
	switch v.DType {
	case weights.F32:
		out := make([]float32, len(v.Data)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.Data[4*i:]))
		}
		return out, nil
	case weights.F16:
		out := make([]float32, len(v.Data)/2)
		for i := range out {
			out[i] = reference.Half(binary.LittleEndian.Uint16(v.Data[2*i:]))
		}
		return out, nil
	}
	return nil, fmt.Errorf("tensor %q is %s, want F16 or F32", v.Name, v.DType)
}
