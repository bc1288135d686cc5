package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

type golden struct {
	Name          string
	MultiClass    bool `json:"multi_class"`
	Labels        int
	Probabilities [][]float64
	Truth         [][]int
	Asserted      [][]int
	Figures       map[string]float64
	Precision     []float64
	Recall        []float64
	F1            []float64
	Support       []int
}

func (g golden) answers() Answers {
	a := Answers{Truth: g.Truth, Asserted: g.Asserted, MultiClass: g.MultiClass}
	for l := range g.Labels {
		a.Labels = append(a.Labels, fmt.Sprint("label ", l))
	}
	for _, row := range g.Probabilities {
		a.Probabilities = append(a.Probabilities, row...)
	}
	return a
}

func TestFiguresAreScikitLearns(t *testing.T) {
	content, err := os.ReadFile("testdata/figures.json")
	if err != nil {
		t.Fatal(err)
	}
	var goldens []golden
	if err := json.Unmarshal(content, &goldens); err != nil {
		t.Fatal(err)
	}
	for _, g := range goldens {
		t.Run(g.Name, func(t *testing.T) {
			report, err := Measure(g.answers())
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range g.Figures {
				if got := figure(t, report, name); math.Abs(got-want) > 1e-12 {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
			for l, f := range report.PerLabel {
				if f.Support != g.Support[l] || math.Abs(f.Precision-g.Precision[l])+math.Abs(f.Recall-g.Recall[l])+math.Abs(f.F1-g.F1[l]) > 1e-12 {
					t.Errorf("label %d: %+v, want precision %v, recall %v, F1 %v, support %d", l, f, g.Precision[l], g.Recall[l], g.F1[l], g.Support[l])
				}
			}
		})
	}
}

// figure reads a figure by its JSON name, which other programs rely on.
func figure(t *testing.T, r Report, name string) float64 {
	t.Helper()
	encoded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(encoded, &fields); err != nil {
		t.Fatal(err)
	}
	value, ok := fields[name].(float64)
	if !ok {
		t.Fatalf("the report has no number %q", name)
	}
	return value
}

func TestReportNames(t *testing.T) {
	encoded, err := json.Marshal(Report{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"n", "unknown_labels", "accuracy", "macro_f1", "micro_f1", "top1_in_set",
		"recall_at_3", "lrap", "mean_average_precision", "ece", "per_label", "latency_ms"} {
		if !strings.Contains(string(encoded), `"`+name+`":`) {
			t.Errorf("no %q in %s", name, encoded)
		}
	}
}

func TestWhenSure(t *testing.T) {
	report, err := Measure(Answers{
		Labels:        []string{"a", "b", "c"},
		Probabilities: []float64{.9, .6, 0, .9, .6, 0, .5, .5, 0, .1, .2, 1},
		Truth:         [][]int{{0}, {0}, {1}, {2}},
		Asserted:      [][]int{{0, 1}, {1}, {}, {2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Coverage != 0.75 || math.Abs(report.RightIfSure-2.0/3) > 1e-15 {
		t.Errorf("coverage %v, right when sure %v, want 3/4 and 2/3", report.Coverage, report.RightIfSure)
	}
	if report.Top1InSet != 0.75 {
		t.Errorf("top-1 in set %v, want 3/4: equally probable labels rank by index", report.Top1InSet)
	}
}

func TestReliability(t *testing.T) {
	report, err := Measure(Answers{
		Labels:        []string{"a"},
		Probabilities: []float64{0, 0.5, 0.52, 1},
		Truth:         [][]int{{}, {0}, {}, {0}},
		Asserted:      make([][]int, 4),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Reliability) != Bins {
		t.Fatalf("%d bins", len(report.Reliability))
	}
	for b, want := range map[int]int{0: 1, 7: 2, 14: 1} {
		if report.Reliability[b].Count != want {
			t.Errorf("bin %d counts %d, want %d", b, report.Reliability[b].Count, want)
		}
	}
	if bin := report.Reliability[7]; math.Abs(bin.Confidence-0.51) > 1e-12 || bin.Accuracy != 0.5 {
		t.Errorf("bin 7 is %+v, want confidence 0.51 and accuracy 0.5", bin)
	}
	if math.Abs(report.ECE-0.005) > 1e-12 {
		t.Errorf("ECE %v, want 0.005", report.ECE)
	}
}

func TestNothingToMeasure(t *testing.T) {
	report, err := Measure(Answers{Labels: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Errorf("no examples: %v", err)
	}
	if report.N != 0 || report.Accuracy != 0 || report.MAPLabels != 0 {
		t.Errorf("no examples: %+v", report)
	}
}

func TestRefusals(t *testing.T) {
	ok := func() Answers {
		return Answers{Labels: []string{"a", "b"}, Probabilities: []float64{0.2, 0.8}, Truth: [][]int{{1}}, Asserted: [][]int{{1}}}
	}
	tests := []struct {
		name, want string
		spoil      func(a *Answers)
	}{
		{"no labels", "no labels", func(a *Answers) { *a = Answers{} }},
		{"too few probabilities", "1 probabilities", func(a *Answers) { a.Probabilities = a.Probabilities[:1] }},
		{"not a number", "not a probability", func(a *Answers) { a.Probabilities[1] = math.NaN() }},
		{"a score", "not a probability", func(a *Answers) { a.Probabilities[1] = 1.5 }},
		{"an unknown label", "label 2", func(a *Answers) { a.Truth[0] = []int{2} }},
		{"a negative label", "label -1", func(a *Answers) { a.Asserted[0] = []int{-1} }},
		{"a label twice", "label 1 after label 1", func(a *Answers) { a.Asserted[0] = []int{1, 1} }},
		{"two classes", "2 labels in a multi-class", func(a *Answers) { a.MultiClass, a.Truth[0] = true, []int{0, 1} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := ok()
			test.spoil(&a)
			if _, err := Measure(a); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
