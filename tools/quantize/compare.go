package quantize

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bedside/kernels"
	"bedside/wasm/encoder"
	"bedside/wasm/tokenizer"
	"bedside/weights"
)

// Comparison holds a converted model against its checkpoint, over several texts.
type Comparison struct {
	Texts   int     `json:"texts"`
	Logit   float64 `json:"logit_difference"` // the largest
	Spread  float64 `json:"logit_spread"`     // from a text's smallest logit to its largest, on average
	Cosine  float64 `json:"cosine"`           // of the pooled vectors, the smallest
	SameTop int     `json:"same_top_label"`   // texts

	// ChangedMargin is the largest lead of the checkpoint's top label over its second where the
	// top label changed.
	ChangedMargin float64 `json:"changed_margin"`
}

// Run answers sequences of tokens, [CLS] and [SEP] included and none longer than the window,
// with a converted model on a device, which serves it alone.
func Run(ctx context.Context, m weights.Manifest, tensors []weights.Values, device kernels.Device, sequences [][]int32) ([]Answer, error) {
	_, ordered, err := m.Arrange(tensors)
	if err != nil {
		return nil, err
	}
	e, err := encoder.New(&m, device)
	if err != nil {
		return nil, err
	}
	var vocabulary []byte
	for i, v := range ordered {
		to, ok := e.Destination(i)
		if !ok {
			vocabulary = v.Data
			continue
		}
		if err := device.Write(to, v.Data); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", v.Name, err)
		}
	}
	if err := e.Ready(vocabulary); err != nil {
		return nil, err
	}
	return answer(ctx, e, sequences)
}

func answer(ctx context.Context, e *encoder.Encoder, sequences [][]int32) ([]Answer, error) {
	var notes [][]tokenizer.Token
	for _, s := range sequences {
		var note []tokenizer.Token
		for _, id := range s[1 : len(s)-1] { // the encoder sets [CLS] and [SEP] itself
			note = append(note, tokenizer.Token{ID: id})
		}
		notes = append(notes, note)
	}
	job, err := e.BeginTokens(notes...)
	for done := false; err == nil && !done; {
		if err = ctx.Err(); err == nil {
			done, err = job.Step()
		}
	}
	if err != nil {
		return nil, err
	}
	var answers []Answer
	for _, r := range job.Results() {
		a := Answer{Pooled: r.Pooled}
		for _, z := range r.Logits {
			a.Logits = append(a.Logits, float32(z))
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// Compare holds answers against those of the checkpoint.
func Compare(want, got []Answer) Comparison {
	c := Comparison{Texts: len(want), Cosine: 1}
	for i, w := range want {
		g := got[i]
		for l, z := range w.Logits {
			c.Logit = max(c.Logit, math.Abs(float64(z)-float64(g.Logits[l])))
		}
		c.Cosine = min(c.Cosine, cosine(w.Pooled, g.Pooled))
		c.Spread += float64(slices.Max(w.Logits)-slices.Min(w.Logits)) / float64(len(want))
		if slices.Index(w.Logits, slices.Max(w.Logits)) == slices.Index(g.Logits, slices.Max(g.Logits)) {
			c.SameTop++
		} else {
			c.ChangedMargin = max(c.ChangedMargin, margin(w.Logits))
		}
	}
	return c
}

func margin(logits []float32) float64 {
	sorted := slices.Sorted(slices.Values(logits))
	if len(sorted) < 2 {
		return 0
	}
	return float64(sorted[len(sorted)-1] - sorted[len(sorted)-2])
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i, x := range a {
		ab += float64(x) * float64(b[i])
		aa += float64(x) * float64(x)
		bb += float64(b[i]) * float64(b[i])
	}
	if aa == 0 || bb == 0 {
		return 1
	}
	return ab / math.Sqrt(aa*bb)
}
