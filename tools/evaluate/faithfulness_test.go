package evaluate

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bedside/kernels/reference"
	labelled "bedside/tools/train/invented"
	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"
)

// deciding asks a model in which "fever" decides for the first label.
func deciding(t *testing.T) Ask {
	t.Helper()
	m, tensors := invented.Deciding("fever", []string{"A", "B", "C"})
	return asking(t, m, tensors)
}

// asking asks a model, of the same note once.
func asking(t *testing.T, m weights.Manifest, tensors []weights.Values) Ask {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	loading, err := classify.Open(b.Manifest, reference.NewDevice())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Each(t.Context(), loading.Write); err != nil {
		t.Fatal(err)
	}
	model, err := loading.Ready()
	if err != nil {
		t.Fatal(err)
	}
	type asked struct {
		note string
		classify.Options
	}
	known := map[asked]*classify.Result{} // the notes are much alike
	return func(_ context.Context, note string, o classify.Options) (*classify.Result, error) {
		r := known[asked{note, o}]
		if r == nil {
			var err error
			if r, err = model.Classify(note, o); err != nil {
				return nil, err
			}
			known[asked{note, o}] = r
		}
		own := *r
		own.Explanations = slices.Clone(r.Explanations)
		for i, e := range own.Explanations {
			own.Explanations[i].Features = slices.Clone(e.Features)
		}
		return &own, nil
	}
}

// decidedNotes are notes in which one sentence of several decides, and some that are too short.
func decidedNotes() (notes []string) {
	for i := range 24 {
		sentences := slices.Repeat([]string{"Mild cough and chest pain."}, 4+i%5)
		sentences[i%len(sentences)] = "High fever of the child."
		notes = append(notes, strings.Join(sentences, " "))
	}
	return append(notes, "No fever. No cough.", "fever", "患者。胸痛。无。")
}

func faithfulness(t *testing.T, ask Ask, notes []string) Faithfulness {
	t.Helper()
	f, err := Faithful(t.Context(), ask, notes, Deletion{Draws: 5, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFaithfulExplanationsBeatChance(t *testing.T) {
	f := faithfulness(t, deciding(t), decidedNotes())
	if f.Notes != 24 || f.Short != 2 || f.Unknown != 1 {
		t.Errorf("%d notes, %d short, %d unknown", f.Notes, f.Short, f.Unknown)
	}
	if f.Smaller < .25 || f.Low < .2 || f.Low > f.Smaller || f.High < f.Smaller {
		t.Errorf("smaller by %.3f, from %.3f to %.3f", f.Smaller, f.Low, f.High)
	}
	if f.Least.Area <= f.Random.Area {
		t.Errorf("least supportive first: area %g, at random %g", f.Least.Area, f.Random.Area)
	}
	if n := len(f.Random.Points); n != 21 || math.Abs(f.Supportive.Points[0]-f.Random.Points[0]) > 1e-9 || math.Abs(f.Supportive.Points[20]-1./3) > 1e-6 {
		t.Errorf("%d points, supportive %v", n, f.Supportive.Points)
	}
}

// TestExplanationsAtRandomDoNot: what explains by lot is no better than chance, and what
// says the opposite is worse.
func TestExplanationsAtRandomDoNot(t *testing.T) {
	ask, r := deciding(t), rand.New(rand.NewPCG(3, 4))
	instead := func(change func([]classify.Feature)) Ask {
		return func(ctx context.Context, note string, o classify.Options) (*classify.Result, error) {
			result, err := ask(ctx, note, o)
			if err == nil && len(result.Explanations) > 0 {
				change(result.Explanations[0].Features)
			}
			return result, err
		}
	}
	notes := slices.Repeat(decidedNotes(), 6)
	if f := faithfulness(t, instead(func(features []classify.Feature) {
		for i, k := range r.Perm(len(features)) {
			features[i].Contribution = float64(k)
		}
	}), notes); math.Abs(f.Smaller) > .05 || f.Low > 0 || f.High < 0 {
		t.Errorf("at random: smaller by %.3f, from %.3f to %.3f", f.Smaller, f.Low, f.High)
	}
	if f := faithfulness(t, instead(func(features []classify.Feature) {
		for i := range features {
			features[i].Contribution *= -1
		}
	}), notes); f.High > -.1 {
		t.Errorf("the opposite: smaller by %.3f, up to %.3f", f.Smaller, f.High)
	}
}

// TestFaithfulnessOfALinearModel, which names no sentences itself.
func TestFaithfulnessOfALinearModel(t *testing.T) {
	engine, _ := trainedNative(t, false)
	var notes []string
	for _, n := range labelled.Notes(40, 9) {
		notes = append(notes, n.Text)
	}
	f := faithfulness(t, func(ctx context.Context, note string, _ classify.Options) (*classify.Result, error) {
		return engine(ctx, note)
	}, notes)
	if f.Notes < 30 || f.Notes+f.Short != 40 || f.Smaller < .1 || f.Low < 0 || f.Least.Area < f.Random.Area {
		t.Errorf("%+v", f)
	}
}

// TestFaithfulnessOfAMix, whose sentences speak for its encoder alone, where its n-grams decide.
func TestFaithfulnessOfAMix(t *testing.T) {
	linear, ofLinear := invented.Linear(weights.MultiClass, []string{"A", "B", "C"}, 1)
	for i, v := range ofLinear {
		if v.Name == weights.LinearScale {
			ofLinear[i] = weights.Float32s(v.Name, []float32{.4, .4, .4}, v.Shape...)
		}
	}
	encoder, ofEncoder := invented.Deciding("fever", []string{"A", "B", "C"})
	for i, v := range ofEncoder {
		if v.Name == weights.Head+weights.Weight {
			ofEncoder[i].Data = make([]byte, len(v.Data))
		}
	}
	m, tensors := invented.Mix(linear, ofLinear, encoder, ofEncoder)
	r := rand.New(rand.NewPCG(5, 6))
	sentences := []string{"Mild cough at night.", "Left knee pain.", "The child is well.", "No chest pain.", "High blood pressure.", "Normal heart rate."}
	var notes []string
	for range 24 {
		r.Shuffle(len(sentences), func(i, j int) { sentences[i], sentences[j] = sentences[j], sentences[i] })
		notes = append(notes, strings.Join(sentences[:5], " "))
	}
	if f := faithfulness(t, asking(t, m, tensors), notes); f.Low < .02 {
		t.Errorf("smaller by %.3f, from %.3f to %.3f", f.Smaller, f.Low, f.High)
	}
}

func TestFaithfulnessNeedsNotes(t *testing.T) {
	ask := deciding(t)
	for _, notes := range [][]string{nil, {"fever"}, {"No fever. Cough."}, {"患者"}} {
		if f, err := Faithful(t.Context(), ask, notes, Deletion{Draws: 1}); err == nil {
			t.Errorf("%q: %+v", notes, f)
		}
	}
	if _, err := Faithful(t.Context(), ask, []string{" "}, Deletion{Draws: 1}); err == nil {
		t.Error("a blank note is measured")
	}
}
