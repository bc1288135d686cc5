package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"
)

// mixBundle writes a bundle of an invented linear model and an invented encoder, and one of
// each alone.
func mixBundle(t testing.TB) (linear, encoder, both string) {
	t.Helper()
	base := t.TempDir()
	write := func(name string, m weights.Manifest, tensors []weights.Values) string {
		m.Name = name
		dir := filepath.Join(base, name)
		if err := bundle.Write(dir, m, tensors); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	l, ofLinear := invented.Linear(weights.MultiLabel, letters, 5)
	e, ofEncoder := invented.Model(invented.Tiny(), weights.MultiLabel, letters, 7)
	m, tensors := invented.Mix(l, ofLinear, e, ofEncoder)
	return write("linear", l, ofLinear), write("encoder", e, ofEncoder), write("mix", m, tensors)
}

// TestMixInThePage: on every kind of device the page adds up what the members say, marks
// what led there, and says on the card what the model is.
func TestMixInThePage(t *testing.T) {
	linear, encoder, both := mixBundle(t)
	members, native := []*classify.Model{nativeModel(t, os.DirFS(linear)), nativeEncoder(t, encoder)}, nativeEncoder(t, both)
	s := encoderServer(t, both)
	for _, device := range []string{"reference", "simd-plain", "simd-relaxed"} {
		t.Run(device, func(t *testing.T) {
			tab := openTab(t, s.url()+"?device="+device)
			tab.ready()
			if d, _ := tab.serving(); d != device {
				t.Errorf("the page computes on %s", d)
			}
			for i, note := range encoderNotes() {
				want, err := native.Classify(note, asThePage)
				if err != nil {
					t.Fatal(err)
				}
				got := tab.answer(note)
				tab.alike(fmt.Sprintf("note %d", i), got, want)
				if got.Terms != want.Terms {
					t.Errorf("note %d: %d terms, want %d", i, got.Terms, want.Terms)
				}
				sum := make([]float64, len(letters))
				for _, m := range members {
					r, err := m.Classify(note, asThePage)
					if err != nil {
						t.Fatal(err)
					}
					for l, z := range byIndex(r) {
						sum[l] += z
					}
				}
				for l, z := range byIndex(got) {
					if math.Abs(z-sum[l]) > 1e-3 {
						t.Errorf("note %d: logit %d is %g, the members' sum %g", i, l, z, sum[l])
					}
				}
			}
			tab.answer("Mild chest pain and fever. No cough.")
			tab.frame.wait(element + `.dataset.evidence === 'shown' && ` + shadow + `.querySelector('#reading mark') !== null`)
			var why, card string
			tab.frame.must(shadow+`.querySelector('#why').textContent`, &why)
			if !strings.Contains(why, " that led to ") {
				t.Errorf("the evidence is called %q", why)
			}
			tab.write("chest pain")
			tab.evidence()
			var sum string
			tab.frame.must(shadow+`.querySelector('#features .sum').textContent`, &sum)
			if !strings.Contains(sum, "the network gives less") || !strings.Contains(sum, "what it adds") {
				t.Errorf("the figures are said to be %q", sum)
			}
			tab.write("knee")
			tab.frame.wait(shadow + `.querySelector('[role=status].hidden').textContent.endsWith('The words that matter are marked.')`)
			tab.frame.must(shadow+`.querySelector('#card-open').click()`, nil)
			tab.frame.must(settle, nil)
			tab.frame.must(shadow+`.querySelector('dialog#card').textContent.replace(/\s+/g, ' ')`, &card)
			if !strings.Contains(card, "with weights of 60% and 40%") || !strings.Contains(card, "A BERT encoder of 2 layers") {
				t.Errorf("the card says %q", card)
			}
			tab.outer.quiet()
			tab.frame.quiet()
		})
	}
}

// TestMixOnAGPU: the copy that a GPU gets has its linear head too.
func TestMixOnAGPU(t *testing.T) {
	_, _, both := mixBundle(t)
	want, s := nativeAnswers(t, both, encoderNotes()), encoderServer(t, both)
	tab := openOnGPU(t, s.url()+"?device=webgpu")
	tab.readyOnGPU()
	for note, result := range want {
		got := tab.slowly(note)
		tab.alike(brief(note), got, result)
		if got.Terms != result.Terms {
			t.Errorf("%s: %d terms, want %d", brief(note), got.Terms, result.Terms)
		}
	}
	tab.outer.quiet()
	tab.frame.quiet()
}
