package classify_test

import (
	"cmp"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"bedside/kernels/reference"
	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
)

// load loads a bundle that has not been written.
func load(t testing.TB, m weights.Manifest, tensors []weights.Values) *classify.Model {
	t.Helper()
	stream, err := m.Layout(tensors)
	if err != nil {
		t.Fatal(err)
	}
	m.Shards = []weights.Shard{{Size: int64(len(stream))}}
	loading, err := classify.Open(&m, reference.NewDevice())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Plan() {
		if err := loading.Write(s, stream[s.ShardOffset:s.ShardOffset+s.Length]); err != nil {
			t.Fatal(err)
		}
	}
	model, err := loading.Ready()
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// mixed is a linear model, an encoder, and the model of both.
func mixed(t testing.TB, kind string) (linear, encoder, both *classify.Model) {
	t.Helper()
	labels := []string{"A", "B", "C", "D"}
	l, ofLinear := invented.Linear(kind, labels, 5)
	e, ofEncoder := invented.Model(invented.Tiny(), kind, labels, 6)
	m, tensors := invented.Mix(l, ofLinear, e, ofEncoder)
	return load(t, l, ofLinear), load(t, e, ofEncoder), load(t, m, tensors)
}

var mixedNotes = append(notes, "chest pain", "Chest pain 😀, no fever. ", "xyz", strings.Repeat(longNote, 30), "患者 ☂", "\x00", "\x00 Chest")

func TestAMixAddsUpItsMembers(t *testing.T) {
	for _, kind := range []string{weights.MultiClass, weights.MultiLabel} {
		linear, encoder, both := mixed(t, kind)
		for _, note := range mixedNotes {
			l, e, b := answer(t, linear, note, classify.Options{}), answer(t, encoder, note, classify.Options{}), answer(t, both, note, classify.Options{Explain: 1})
			want := map[int]float64{}
			for i := range l.Labels {
				want[l.Labels[i].Index] += l.Labels[i].Logit
				if e.Tokens > 0 {
					want[e.Labels[i].Index] += e.Labels[i].Logit
				}
			}
			scored, probabilities, err := both.Score(note)
			if err != nil {
				t.Fatal(err)
			}
			for _, label := range b.Labels {
				if label.Logit != want[label.Index] || label.Logit != scored[label.Index] || label.Probability != probabilities[label.Index] {
					t.Errorf("%s, %.20q: %+v, want logit %g; scored %g", kind, note, label, want[label.Index], scored[label.Index])
				}
			}
			if b.Terms != l.Terms+e.Terms || b.Tokens != e.Tokens || b.Windows != e.Windows {
				t.Errorf("%s, %.20q: %d terms, %d tokens, %d windows; the members' %d and %d, %d, %d", kind, note, b.Terms, b.Tokens, b.Windows, l.Terms, e.Terms, e.Tokens, e.Windows)
			}
			if unknown := l.Terms+e.Terms == 0; unknown != (b.Reason == classify.NoKnownTerms) || unknown && b.Sure {
				t.Errorf("%s, %.20q: reason %q, sure %v", kind, note, b.Reason, b.Sure)
			}
			if b.Unexplained != "" || len(b.Explanations) != 1 {
				t.Errorf("%s, %.20q: %d explanations, unexplained %q", kind, note, len(b.Explanations), b.Unexplained)
			}
		}
	}
}

// TestAMixIsExplainedByBothMembers: it lists the n-grams that the linear model alone
// does and the sentences that the encoder alone does.
func TestAMixIsExplainedByBothMembers(t *testing.T) {
	linear, encoder, both := mixed(t, weights.MultiLabel)
	for _, note := range mixedNotes {
		for _, o := range []classify.Options{{Explain: 4}, {Explain: 4, Features: 1000}, {Explain: 4, Features: 2, Offsets: "utf16"}} {
			want, bias := map[string][]classify.Feature{}, map[string]float64{}
			for _, m := range []*classify.Model{linear, encoder} {
				for _, e := range answer(t, m, note, o).Explanations {
					want[e.Name] = append(want[e.Name], e.Features...)
					bias[e.Name] += e.Bias
				}
			}
			for i, e := range answer(t, both, note, o).Explanations {
				adds(t, note, e)
				features := want[e.Name]
				slices.SortStableFunc(features, func(a, b classify.Feature) int {
					return cmp.Compare(math.Abs(b.Contribution), math.Abs(a.Contribution))
				})
				if len(features)+len(e.Features) > 0 && !reflect.DeepEqual(e.Features, features) || e.Bias != bias[e.Name] {
					t.Errorf("%.20q, %+v, explanation %d: features or bias are not the members'", note, o, i)
				}
			}
		}
	}
}

// TestMixedJobsTakeTurns: what a job has of its linear head outlives another's note, and the
// note's own memory.
func TestMixedJobsTakeTurns(t *testing.T) {
	_, _, m := mixed(t, weights.MultiClass)
	o := classify.Options{Explain: 2, Offsets: "utf16"}
	texts := []string{strings.Repeat(longNote, 40) + "😀 chest", strings.Repeat("mild cough, ", 25)}
	var jobs []*classify.Job
	var want []*classify.Result
	for _, note := range texts {
		want = append(want, answer(t, m, note, o))
	}
	for _, note := range texts {
		lent := []byte(note)
		j, err := m.Begin(unsafe.String(unsafe.SliceData(lent), len(lent)), o)
		if err != nil {
			t.Fatal(err)
		}
		clear(lent)
		jobs = append(jobs, j)
	}
	for left := len(jobs); left > 0; {
		for _, j := range jobs {
			if j.Result() != nil {
				continue
			}
			done, err := j.Step()
			if err != nil {
				t.Fatal(err)
			}
			if done {
				left--
			}
		}
	}
	for i, j := range jobs {
		if !reflect.DeepEqual(j.Result(), want[i]) {
			t.Errorf("job %d in turn: %+v, alone: %+v", i, j.Result(), want[i])
		}
	}
}
