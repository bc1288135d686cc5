// Command bench measures training and native inference beside scikit-learn, on the
// published protocol, and prints a Markdown table. It needs the data beside the
// checkout and Debian's python3-sklearn.
package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/fit"
	"bedside/tools/metrics"
	"bedside/tools/train"
	"bedside/wasm/classify"
	"bedside/weights/bundle"
)

const (
	notes     = "../shared/data/mtsamples/mtsamples.csv"
	reference = "../shared/reference/specialty/"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Println("| published protocol (rows) | here | scikit-learn |\n|---|--:|--:|")
	theirs, err := scikitLearn(ctx, dir)
	if err != nil {
		return err
	}
	rows := dataset.Options{Text: "transcription", Label: "medical_specialty"}
	data, err := dataset.Load(notes, reference+"rows_split.csv", rows)
	if err != nil {
		return err
	}
	if err := published(ctx, data); err != nil {
		return err
	}
	if err := fitting(ctx, data, theirs); err != nil {
		return err
	}
	if err := classifying(ctx, data, theirs); err != nil {
		return err
	}
	fmt.Println("\n| shipped settings, grouped protocol, part test | int8 | float32 |\n|---|--:|--:|")
	return shipped(ctx)
}

type timings struct {
	Notes     int     `json:"notes"`
	Features  int     `json:"features"`
	Fit       float64 `json:"fit_s"`
	Transform float64 `json:"transform_s"`
	Classify  float64 `json:"classify_s"`
}

// scikitLearn times the same work in scikit-learn.
func scikitLearn(ctx context.Context, dir string) (t timings, err error) {
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "tools/encoder/sklearn_features.py",
		"--data", notes, "--text", "transcription", "--label", "medical_specialty",
		"--split", reference+"rows_split.csv", "--out", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return t, fmt.Errorf("scikit-learn: %w", err)
	}
	return t, json.Unmarshal(out, &t)
}

// published trains both families on the published protocol and holds them to the
// reference's figures and predictions.
func published(ctx context.Context, data *dataset.Dataset) error {
	features, err := train.FindFeatures([]string{"notebook"})
	if err != nil {
		return err
	}
	theirs, err := predictions()
	if err != nil {
		return err
	}
	figures, err := referenceFigures()
	if err != nil {
		return err
	}
	for _, f := range []struct{ family, name, column string }{
		{train.LogisticRegression, "logistic regression, C=1", "lr_C1"},
		{train.SVM, "linear SVM, C=1", "svc"},
	} {
		model, err := train.Train(ctx, data.Select("train"), train.Settings{
			Features: features, Families: []string{f.family}, Cs: []float64{1}, Folds: 5, Seed: 1,
		})
		if err != nil {
			return err
		}
		manifest, tensors := model.Bundle(train.Int8)
		engine, err := evaluate.InMemory(manifest, tensors)
		if err != nil {
			return err
		}
		test := data.Select("test")
		report, err := evaluate.Run(ctx, engine, &manifest, test, nil)
		if err != nil {
			return err
		}
		same := 0
		for _, e := range test.Examples {
			r, err := engine(ctx, e.Text)
			if err != nil {
				return err
			}
			// The reference predicts by decision value, as the logit ranks labels.
			top := slices.MaxFunc(r.Labels, func(a, b classify.Label) int { return compare(a.Logit, b.Logit) })
			if top.Name == theirs[f.column][e.Row] {
				same++
			}
		}
		fmt.Printf("| %s, int8: macro-F1 | %.4f | %.4f |\n", f.name, report.MacroF1, figures[f.column])
		fmt.Printf("| %s, int8: same prediction | %.2f %% of %d | |\n", f.name, 100*float64(same)/float64(len(test.Examples)), len(test.Examples))
	}
	return nil
}

func compare(a, b float64) int {
	if a < b {
		return -1
	}
	return 1
}

// referenceFigures reads the macro-F1 of the reference's models on the same rows.
func referenceFigures() (map[string]float64, error) {
	text, err := os.ReadFile(filepath.Join(reference, "reference.json"))
	if err != nil {
		return nil, err
	}
	var parsed struct {
		Rows map[string]json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, fmt.Errorf("reference.json: %w", err)
	}
	figures := map[string]float64{}
	for name, raw := range parsed.Rows {
		var model struct {
			MacroF1 float64 `json:"macro_f1"`
		}
		if json.Unmarshal(raw, &model) == nil { // counts stand beside the models
			figures[name] = model.MacroF1
		}
	}
	return figures, nil
}

// predictions reads the reference's, by column and row.
func predictions() (map[string]map[int]string, error) {
	f, err := os.Open(filepath.Join(reference, "rows_predictions.csv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	out := map[string]map[int]string{}
	for c, column := range records[0] {
		out[column] = map[int]string{}
		for _, record := range records[1:] {
			row, err := strconv.Atoi(record[0])
			if err != nil {
				return nil, err
			}
			out[column][row] = record[c]
		}
	}
	return out, nil
}

// fitting times one multinomial logistic regression on the same matrix.
func fitting(ctx context.Context, data *dataset.Dataset, theirs timings) error {
	part := data.Select("train")
	texts, all, labels := columns(part)
	features, err := train.FindFeatures([]string{"notebook"})
	if err != nil {
		return err
	}
	corpus, err := train.Analyze(ctx, train.Text, features[0].Blocks[0], 0, texts)
	if err != nil {
		return err
	}
	v, err := corpus.Fit(all)
	if err != nil {
		return err
	}
	x := corpus.Transform(v, all)
	fmt.Printf("| features | %d | %d |\n", len(v.Keys), theirs.Features)
	begin := time.Now()
	design, err := fit.Prepare(ctx, x)
	if err != nil {
		return err
	}
	_, err = design.Logistic(ctx, fit.MultiClass(len(part.Labels), labels),
		fit.LogisticOptions{C: 1, Balance: fit.BalancedClasses, Multinomial: true})
	if err != nil {
		return err
	}
	fmt.Printf("| fit of one logistic regression, %d × %d | %.2f s | %.2f s |\n", x.Rows, x.Cols, time.Since(begin).Seconds(), theirs.Fit)
	return nil
}

func columns(d *dataset.Dataset) (texts []string, all, labels []int) {
	for i, e := range d.Examples {
		texts, all, labels = append(texts, e.Text), append(all, i), append(labels, e.Labels[0])
	}
	return texts, all, labels
}

// classifying times features and prediction on one core.
func classifying(ctx context.Context, data *dataset.Dataset, theirs timings) error {
	part := data.Select("train")
	features, err := train.FindFeatures([]string{"notebook"})
	if err != nil {
		return err
	}
	model, err := train.Train(ctx, part, train.Settings{
		Features: features, Families: []string{train.LogisticRegression}, Cs: []float64{1}, Folds: 2, Seed: 1,
	})
	if err != nil {
		return err
	}
	manifest, tensors := model.Bundle(train.Int8)
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	manifest.Name = "bench"
	if err := bundle.Write(filepath.Join(dir, "model"), manifest, tensors); err != nil {
		return err
	}
	b, err := bundle.Open(os.DirFS(filepath.Join(dir, "model")))
	if err != nil {
		return err
	}
	loaded, err := b.Load(ctx)
	if err != nil {
		return err
	}
	native, err := classify.New(b.Manifest, loaded)
	if err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	best := time.Hour
	for range 3 {
		begin := time.Now()
		for _, e := range part.Examples {
			native.Score(e.Text)
		}
		best = min(best, time.Since(begin))
	}
	n := float64(len(part.Examples))
	fmt.Printf("| features and prediction, one core, notes/s | %.0f | %.0f |\n", n/best.Seconds(), n/theirs.Classify)
	return nil
}

// shipped measures the shipped model's settings in both precisions.
func shipped(ctx context.Context) error {
	data, err := dataset.Load(notes, reference+"grouped_split.csv",
		dataset.Options{Text: "transcription", Label: "medical_specialty", GroupByText: true})
	if err != nil {
		return err
	}
	features, err := train.FindFeatures([]string{"word"})
	if err != nil {
		return err
	}
	var reports []metrics.Report
	var held []train.Trial
	for _, precision := range []string{train.Int8, train.Float32} {
		model, err := train.Train(ctx, data.Select("train"), train.Settings{
			MultiLabel: true, Features: features, Families: []string{train.SVM}, Cs: []float64{3}, Folds: 5, Seed: 1, Precision: precision,
		})
		if err != nil {
			return err
		}
		manifest, tensors := model.Bundle(precision)
		engine, err := evaluate.InMemory(manifest, tensors)
		if err != nil {
			return err
		}
		report, err := evaluate.Run(ctx, engine, &manifest, data.Select("test"), nil)
		if err != nil {
			return err
		}
		reports, held = append(reports, report), append(held, model.Best)
	}
	fmt.Printf("| macro-F1 on the folds held out of part train | %.4f | %.4f |\n", held[0].MacroF1, held[1].MacroF1)
	narrow, wide := evaluate.Figures(reports[0]), evaluate.Figures(reports[1])
	for i := range narrow {
		fmt.Printf("| %s | %.4f | %.4f |\n", narrow[i].Name, narrow[i].Value, wide[i].Value)
	}
	return nil
}
