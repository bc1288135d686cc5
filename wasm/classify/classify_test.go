package classify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bedside/wasm/classify"
	"bedside/weights"
)

func TestMultiClassProbabilitiesSumToOne(t *testing.T) {
	for _, labels := range []int{1, 2, 7, 40} {
		p := random(weights.MultiClass, labels, words, chars)
		m := p.model(t)
		for _, note := range append(notes, "nothing known here: zzzz") {
			logits, probabilities, _ := m.Score(note)
			sum, largest := 0.0, slices.Max(logits)
			for l, q := range probabilities {
				sum += q
				if q < 0 || q > 1 {
					t.Errorf("probability %g", q)
				}
				// against the definition of softmax at the calibrated temperature
				if want := math.Exp(1.25*(logits[l]-largest)) * slices.Max(probabilities); math.Abs(q-want) > 1e-12 {
					t.Errorf("label %d: probability %g, want %g", l, q, want)
				}
			}
			if math.Abs(sum-1) > 1e-12 {
				t.Errorf("%d labels: the probabilities of %.20q sum to %.15g", labels, note, sum)
			}
		}
	}
}

func TestMultiLabelProbabilitiesArePlatts(t *testing.T) {
	p := random(weights.MultiLabel, 9, words, chars)
	for ceiling, limit := range map[float64]float64{0: 1, 1: 1, .75: .75} {
		p.manifest.Calibration.Ceiling = ceiling
		m := p.model(t)
		for _, note := range notes {
			logits, probabilities, _ := m.Score(note)
			for l, q := range probabilities {
				c := p.manifest.Calibration
				if want := limit / (1 + math.Exp(-(c.Slope[l]*logits[l] + c.Intercept[l]))); math.Abs(q-want) > 1e-14 {
					t.Errorf("ceiling %g, label %d: probability %g, want %g", ceiling, l, q, want)
				}
			}
		}
	}
}

func TestLabelsAreRanked(t *testing.T) {
	for _, kind := range []string{weights.MultiClass, weights.MultiLabel} {
		p := random(kind, 12, words, chars)
		m := p.model(t)
		for _, note := range notes {
			r := answer(t, m, note, classify.Options{})
			seen := map[int]bool{}
			for i, label := range r.Labels {
				if i > 0 && r.Labels[i-1].Probability < label.Probability {
					t.Errorf("%s: label %d is more probable than the one before", kind, i)
				}
				if seen[label.Index] || label.Name != p.manifest.Task.Labels[label.Index] || label.Threshold != .5 {
					t.Errorf("%s: label %+v stands at %d", kind, label, i)
				}
				seen[label.Index] = true
			}
			if len(seen) != 12 || r.Model != "random" || r.Task != kind || r.Explanations != nil {
				t.Errorf("%s: %d labels, %+v", kind, len(seen), r)
			}
		}
	}
}

func TestTiesKeepTheirOrder(t *testing.T) {
	p := random(weights.MultiLabel, 40, words)
	for i := range p.weight {
		p.weight[i] = 100
	}
	terms := p.features[1]
	p.features[1] = weights.Float32s(terms.Name, slices.Repeat([]float32{1}, terms.Shape[0]), terms.Shape[0])
	c := &p.manifest.Calibration
	for l := range p.scale {
		p.scale[l], p.bias[l], c.Slope[l], c.Intercept[l] = .01, 0, 1, 0
	}
	p.bias[4] = 3
	const note = "chest pain, shortness, breath, trimmed, meniscus, tear, mild, fever"
	r := answer(t, p.model(t), note, classify.Options{Explain: 1})
	var order []int
	for _, label := range r.Labels {
		order = append(order, label.Index)
	}
	slices.Sort(order[1:])
	for i, label := range r.Labels {
		if label.Index != order[i] || label.Index != 4 && i == 0 {
			t.Errorf("label %d stands at %d; equal labels stand in the manifest's order, after the best", label.Index, i)
		}
	}
	last := -1
	for _, f := range r.Explanations[0].Features {
		if f.Spans[0][0] < last {
			t.Errorf("equal features stand in another order than the note's: %d after %d", f.Spans[0][0], last)
		}
		last = f.Spans[0][0]
	}
}

func TestThresholds(t *testing.T) {
	p := random(weights.MultiLabel, 3, words)
	clear(p.scale)
	p.manifest.Calibration = weights.Calibration{Kind: weights.Platt, Slope: []float64{1, 1, 1}, Intercept: []float64{0, 0, 0}}
	p.bias = []float32{0, 2, -2} // probabilities 0.5, 0.88, 0.12
	for _, c := range []struct {
		thresholds []float64
		note       string
		clear      []bool // by label index
		reason     string
	}{
		{[]float64{.5, .5, .5}, "chest pain", []bool{true, true, false}, ""}, // a probability equal to its threshold clears it
		{[]float64{.51, .9, .5}, "chest pain", []bool{false, false, false}, classify.BelowThresholds},
		{[]float64{.6, .9, .1}, "chest pain", []bool{false, false, true}, ""}, // the least probable alone
		{[]float64{1e6, 1e6, 1e6}, "chest pain", []bool{false, false, false}, classify.BelowThresholds},
		{[]float64{-1, -1, -1}, "chest pain", []bool{true, true, true}, ""},
		{[]float64{0, 0, 0}, "zzzz qqqq", []bool{false, false, false}, classify.NoKnownTerms},
		{[]float64{0, 0, 0}, "\x00", []bool{false, false, false}, classify.NoKnownTerms},
		{[]float64{0, 0, 0}, "the of and", []bool{false, false, false}, classify.NoKnownTerms},
	} {
		p.manifest.Thresholds = c.thresholds
		r := answer(t, p.model(t), c.note, classify.Options{Explain: 3})
		sure := false
		for _, label := range r.Labels {
			if label.Clears != c.clear[label.Index] {
				t.Errorf("%v, %q: label %d clears: %v", c.thresholds, c.note, label.Index, label.Clears)
			}
			sure = sure || label.Clears
		}
		if r.Sure != sure || r.Reason != c.reason || (r.Terms == 0) != (c.reason == classify.NoKnownTerms) {
			t.Errorf("%v, %q: sure %v, reason %q, %d terms", c.thresholds, c.note, r.Sure, r.Reason, r.Terms)
		}
		for _, e := range r.Explanations {
			if r.Terms == 0 && (len(e.Features) > 0 || e.Logit != e.Bias || e.Rest != 0) {
				t.Errorf("%q: without known terms the explanation is %+v", c.note, e)
			}
		}
	}
}

func TestClassifyRefuses(t *testing.T) {
	m := random(weights.MultiLabel, 3, words).model(t)
	for _, c := range []struct {
		name    string
		note    string
		options classify.Options
		want    error
	}{
		{"empty", "", classify.Options{}, classify.ErrEmptyNote},
		{"blank", " \t\r\n\v\f\x1c\u0085\u00a0\u2003\u2028\u3000", classify.Options{}, classify.ErrEmptyNote},
		{"too large", strings.Repeat("x", classify.MaxNoteBytes+1), classify.Options{}, classify.ErrNoteTooLarge},
		{"large and blank", strings.Repeat(" ", classify.MaxNoteBytes), classify.Options{}, classify.ErrEmptyNote},
		{"unknown offsets", "pain", classify.Options{Offsets: "utf32"}, classify.ErrOptions},
		{"hostile offsets", "pain", classify.Options{Offsets: strings.Repeat("x", 1<<20)}, classify.ErrOptions},
		{"negative explain", "pain", classify.Options{Explain: -1}, classify.ErrOptions},
		{"too many features", "pain", classify.Options{Features: classify.MaxFeatures + 1}, classify.ErrOptions},
		{"negative features", "pain", classify.Options{Features: math.MinInt}, classify.ErrOptions},
	} {
		r, err := m.Classify(c.note, c.options)
		if r != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
		if err != nil && (len(err.Error()) > 200 || strings.Contains(err.Error(), "pain")) {
			t.Errorf("%s: the error %q is long, or quotes the note", c.name, err)
		}
	}
	for _, note := range []string{"x", "\x00", "\xff", "\u200b", "😀"} {
		answer(t, m, note, classify.Options{Explain: math.MaxInt, Features: classify.MaxFeatures, Offsets: "utf16"})
	}
}

func TestLargestNote(t *testing.T) {
	if testing.Short() {
		t.Skip("16 MiB takes a second")
	}
	m := random(weights.MultiLabel, 3, words, chars).model(t)
	note := strings.Repeat("chest pain, fièvre. ", classify.MaxNoteBytes/21)
	r := answer(t, m, note, classify.Options{Explain: 1, Offsets: "utf16"})
	for _, f := range r.Explanations[0].Features {
		if len(f.Spans) > 16 {
			t.Errorf("%d spans", len(f.Spans))
		}
	}
}

func TestInt8IsCloseToFloat(t *testing.T) {
	source := rand.New(rand.NewPCG(11, 12))
	p := random(weights.MultiClass, 8, words, chars)
	labels := len(p.scale)
	exact := make([]float32, len(p.weight))
	largest := make([]float32, labels)
	for i := range exact {
		exact[i] = float32(source.NormFloat64())
		largest[i%labels] = max(largest[i%labels], float32(math.Abs(float64(exact[i]))))
	}
	for l := range p.scale {
		p.scale[l] = largest[l] / 127
	}
	for i, w := range exact {
		p.weight[i] = int8(math.Round(float64(w / p.scale[i%labels])))
	}
	quantized := p.model(t)
	p.float = exact
	for l := range p.scale {
		p.scale[l] = 1
	}
	float := p.model(t)
	for _, note := range notes {
		got, _, _ := quantized.Score(note)
		want, _, _ := float.Score(note)
		r := answer(t, quantized, note, classify.Options{})
		for l := range got {
			// A weight is off by half a step; two l2-normalized blocks of n terms weigh at most sqrt(n) each.
			bound := float64(largest[l]) / 127 / 2 * 2 * math.Sqrt(float64(r.Terms))
			if d := math.Abs(got[l] - want[l]); d > bound {
				t.Errorf("label %d: int8 %g, float %g, apart by %g of at most %g", l, got[l], want[l], d, bound)
			}
		}
		if a, b := answer(t, quantized, note, classify.Options{}), answer(t, float, note, classify.Options{}); a.Labels[0].Index != b.Labels[0].Index {
			t.Errorf("%.20q: the first labels differ", note)
		}
	}
	explained := answer(t, float, notes[0], classify.Options{Explain: 8, Features: 3})
	for _, e := range explained.Explanations {
		adds(t, notes[0], e)
	}
}

func TestAnswersAreRepeatable(t *testing.T) {
	m := random(weights.MultiLabel, 5, words, chars).model(t)
	o := classify.Options{Explain: 2, Offsets: "utf16"}
	first := map[string]string{}
	for round := range 3 {
		for _, note := range notes {
			data, err := json.Marshal(answer(t, m, note, o))
			if err != nil {
				t.Fatal(err)
			}
			if round == 0 {
				first[note] = string(data)
			} else if first[note] != string(data) {
				t.Errorf("%.20q: the answer of round %d differs", note, round)
			}
		}
	}
}

// TestResultJSON pins the names and the forms that the page reads.
func TestResultJSON(t *testing.T) {
	r := classify.Result{
		Model: "m", Task: weights.MultiLabel, Sure: true, Terms: 2,
		Labels: []classify.Label{{Index: 1, Name: "B", Logit: .5, Probability: .625, Threshold: .5, Clears: true}},
		Explanations: []classify.Explanation{{Index: 1, Name: "B", Logit: .5, Bias: .25, Rest: .125, Features: []classify.Feature{
			{Contribution: .125, Analyzer: weights.Word, Count: 2, Spans: [][2]int{{0, 5}, {7, 12}}},
		}}},
	}
	const want = `{"model":"m","task":"multi-label","sure":true,"terms":2,` +
		`"labels":[{"index":1,"name":"B","logit":0.5,"probability":0.625,"threshold":0.5,"clears":true}],` +
		`"explanations":[{"index":1,"name":"B","logit":0.5,"bias":0.25,"rest":0.125,` +
		`"features":[{"contribution":0.125,"analyzer":"word","count":2,"spans":[[0,5],[7,12]]}]}]}`
	data, err := json.Marshal(r)
	if err != nil || string(data) != want {
		t.Errorf("%v\n got %s\nwant %s", err, data, want)
	}
	var back classify.Result
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%v: read back it is %+v", err, back)
	}
	m := random(weights.MultiLabel, 2, words).model(t)
	unsure, err := json.Marshal(answer(t, m, "zzzz", classify.Options{Explain: 1}))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"reason":"no-known-terms"`, `"features":[]`} {
		if !strings.Contains(string(unsure), part) {
			t.Errorf("no %s in %s", part, unsure)
		}
	}
}

// ExampleModel_Classify explains a note with a model of two labels that knows one word.
func ExampleModel_Classify() {
	manifest := &weights.Manifest{
		Name: "fever", Task: weights.Task{Kind: weights.MultiLabel, Labels: []string{"Cool", "Fever"}},
		Text:        weights.Text{Lowercase: true, StripAccents: "unicode"},
		TFIDF:       &weights.TFIDF{Blocks: []weights.Block{{Analyzer: weights.Word, MinN: 1, MaxN: 1, Terms: 1}}},
		Linear:      &weights.Linear{},
		Calibration: weights.Calibration{Kind: weights.Platt, Slope: []float64{1, 1}, Intercept: []float64{0, 0}},
		Thresholds:  []float64{.5, .5},
	}
	const fievre = 0x92398298b16a32ef // the key of "fievre"
	stream, err := manifest.Layout([]weights.Values{
		weights.Uint64s(weights.KeysTensor(0), []uint64{fievre}),
		weights.Float32s(weights.IDFTensor(0), []float32{1}, 1),
		weights.Int8s(weights.LinearWeight, []int8{-127, 127}, 1, 2),
		weights.Float32s(weights.LinearScale, []float32{.03125, .03125}, 2),
		weights.Float32s(weights.LinearBias, []float32{1, -1}, 2),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	manifest.Shards = []weights.Shard{{Size: int64(len(stream))}} // bundle.Open does this, and the copying
	tensors := manifest.Allocate()
	for _, s := range manifest.Plan() {
		copy(tensors.At(s), stream[s.ShardOffset:])
	}
	model, err := classify.New(manifest, tensors)
	if err != nil {
		fmt.Println(err)
		return
	}

	note := "Forte FIÈVRE depuis hier."
	r, err := model.Classify(note, classify.Options{Explain: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	best, why := r.Labels[0], r.Explanations[0].Features[0]
	fmt.Printf("%s %.2f, sure: %v\n", best.Name, best.Probability, r.Sure)
	fmt.Printf("%q adds %+.2f\n", note[why.Spans[0][0]:why.Spans[0][1]], why.Contribution)
	// Output:
	// Fever 0.95, sure: true
	// "FIÈVRE" adds +3.97
}
