package evaluate

import (
	"cmp"
	"context"
	"slices"

	"bedside/wasm/classify"
	"bedside/weights"
)

// Scored makes an engine of a model's logits, nil for a note of which it knows nothing.
func Scored(m *weights.Manifest, logits func(ctx context.Context, note string) ([]float64, error)) Engine {
	return func(ctx context.Context, note string) (*classify.Result, error) {
		z, err := logits(ctx, note)
		if err != nil {
			return nil, err
		}
		known := z != nil
		if !known {
			z = make([]float64, len(m.Task.Labels))
		}
		p := make([]float64, len(z))
		classify.Calibrate(m.Calibration, z, p)
		r := &classify.Result{Model: m.Name, Task: m.Task.Kind, Labels: make([]classify.Label, len(z))}
		for l, name := range m.Task.Labels {
			clears := known && p[l] >= m.Thresholds[l]
			r.Labels[l] = classify.Label{Index: l, Name: name, Logit: z[l], Probability: p[l], Threshold: m.Thresholds[l], Clears: clears}
			r.Sure = r.Sure || clears
		}
		slices.SortStableFunc(r.Labels, func(a, b classify.Label) int { return cmp.Compare(b.Probability, a.Probability) })
		return r, nil
	}
}
