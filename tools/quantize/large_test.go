package quantize

import (
	"math"
	"os"
	"testing"
	"time"

	"bedside/kernels/simd/headless"
	"bedside/tools/checkpoint"
	"bedside/weights"
)

// TestLarge measures checkpoints of full size, which tools/encoder/bert_goldens.py --large
// writes:
//
//	BEDSIDE_CHECKPOINT=DIR/bert-base go test ./tools/quantize -run TestLarge -v -timeout 30m
//
// The float32 run must agree with torch's float64, and int8 with the float32 run. (With
// --outliers the network amplifies any disturbance: 0.5 % of noise on the embeddings alone
// leaves a cosine of 0.9985 after six layers. What int8 does there says little.)
func TestLarge(t *testing.T) {
	dir := os.Getenv("BEDSIDE_CHECKPOINT")
	if dir == "" {
		t.Skip("BEDSIDE_CHECKPOINT names no checkpoint")
	}
	g := readGolden(t, dir)
	m, err := checkpoint.Open(dir, checkpoint.Options{Pool: g.Pool, NoPooler: !g.Pooler})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	o := Options{Weights: weights.Int8}
	calibration, probes := tokenized(t, m)
	o.Calibration = calibration
	for _, c := range g.Cases {
		o.Probes = append(o.Probes, c.IDs)
	}
	torch := len(o.Probes)
	o.Probes = append(o.Probes, probes...)
	begin := time.Now()
	r, err := Convert(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("converted in %.0f s", time.Since(begin).Seconds())
	for i, c := range g.Cases {
		for l, z := range c.Exact {
			if d := math.Abs(float64(r.Answers[i].Logits[l]) - z); !(d <= 1e-4) {
				t.Errorf("text %d, logit %d: %g from torch's", i, l, d)
			}
		}
	}
	device, err := headless.NewDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	begin = time.Now()
	got, err := Run(t.Context(), encoderOf(m, weights.Int8), r.Tensors, device, o.Probes)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("run on %s in %.0f s", device.Name(), time.Since(begin).Seconds())
	for _, f := range r.Fits {
		t.Logf("%-20s alpha %.1f, error %.4f, without smoothing %.4f", f.Name, f.Alpha, f.Error, f.Without)
	}
	for i := range got {
		t.Logf("text %d of %d tokens: cosine %.5f", i, len(o.Probes[i]), cosine(r.Answers[i].Pooled, got[i].Pooled))
	}
	t.Logf("texts of random words: %+v", Compare(r.Answers[:torch], got[:torch]))
	c := Compare(r.Answers[torch:], got[torch:])
	t.Logf("clinical notes: %+v", c)
	if c.Cosine < 0.996 {
		t.Errorf("cosine %.5f, want 0.996", c.Cosine)
	}
}
