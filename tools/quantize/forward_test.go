package quantize

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"bedside/tools/checkpoint"
	"bedside/weights"
)

const goldens = "../../wasm/encoder/testdata"

// golden is what torch makes of a checkpoint.
type golden struct {
	Pool   string
	Pooler bool
	Cases  []struct {
		Text   string
		IDs    []int32
		Pooled []float32
		Logits []float32
		Exact  []float64
	}
}

func readGolden(t testing.TB, dir string) (g golden) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func openGolden(t testing.TB, name string) (*checkpoint.Model, golden) {
	t.Helper()
	dir := filepath.Join(goldens, name)
	g := readGolden(t, dir)
	m, err := checkpoint.Open(dir, checkpoint.Options{Pool: g.Pool, NoPooler: !g.Pooler})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, g
}

func names(t testing.TB) []string {
	entries, err := filepath.Glob(filepath.Join(goldens, "*", "golden.json"))
	if err != nil || len(entries) == 0 {
		t.Fatal("no goldens", err)
	}
	for i, e := range entries {
		entries[i] = filepath.Base(filepath.Dir(e))
	}
	return entries
}

// TestForward holds the float32 run against torch, for every file format, shape,
// activation and way of pooling.
func TestForward(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			m, g := openGolden(t, name)
			o := Options{Weights: weights.Float32}
			for _, c := range g.Cases {
				o.Probes = append(o.Probes, c.IDs)
			}
			r, err := Convert(t.Context(), m, o)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range g.Cases {
				if d := furthest(r.Answers[i].Pooled, c.Pooled); !(d < 1e-5) {
					t.Errorf("text %d: pooled vector is %g from torch's", i, d)
				}
				for l, x := range c.Exact {
					if d := math.Abs(float64(r.Answers[i].Logits[l]) - x); !(d < 2e-5) {
						t.Errorf("text %d, logit %d: %g from torch's in float64", i, l, d)
					}
				}
			}
		})
	}
}

func furthest(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.NaN()
	}
	most := 0.0
	for i, x := range a {
		most = max(most, math.Abs(float64(x)-float64(b[i])))
	}
	return most
}
