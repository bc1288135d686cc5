package report

import (
	"fmt"
	"slices"

	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/weights"
)

// resamples and draws are how often chance is asked.
const (
	resamples = 2000
	draws     = 400
)

// Asked is what a run's models answered about notes that they did not see.
type Asked struct {
	Runs    []metrics.Answers // one for each repeat of the run
	Wide    []metrics.Answers // the same with float32 weights; nil if that was not asked
	Shared  int               // notes that also stand in what was trained on
	Unknown int               // labels of the notes that the models did not know, left out
	Command string            // that does the run by itself
}

// Measured is a run's figures.
type Measured struct {
	Run
	Command string
	Shared  int
	Unknown int
	Repeats int            // that the figures are the mean of
	Notes   int            // distinct ones asked about
	Figures metrics.Report // the mean of the repeats
	Low     metrics.Report // the ends of its 95 % intervals
	High    metrics.Report
	Tables  metrics.Report // of all answers together
	Chance  float64        // the calibration error that chance alone would show
	Wide    metrics.Report // the figures with float32 weights; N is 0 where there are none
}

// Measure takes the figures of a run's answers.
func Measure(run Run, asked Asked, seed uint64) (Measured, error) {
	m := Measured{Run: run, Command: asked.Command, Shared: asked.Shared, Unknown: asked.Unknown, Repeats: len(asked.Runs)}
	var err error
	if m.Figures, _, err = metrics.Repeated(asked.Runs); err != nil {
		return m, fmt.Errorf("run %q: %w", run.Protocol, err)
	}
	if m.Figures.N == 0 {
		return m, fmt.Errorf("run %q: no note was answered", run.Protocol)
	}
	if m.Low, m.High, err = metrics.Intervals(asked.Runs, resamples, seed); err != nil {
		return m, fmt.Errorf("run %q: %w", run.Protocol, err)
	}
	all := metrics.Pool(asked.Runs)
	if m.Tables, err = metrics.Measure(all); err != nil {
		return m, fmt.Errorf("run %q: %w", run.Protocol, err)
	}
	m.Notes = distinct(all)
	m.Chance = metrics.CalibratedECE(all, draws, seed)
	if len(asked.Wide) > 0 {
		m.Wide, _, err = metrics.Repeated(asked.Wide)
	}
	return m, err
}

func distinct(a metrics.Answers) int {
	if a.Notes == nil {
		return len(a.Truth)
	}
	seen := map[int]bool{}
	for _, note := range a.Notes {
		seen[note] = true
	}
	return len(seen)
}

// Evaluation is the run as a model card keeps it, its tables and curves with it unless it
// is brief.
func (m Measured) Evaluation() weights.Evaluation {
	e := weights.Evaluation{Protocol: m.name(), N: m.Figures.N, Figures: m.figures()}
	for i := range e.Figures {
		f := &e.Figures[i]
		f.Value, f.Low, f.High = short(f.Value), short(f.Low), short(f.High)
	}
	if m.Brief {
		return e
	}
	if e.Bins = m.Tables.Reliability; len(m.Tables.PerLabel) <= maxRows {
		e.PerLabel = m.Tables.PerLabel
	}
	for _, p := range m.Tables.Curve {
		e.Curve = append(e.Curve, weights.Point{Confidence: short(p.Confidence), Answered: short(p.Answered), Accuracy: short(p.Accuracy)})
	}
	for _, p := range m.Tables.Pairs {
		p.Chance = short(p.Chance)
		e.Pairs = append(e.Pairs, p)
	}
	return e
}

// name is the protocol's, and what a reader must know of it.
func (m Measured) name() string {
	name := m.Protocol
	if m.Shared > 0 {
		name += fmt.Sprintf(" (%d of its notes also stand among those trained on)", m.Shared)
	}
	if m.Unknown > 0 {
		name += fmt.Sprintf(" (labels unknown to the model, left out: %d)", m.Unknown)
	}
	return name
}

// figures are the headline numbers, with what there is to say beside them.
func (m Measured) figures() []weights.Figure {
	all := evaluate.Within(evaluate.Figures(m.Figures), m.Low, m.High)
	at := slices.IndexFunc(all, func(f weights.Figure) bool { return f.Name == calibrationError })
	return slices.Insert(all, at+1, weights.Figure{Name: byChance, Value: m.Chance})
}

// short keeps what a card shows: a manifest is fetched before a model can be.
func short(x float64) float64 { return float64(int(x*1e4+0.5)) / 1e4 }

// Names of figures.
const (
	calibrationError = "calibration error (ECE)"
	byChance         = "calibration error by chance alone"
)

// accuracy is what papers on tasks of one label call a right top label.
const accuracy = "accuracy"

// figureNames are those of the figures that a published system may have.
func figureNames() []string {
	names := []string{accuracy}
	for _, f := range evaluate.Figures(metrics.Report{}) {
		names = append(names, f.Name)
	}
	return names
}
