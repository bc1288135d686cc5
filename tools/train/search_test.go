package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bedside/tools/dataset"
	"bedside/tools/fit"
	"bedside/tools/metrics"
	"bedside/tools/train/invented"
	"bedside/wasm/classify"
	"bedside/wasm/tfidf"
	"bedside/weights"
	"bedside/weights/bundle"
)

// settings tries the named feature sets with everything else.
func settings(t *testing.T, multiLabel bool, features ...string) Settings {
	t.Helper()
	found, err := FindFeatures(features)
	if err != nil {
		t.Fatal(err)
	}
	return Settings{
		MultiLabel: multiLabel,
		Features:   found,
		Families:   []string{LogisticRegression, SVM},
		Cs:         []float64{0.5, 4},
		Folds:      3,
		Seed:       1,
	}
}

// write writes a model's bundle and gives the contents of its files.
func write(t *testing.T, m *Model, precision string) map[string]string {
	t.Helper()
	manifest, tensors := m.Bundle(precision)
	manifest.Name = "invented"
	dir := filepath.Join(t.TempDir(), "bundle")
	if err := bundle.Write(dir, manifest, tensors); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}

func TestTheSameBytesOnAnyNumberOfCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, multiLabel := range []bool{false, true} {
		notes := invented.Notes(150, 4)
		if !multiLabel {
			notes = invented.Single(notes)
		}
		d := load(t, notes, false)
		var first map[string]string
		for _, cores := range []int{1, 2, 2, 5} {
			runtime.GOMAXPROCS(cores)
			m, err := Train(t.Context(), d, settings(t, multiLabel, "word", "word+char"))
			if err != nil {
				t.Fatal(err)
			}
			files := write(t, m, Int8)
			if first == nil {
				first = files
			}
			for name, content := range files {
				if content != first[name] {
					t.Errorf("several labels %v: %s differs on %d cores", multiLabel, name, cores)
				}
			}
		}
	}
}

func TestTrainLearns(t *testing.T) {
	d := load(t, invented.Notes(300, 5), false)
	s := settings(t, true, "word")
	var stages []string
	done := 0
	s.Progress = func(stage string, now, total int) {
		if now != done+1 || now > total {
			t.Errorf("%s: step %d of %d after step %d", stage, now, total, done)
		}
		if done = now; now == total {
			stages = append(stages, stage)
		}
	}
	m, err := Train(t.Context(), d, s)
	s.Progress = nil
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 1 || !strings.HasPrefix(stages[0], "fitted ") {
		t.Errorf("the last step is %q", stages)
	}
	if len(m.Trials) != 4 || m.Best.MicroF1 < 0.75 {
		t.Errorf("%d trials, the best with micro-F1 %.3f", len(m.Trials), m.Best.MicroF1)
	}
	for _, trial := range m.Trials {
		if trial.MacroF1 > m.Best.MacroF1 {
			t.Errorf("%s has macro-F1 %.4f, the chosen %s %.4f", trial.Candidate, trial.MacroF1, m.Best.Candidate, m.Best.MacroF1)
		}
	}
	if again, err := Train(t.Context(), d, s.Only(m.Best.Candidate)); err != nil {
		t.Error(err)
	} else if again.Best.MacroF1 != m.Best.MacroF1 || !slices.Equal(again.Thresholds, m.Thresholds) {
		t.Error("training the chosen candidate alone gives another model")
	}
}

// TestBundlesScoreAsTrained classifies the training notes with the bundle.
func TestBundlesScoreAsTrained(t *testing.T) {
	d := load(t, invented.Notes(120, 6), false)
	s := settings(t, true, "word+char")
	s.Families, s.Cs = []string{LogisticRegression}, []float64{1}
	m, err := Train(t.Context(), d, s)
	if err != nil {
		t.Fatal(err)
	}
	texts, all := make([]string, len(d.Examples)), make([]int, len(d.Examples))
	for i, e := range d.Examples {
		texts[i], all[i] = e.Text, i
	}
	var corpora []*Corpus
	for position, b := range s.Features[0].Blocks {
		c, err := Analyze(t.Context(), Text, b, position, texts)
		if err != nil {
			t.Fatal(err)
		}
		corpora = append(corpora, c)
	}
	want, err := m.Linear.Decision(transform(corpora, m.Vocabularies, all))
	if err != nil {
		t.Fatal(err)
	}
	for precision, tolerance := range map[string]float64{Float32: 1e-5, Int8: 0.06} {
		model := open(t, m, precision)
		for i, text := range texts {
			logits, _, _ := model.Score(text)
			for l, z := range logits {
				if math.Abs(z-want[i*len(logits)+l]) > tolerance {
					t.Fatalf("%s, note %d: label %d scores %g, trained to %g", precision, i, l, z, want[i*len(logits)+l])
				}
			}
		}
	}
}

func open(t *testing.T, m *Model, precision string) *classify.Model {
	t.Helper()
	manifest, tensors := m.Bundle(precision)
	manifest.Name = "invented"
	dir := filepath.Join(t.TempDir(), "bundle")
	if err := bundle.Write(dir, manifest, tensors); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	model, err := classify.New(b.Manifest, loaded)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// TestHeldOutScoresDoNotSeeTheirLabels changes one example's label at a time, the folds
// staying as they are: its own held-out scores must not move, others' must.
func TestHeldOutScoresDoNotSeeTheirLabels(t *testing.T) {
	for _, multiLabel := range []bool{false, true} {
		notes := invented.Notes(90, 7)
		if !multiLabel {
			notes = invented.Single(notes)
		}
		d := load(t, notes, false)
		s := settings(t, multiLabel, "word")
		fold := folds(d, s.Folds, s.Seed)
		before := heldOut(t, d, s, fold)
		random := rand.New(rand.NewPCG(11, 12))
		for range 4 {
			i := random.IntN(len(d.Examples))
			kept := d.Examples[i].Labels
			d.Examples[i].Labels = []int{(kept[0] + 1 + random.IntN(4)) % len(d.Labels)}
			after := heldOut(t, d, s, fold)
			d.Examples[i].Labels = kept
			for trial := range before {
				checkSealed(t, before[trial], after[trial], i, fold, len(d.Labels))
			}
		}
	}
}

// heldOut tries the candidates of the first feature set on given folds.
func heldOut(t *testing.T, d *dataset.Dataset, s Settings, fold []int) []Trial {
	t.Helper()
	run := newTrainer(d, s)
	run.fold = fold
	corpora, err := run.analyze(t.Context(), s.Features[0])
	if err != nil {
		t.Fatal(err)
	}
	trials, err := run.try(t.Context(), s.Features[0], corpora)
	if err != nil {
		t.Fatal(err)
	}
	return trials
}

// checkSealed compares scores before and after the label of one example changed.
func checkSealed(t *testing.T, before, after Trial, changed int, fold []int, labels int) {
	t.Helper()
	moved := 0
	for i := range fold {
		row := func(trial Trial) []float64 { return trial.scores[i*labels : (i+1)*labels] }
		same := slices.Equal(row(before), row(after))
		if fold[i] == fold[changed] && !same {
			t.Errorf("%s: the label of example %d moved the held-out scores of %d, of the same fold", before.Candidate, changed, i)
		}
		if fold[i] != fold[changed] && !same {
			moved++
		}
	}
	if moved == 0 {
		t.Errorf("%s: the label of example %d moved no scores at all", before.Candidate, changed)
	}
}

// TestAssertionsDoNotSeeTheirLabels: the calibration and thresholds that turn an
// example's held-out scores into labels come from other folds.
func TestAssertionsDoNotSeeTheirLabels(t *testing.T) {
	d := load(t, invented.Notes(90, 7), false)
	s := settings(t, true, "word")
	run := newTrainer(d, s)
	scores := heldOut(t, d, s, run.fold)[0].scores
	labels := len(d.Labels)
	before := run.assert(scores)
	for i := range d.Examples {
		kept := run.targets.Sets[i]
		run.targets.Sets[i] = []int{(kept[0] + 1) % labels}
		after := run.assert(scores)
		run.targets.Sets[i] = kept
		for j, f := range run.fold {
			if at, end := j*labels, (j+1)*labels; f == run.fold[i] && !slices.Equal(before[at:end], after[at:end]) {
				t.Fatalf("the label of example %d changes what %d, of the same fold, asserts", i, j)
			}
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	d := load(t, invented.Notes(60, 8), false)
	one := load(t, invented.Single(invented.Notes(60, 8)), false)
	same := load(t, []invented.Note{{Text: "fever", Labels: []string{"a"}}, {Text: "fever ", Labels: []string{"b"}}, {Text: "cough", Labels: []string{"b"}}}, false)
	tests := []struct {
		name, want string
		data       *dataset.Dataset
		spoil      func(*Settings)
	}{
		{"several labels", "has 2 labels: train with --multi-label", d, func(s *Settings) { s.MultiLabel = false }},
		{"one label only", "all notes have the same label", &dataset.Dataset{Labels: []string{"a"}, Examples: one.Examples}, func(*Settings) {}},
		{"no examples", "no labelled notes", &dataset.Dataset{}, func(*Settings) {}},
		{"more folds than examples", "61 folds for 60 examples", d, func(s *Settings) { s.Folds = 61 }},
		{"more folds than texts", "3 folds for 2 distinct notes", same, func(*Settings) {}},
		{"one fold", "1 folds", d, func(s *Settings) { s.Folds = 1 }},
		{"a label too long", "a label has 300 bytes", &dataset.Dataset{Labels: []string{"a", strings.Repeat("b", 300)}, Examples: one.Examples}, func(*Settings) {}},
		{"no features", "0 feature sets", d, func(s *Settings) { s.Features = nil }},
		{"no C", "0 values of C", d, func(s *Settings) { s.Cs = nil }},
		{"slack below 0", "slack of -0.1", d, func(s *Settings) { s.Slack = -0.1 }},
		{"slack that is no number", "slack of NaN", d, func(s *Settings) { s.Slack = math.NaN() }},
		{"an unknown family", `family "forest"`, d, func(s *Settings) { s.Families = []string{"forest"} }},
		{"C of zero", "C is 0", d, func(s *Settings) { s.Cs = []float64{0} }},
		{"too few notes", "no n-gram stands in at least 5", load(t, invented.Notes(6, 9), false), func(s *Settings) { s.Features = Features()[:1] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := settings(t, true, "word")
			test.spoil(&s)
			_, err := Train(t.Context(), test.data, s)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := FindFeatures([]string{"word", "letters"}); err == nil || !strings.Contains(err.Error(), "notebook, word, char, word+char") {
		t.Errorf("error %v does not list the feature sets", err)
	}
}

func TestTrainEndsWithItsContext(t *testing.T) {
	d := load(t, invented.Notes(100, 10), false)
	for _, stop := range []string{"counted", "fold 1", "fold 3"} {
		ctx, cancel := context.WithCancel(t.Context())
		s := settings(t, true, "word")
		s.Progress = func(stage string, _, _ int) {
			if strings.HasPrefix(stage, stop) {
				cancel()
			}
		}
		if _, err := Train(ctx, d, s); !errors.Is(err, context.Canceled) {
			t.Errorf("stopped at %q: error %v", stop, err)
		}
		cancel()
	}
}

// TestALabelWithOneExample is held out of every note that its fold trains on.
func TestALabelWithOneExample(t *testing.T) {
	for _, multiLabel := range []bool{false, true} {
		notes := invented.Notes(100, 11)
		if !multiLabel {
			notes = invented.Single(notes)
		}
		notes[17].Labels = []string{"Rare"}
		m, err := Train(t.Context(), load(t, notes, false), settings(t, multiLabel, "word"))
		if err != nil {
			t.Fatal(err)
		}
		if m.Best.MicroF1 < 0.6 {
			t.Errorf("several labels %v: micro-F1 %.3f", multiLabel, m.Best.MicroF1)
		}
		write(t, m, Int8)
	}
}

func TestF1IsThatOfTheReport(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 14))
	const n, labels = 80, 4
	a := metrics.Answers{Labels: []string{"a", "b", "c", "d"}, Probabilities: make([]float64, n*labels)}
	asserted := make([]bool, n*labels)
	for i := range n {
		truth, said := []int{}, []int{}
		for l := range labels {
			if random.IntN(3) == 0 {
				truth = append(truth, l)
			}
			if random.IntN(3) == 0 && l > 0 {
				said = append(said, l)
				asserted[i*labels+l] = true
			}
		}
		a.Truth, a.Asserted = append(a.Truth, truth), append(a.Asserted, said)
	}
	macro, micro := f1(asserted, fit.MultiLabel(labels, a.Truth))
	report, err := metrics.Measure(a)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(macro-report.MacroF1) > 1e-12 || math.Abs(micro-report.MicroF1) > 1e-12 {
		t.Errorf("macro-F1 %g and micro-F1 %g, the report has %g and %g", macro, micro, report.MacroF1, report.MicroF1)
	}
}

func TestBundleManifests(t *testing.T) {
	for _, multiLabel := range []bool{false, true} {
		notes := invented.Notes(100, 12)
		if !multiLabel {
			notes = invented.Single(notes)
		}
		m, err := Train(t.Context(), load(t, notes, false), settings(t, multiLabel, "notebook"))
		if err != nil {
			t.Fatal(err)
		}
		manifest, _ := m.Bundle(Int8)
		kind, calibration := weights.MultiClass, weights.Temperature
		if multiLabel {
			kind, calibration = weights.MultiLabel, weights.Platt
		}
		if manifest.Task.Kind != kind || manifest.Calibration.Kind != calibration || !slices.Equal(manifest.Task.Labels, invented.Labels) {
			t.Errorf("%+v, %s", manifest.Task, manifest.Calibration.Kind)
		}
	}
}

// TestTextsBesideTheNotes: a word that only they have tells labels apart, yet not where the
// note that they belong to is held out.
func TestTextsBesideTheNotes(t *testing.T) {
	d := load(t, invented.Single(invented.Notes(60, 11)), false)
	with := func(of func(i int) int) *Model {
		s := settings(t, false, "rare")
		s.Families, s.Cs, s.Copies = []string{SVM}, []float64{1}, 2
		for i, e := range d.Examples {
			s.Also = append(s.Also, Extra{Text: e.Text, Labels: e.Labels, Of: of(i)})
		}
		m, err := Train(t.Context(), d, s)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	own := with(func(i int) int { return i })
	free := with(func(int) int { return -1 })
	if free.Best.MicroF1 != 1 {
		t.Errorf("with the notes themselves beside them, micro-F1 is %g", free.Best.MicroF1)
	}
	if own.Best.MicroF1 >= 1 {
		t.Errorf("texts were learnt from while their notes were held out: micro-F1 %g", own.Best.MicroF1)
	}
	if !slices.Equal(own.Linear.Weight, free.Linear.Weight) {
		t.Error("the models fitted on everything differ")
	}
}

func TestTextsBesideTheNotesAreChecked(t *testing.T) {
	d := load(t, invented.Notes(60, 12), false)
	for _, e := range []Extra{{"rash", nil, -1}, {"rash", []int{0}, 60}, {"rash", []int{0}, -2}} {
		s := settings(t, true, "word")
		s.Also = []Extra{e}
		if _, err := Train(t.Context(), d, s); err == nil || !strings.Contains(err.Error(), "learn from beside the notes") {
			t.Errorf("%+v: error %v", e, err)
		}
	}
}

func TestDialoguesAreTrainedAsTheyAreRead(t *testing.T) {
	notes := invented.Single(invented.Notes(80, 13))
	for i := range notes {
		notes[i].Text = "Doctor_2: " + notes[i].Text + "\nPatient: ﬁne."
	}
	s := settings(t, false, "phrase")
	s.Prepare = weights.Dialogue
	m, err := Train(t.Context(), load(t, notes, false), s)
	if err != nil {
		t.Fatal(err)
	}
	manifest, _ := m.Bundle(Float32)
	if manifest.Text.Prepare != weights.Dialogue {
		t.Fatalf("the bundle prepares text by %q", manifest.Text.Prepare)
	}
	key := func(word string) (found bool) {
		a := tfidf.NewAnalyzer(manifest.TFIDF.Blocks[0], 0)
		a.Each([]byte(word), func(g tfidf.Gram) { _, found = slices.BinarySearch(m.Vocabularies[0].Keys, g.Key) })
		return found
	}
	if !key("fine") || key("doctor_2") {
		t.Error("the vocabulary is not of prepared text")
	}
}
