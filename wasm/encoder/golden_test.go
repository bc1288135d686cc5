package encoder

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bedside/kernels/simd/headless"
	"bedside/weights"
)

// The directories whose weights this package's tests can read: the others are pickles.
var safetensors = []string{"whole", "sharded", "half", "mean", "first"}

func TestAgreesWithTorch(t *testing.T) {
	for _, name := range safetensors {
		t.Run(name, func(t *testing.T) {
			c, g := open(t, name)
			e := loadAs(t, c, weights.Float32)
			worst := 0.0
			for i, want := range g.Cases {
				j, err := e.Begin(want.Text)
				if err != nil {
					t.Fatal(err)
				}
				for k, token := range j.Tokens(0) {
					if token.ID != want.IDs[k+1] {
						t.Fatalf("case %d: token %d is %d, want %d", i, k, token.ID, want.IDs[k+1])
					}
				}
				r := finish(t, j, nil)[0]
				if r.Windows != 1 || r.Tokens != len(want.IDs)-2 {
					t.Errorf("case %d: %d windows, %d tokens of %d", i, r.Windows, r.Tokens, len(want.IDs)-2)
				}
				for l, x := range r.Logits {
					worst = max(worst, math.Abs(x-want.Exact[l]))
					if math.Abs(x-float64(want.Logits[l])) > 1e-5 || math.Abs(x-want.Exact[l]) > 2e-6 {
						t.Errorf("case %d: logit %d is %g, torch has %g, and %g in float64", i, l, x, want.Logits[l], want.Exact[l])
					}
				}
				for k, x := range r.Pooled {
					if math.Abs(float64(x-want.Pooled[k])) > 1e-5 {
						t.Errorf("case %d: pooled %d is %g, torch has %g", i, k, x, want.Pooled[k])
					}
				}
			}
			t.Logf("largest difference of logits to torch in float64: %.2g", worst)
		})
	}
}

// TestHalfWeightsAreWidened: weights that half precision can hold give the same bits as in float32.
func TestHalfWeightsAreWidened(t *testing.T) {
	c, g := open(t, "half")
	for name, x := range c.tensors {
		for i, h := range toHalves(x) {
			if h == 0 && x[i] != 0 { // a subnormal half, which toHalves does not make
				x[i] = 0
			}
		}
		c.tensors[name] = x
	}
	half, float := loadAs(t, c, weights.Float16), loadAs(t, c, weights.Float32)
	for i, want := range g.Cases {
		a, b := answer(t, half, want.Text), answer(t, float, want.Text)
		if !slices.Equal(a.Logits, b.Logits) || !slices.Equal(a.Pooled, b.Pooled) {
			t.Errorf("case %d: float16 %v, float32 %v", i, a.Logits, b.Logits)
		}
	}
}

// TestInt8StaysNear holds int8 weights, embeddings and activations to float32 by the
// cosine of pooled vectors. Networks this small and weights this wild blur more than
// real ones.
func TestInt8StaysNear(t *testing.T) {
	for _, name := range safetensors {
		c, g := open(t, name)
		int8s, floats := loadAs(t, c, weights.Int8), loadAs(t, c, weights.Float32)
		least := 1.0
		for _, want := range g.Cases {
			a, b := answer(t, int8s, want.Text), answer(t, floats, want.Text)
			least = min(least, cosine(a.Pooled, b.Pooled))
			if slices.Equal(a.Logits, b.Logits) {
				t.Errorf("%s: int8 answers the very logits of float32", name)
			}
		}
		t.Logf("%s: cosine at least %.4f", name, least)
		if least < 0.995 {
			t.Errorf("%s: a cosine of %.4f to float32", name, least)
		}
	}
}

// TestLargeModels holds models of real shapes to torch, on the reference and on SIMD kernels
// under wazero, and tells how near int8 without smoothing comes. It takes minutes:
//
//	tools/encoder/bert_goldens.py --large DIR
//	BEDSIDE_LARGE=DIR go test ./wasm/encoder -run Large -v
func TestLargeModels(t *testing.T) {
	root := os.Getenv("BEDSIDE_LARGE")
	if root == "" {
		t.Skip("BEDSIDE_LARGE names no directory")
	}
	for _, name := range []string{"minilm-l6", "bert-base"} {
		c, g := openDir(t, filepath.Join(root, name))
		floats, int8s := loadAs(t, c, weights.Float32), loadAs(t, c, weights.Int8)
		kernels, err := headless.NewDevice(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m, values := c.bundle(t, weights.Float32)
		simd := load(t, kernels, m, values)
		for _, want := range g.Cases {
			r, v, q := answer(t, floats, want.Text), answer(t, simd, want.Text), answer(t, int8s, want.Text)
			defined, quick := furthest(r.Logits, want.Exact), furthest(v.Logits, want.Exact)
			t.Logf("%s, %d tokens: logits within %.2g of torch in float64, on SIMD within %.2g; int8: cosine %.5f",
				name, len(want.IDs), defined, quick, cosine(q.Pooled, r.Pooled))
			if r.Tokens != len(want.IDs)-2 || max(defined, quick) > 1e-4 {
				t.Errorf("%s: %d tokens, logits differ by %g and %g", name, r.Tokens, defined, quick)
			}
		}
		if err := kernels.Close(); err != nil {
			t.Error(err)
		}
	}
}

// furthest is the largest difference of two elements.
func furthest(a, b []float64) float64 {
	worst := 0.0
	for i, x := range a {
		worst = max(worst, math.Abs(x-b[i]))
	}
	return worst
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i, x := range a {
		ab += float64(x) * float64(b[i])
		aa += float64(x) * float64(x)
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

// TestFirstRowsSuffice: leaving out rows that are not pooled changes no bit.
func TestFirstRowsSuffice(t *testing.T) {
	for _, name := range []string{"whole", "sharded", "first"} {
		for _, format := range []string{weights.Float32, weights.Int8} {
			c, g := open(t, name)
			e := loadAs(t, c, format)
			var all []Result
			for _, every := range []bool{false, true} {
				e.every = every
				for _, want := range g.Cases {
					all = append(all, answer(t, e, want.Text))
				}
			}
			for i := range g.Cases {
				a, b := all[i], all[len(g.Cases)+i]
				if !slices.Equal(a.Logits, b.Logits) || !slices.Equal(a.Pooled, b.Pooled) {
					t.Errorf("%s, %s, case %d: %v, with every row %v", name, format, i, a.Logits, b.Logits)
				}
			}
		}
	}
}
