package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bedside/tools/metrics"
	"bedside/weights"
)

var update = flag.Bool("update", false, "write testdata anew")

// rooms are answers about twelve notes of a house, written by hand.
func rooms() metrics.Answers {
	a := metrics.Answers{Labels: []string{"Attic", "Hall | stairs", "Kitchen"}}
	for _, n := range []struct {
		attic, hall, kitchen float64
		truth, asserted      []int
	}{
		{.9, .1, .2, []int{0}, []int{0}},
		{.8, .2, .1, []int{0}, []int{0}},
		{.3, .7, .1, []int{1}, []int{1}},
		{.2, .9, .6, []int{1, 2}, []int{1, 2}},
		{.1, .2, .9, []int{2}, []int{2}},
		{.1, .3, .8, []int{1}, []int{2}},
		{.2, .4, .7, []int{1}, []int{2}},
		{.3, .4, .2, []int{0}, nil},
		{.1, .1, .95, []int{2}, []int{2}},
		{.6, .1, .9, []int{0, 2}, []int{0, 2}},
		{.1, .6, .2, []int{0}, []int{1}},
		{.2, .2, .85, []int{2}, []int{2}},
	} {
		a.Probabilities = append(a.Probabilities, n.attic, n.hall, n.kitchen)
		a.Truth, a.Asserted, a.Notes = append(a.Truth, n.truth), append(a.Asserted, n.asserted), append(a.Notes, len(a.Notes))
	}
	return a
}

func house(t *testing.T) Model {
	t.Helper()
	a := rooms()
	shown, err := Measure(Run{Protocol: "notes of winter", Measure: Flags{}}, Asked{Runs: []metrics.Answers{a}, Wide: []metrics.Answers{a}, Command: "bedside measure --data=winter.csv"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	brief, err := Measure(Run{Protocol: "twice over", Brief: true, Measure: Flags{}}, Asked{Runs: []metrics.Answers{a, a}, Shared: 3}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return Model{
		Manifest: weights.Manifest{
			Name: "rooms", Title: "Rooms", Question: "Which rooms does this note speak of?",
			Task: weights.Task{Kind: weights.MultiLabel, Labels: a.Labels},
		},
		Runs:      []Measured{shown, brief},
		Published: []Published{{System: "a butler", Protocol: "from memory", Figures: []weights.Figure{{Name: "macro-F1", Value: 0.5}, {Name: accuracy, Value: 0.25}}}},
		Remarks:   []string{"The house was sold."},
		Packed:    1_234_567,
		Headless:  Headless{Notes: 12, Characters: 80, PerSecond: 1000},
	}
}

func TestWrite(t *testing.T) {
	on := Machine{"one core", &Chromium{Browser: "Chromium 1", Characters: 2500, Models: map[string]ChromiumTime{"rooms": {Notes: 500, Median: 0.25, P99: 1.5}}}}
	text, plots, err := Write("What the models are worth", []Model{house(t)}, on, "REPORT-plots")
	if err != nil {
		t.Fatal(err)
	}
	plots = append(plots, Plot{"rooms.md", text})
	for _, p := range plots {
		file := filepath.Join("testdata", p.File)
		if *update {
			if err := os.WriteFile(file, p.Contents, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.Contents, want) {
			t.Errorf("the report differs from %s (go test -update writes it):\n%.4000s", file, p.Contents)
		}
	}
	if len(plots) != 4 {
		t.Errorf("%d plots, want 3: the brief run has none", len(plots)-1)
	}
}

// TestFiguresByHand: of the twelve notes the most probable label is true for eight; macro-F1
// is the mean of 2·3/(5+3), 2·2/(4+3) and 2·5/(5+7).
func TestFiguresByHand(t *testing.T) {
	r := house(t).Runs[0]
	for name, want := range map[string]float64{
		"top label right": 8. / 12,
		"macro-F1":        (6./8 + 4./7 + 10./12) / 3,
		"micro-F1":        2 * 10. / (14 + 13),
	} {
		if got := r.Value(name); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if p := r.Tables.Pairs[0]; p.Missed != "Hall | stairs" || p.Given != "Kitchen" || p.Count != 2 {
		t.Errorf("most confused %+v", p)
	}
}

// TestRepeatsAddNoCertainty: the same notes twice have the intervals of once.
func TestRepeatsAddNoCertainty(t *testing.T) {
	m := house(t)
	if once, twice := m.Runs[0], m.Runs[1]; once.Low.LRAP != twice.Low.LRAP || twice.Notes != 12 || twice.Tables.N != 24 {
		t.Errorf("of once %v, of twice %v; %d notes, %d answers", once.Low.LRAP, twice.Low.LRAP, twice.Notes, twice.Tables.N)
	}
}

func TestEvaluation(t *testing.T) {
	m := house(t)
	full, brief := m.Runs[0].Evaluation(), m.Runs[1].Evaluation()
	if full.Protocol != "notes of winter" || len(full.PerLabel) != 3 || len(full.Curve) == 0 || len(full.Pairs) == 0 || full.Figures[0].High <= full.Figures[0].Low {
		t.Errorf("%+v", full)
	}
	if !strings.Contains(brief.Protocol, "3 of its notes also stand") || brief.PerLabel != nil || brief.Curve != nil {
		t.Errorf("%+v", brief)
	}
}

func TestMeasureRefuses(t *testing.T) {
	for name, runs := range map[string][]metrics.Answers{
		"no note":       {{Labels: []string{"a"}}},
		"bad answers":   {{Labels: []string{"a"}, Truth: [][]int{{0}}}},
		"no run at all": {},
	} {
		if _, err := Measure(Run{Protocol: "spring"}, Asked{Runs: runs}, 1); err == nil || !strings.Contains(err.Error(), `"spring"`) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestHostileNames: whatever labels are called, plots are XML and table rows keep their cells.
func TestHostileNames(t *testing.T) {
	for _, label := range []string{"|", "\\|", "<script>", "a\nb", "é 😀", "\"&'", strings.Repeat("long ", 50)} {
		m := house(t)
		for i := range m.Runs[0].Tables.PerLabel {
			m.Runs[0].Tables.PerLabel[i].Label = label
		}
		text, plots, err := Write(label, []Model{m}, Machine{}, "plots")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range plots {
			if err := wellFormed(p.Contents); err != nil {
				t.Errorf("label %q: %s: %v", label, p.File, err)
			}
		}
		if strings.Contains(strings.ReplaceAll(string(text), `\<`, ""), "<script") {
			t.Errorf("label %q stands as HTML", label)
		}
		_, table, _ := strings.Cut(string(text), "| label | precision")
		for row := range strings.Lines(table) {
			if n := strings.Count(strings.NewReplacer(`\\`, "", `\|`, "").Replace(row), "|"); strings.HasPrefix(row, "| ") && n != 7 {
				t.Errorf("label %q: %d cells in %s", label, n-1, row)
			}
		}
	}
}

func wellFormed(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestPlotsOfLittle(t *testing.T) {
	one := metrics.Answers{Labels: []string{"a"}, Probabilities: []float64{1}, Truth: [][]int{{}}, Asserted: [][]int{nil}}
	r, err := metrics.Measure(one)
	if err != nil {
		t.Fatal(err)
	}
	for name, draw := range map[string]func() ([]byte, error){
		"reliability": func() ([]byte, error) { return reliability(r.Reliability, 1) },
		"coverage":    func() ([]byte, error) { return coverage(r, 1) },
		"labels":      func() ([]byte, error) { return byLabel(r.PerLabel) },
		"many labels": func() ([]byte, error) { return byLabel(make([]weights.LabelFigure, 3000)) },
	} {
		contents, err := draw()
		if err == nil {
			err = wellFormed(contents)
		}
		if err != nil || bytes.Contains(contents, []byte("NaN")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWilson(t *testing.T) {
	// Wilson's interval of 8 of 10, by his formula: centre 0.7167, half width 0.2266.
	if low, high := wilson(.8, 10); math.Abs(low-.4902) > 1e-4 || math.Abs(high-.9433) > 1e-4 {
		t.Errorf("%v to %v, want 0.4902 to 0.9433", low, high)
	}
	if low, high := wilson(1, 3); math.Abs(low-.4385) > 1e-4 || high != 1 {
		t.Errorf("%v to %v, want 0.4385 to 1", low, high)
	}
}

func TestReadChromium(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(path, []byte(`{"browser": "Chromium 1", "characters": 9, "models": {"a": {"notes": 3, "median_ms": 1, "p99_ms": 2}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := ReadChromium(path); err != nil || c.Models["a"].P99 != 2 || c.Characters != 9 {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte(`[]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadChromium(path); err == nil || !strings.Contains(err.Error(), "c.json") {
		t.Errorf("error %v", err)
	}
}
