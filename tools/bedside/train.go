package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bedside/tools/dataset"
	"bedside/tools/train"
	"bedside/weights"
	"bedside/weights/bundle"
)

// dataFlags say where labelled notes are; train and evaluate share them.
type dataFlags struct {
	Data           string `help:"CSV file of labelled notes." required:"" placeholder:"F.csv"`
	Text           string `help:"Column with the notes." required:"" placeholder:"COL"`
	Label          string `help:"Column with the label or labels." required:"" placeholder:"COL"`
	LabelSeparator string `help:"What separates several labels in one cell." placeholder:"';'"`
	GroupByText    bool   `help:"One example per distinct text, its labels united."`
	Split          string `help:"CSV file with the columns row and part: which part of a split each row belongs to." placeholder:"F"`
}

func (f dataFlags) load(part string) (*dataset.Dataset, error) {
	return dataset.Load(f.Data, f.Split, dataset.Options{
		Text: f.Text, Label: f.Label, Separator: f.LabelSeparator, GroupByText: f.GroupByText, Part: part,
	})
}

type trainCommand struct {
	dataFlags `embed:""`

	Part       string   `help:"With --split: the part to train on." default:"train"`
	MultiLabel bool     `help:"Several labels may be right for one note."`
	Features   []string `help:"Feature sets to choose from: notebook, word, char, word+char." default:"notebook"`
	Family     []string `help:"Classifiers to choose from: lr (logistic regression), svm (linear support vector machine)." default:"lr" enum:"lr,svm"`
	C          string   `name:"C" help:"Inverse regularization strengths to choose from, comma-separated." default:"1"`
	Folds      int      `help:"Folds of the cross-validation that chooses, calibrates and sets thresholds." default:"5"`
	Seed       uint64   `help:"Seed of everything random." default:"1"`
	Precision  string   `help:"Weights in the bundle: int8 or float32." default:"int8" enum:"int8,float32"`
	Card       string   `help:"JSON file with name, title, question and the card's texts." placeholder:"F.json" type:"existingfile"`
	Measure    string   `help:"With --split: a part to measure the fitted model on, for its card." placeholder:"PART"`
	Refit      bool     `help:"After measuring, fit the chosen settings again on every part, and ship that."`
	Out        string   `help:"Directory to write the bundle to." required:"" placeholder:"DIR"`
	JSON       bool     `help:"Print the outcome as JSON."`
}

func (c *trainCommand) Help() string {
	return `Every combination of --features, --family and --C is tried by cross-validation and
the one with the best macro-F1 on held-out folds is fitted. Calibration and
thresholds come from the held-out folds too. The same data and --seed give the same
bundle, byte for byte.

Examples:
  bedside train --data notes.csv --text note --label specialty --out my-model
  bedside train --data notes.csv --text note --label codes --label-separator ';' \
      --multi-label --features word,word+char --family lr,svm --C 0.3,1,3 --out my-model
  bedside evaluate --bundle my-model --data new.csv --text note --label specialty`
}

// outcome is what train prints with --json.
type outcome struct {
	Out      string         `json:"out"`
	Examples int            `json:"examples"`
	Skipped  int            `json:"skipped_empty"`
	Labels   int            `json:"labels"`
	Features int            `json:"features"`
	Chosen   chosen         `json:"chosen"`
	Trials   []chosen       `json:"trials"`
	Measured map[string]any `json:"measured,omitempty"`
}

type chosen struct {
	Features string  `json:"features"`
	Family   string  `json:"family"`
	C        float64 `json:"C"`
	MacroF1  float64 `json:"cv_macro_f1"`
	MicroF1  float64 `json:"cv_micro_f1"`
}

// Run trains, measures where asked, and writes the bundle.
func (c *trainCommand) Run(ctx context.Context, s streams) error {
	settings, err := c.settings(s)
	if err != nil {
		return err
	}
	about, err := c.about()
	if err != nil {
		return err
	}
	part := ""
	if c.Split != "" {
		part = c.Part
	} else if c.Measure != "" || c.Refit {
		return usagef("--measure and --refit need --split")
	}
	data, err := c.load(part)
	if err != nil {
		return err
	}
	model, err := train.Train(ctx, data, settings)
	if err != nil {
		return err
	}
	return c.finish(ctx, s, about, settings, data, model)
}

func (c *trainCommand) settings(s streams) (train.Settings, error) {
	features, err := train.FindFeatures(c.Features)
	if err != nil {
		return train.Settings{}, &usageError{err}
	}
	var cs []float64
	for _, field := range strings.Split(c.C, ",") {
		v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil || !(v > 0 && v <= 1e9) {
			return train.Settings{}, usagef("--C %q: want numbers above 0", field)
		}
		cs = append(cs, v)
	}
	slices.Sort(cs)
	return train.Settings{
		MultiLabel: c.MultiLabel,
		Features:   features,
		Families:   c.Family,
		Cs:         slices.Compact(cs),
		Folds:      c.Folds,
		Seed:       c.Seed,
		Progress:   newProgress(s).show,
	}, nil
}
