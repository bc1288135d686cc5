// Package checkpoint reads BERT classifiers, or their encoders alone, from a directory in
// Hugging Face's layout: config.json, a WordPiece vocabulary, and weights as safetensors or
// as PyTorch's pickles, whole or in several files.
//
// A directory is treated as hostile. No pickle is executed: a reader of a few opcodes takes
// the place of Python's, and sizes are bounded before anything is allocated. Weights stay
// in their files until they are asked for, one tensor at a time.
package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"bedside/weights"
)

// Options are what the user knows and the files may not say.
type Options struct {
	Labels     []string // in the order of the outputs; nil: as config.json names them
	MultiLabel bool     // several labels may be right, whatever config.json says
	LetterCase string   // Cased, Uncased, or "": as the tokenizer's files say
	Pool       string   // weights.PoolFirst, or PoolMean for models that were trained so; "" is PoolFirst
	NoPooler   bool     // the head reads what is pooled directly
	NoHead     bool     // the encoder alone is wanted, whether or not there is a head
}

// Model is an open checkpoint.
type Model struct {
	Config    Config
	Task      weights.Task
	Pool      string
	Pooler    bool
	NoHead    bool // the encoder alone; Task and its one label are a stand-in's
	Tokenizer Tokenizer
	Weights   *Weights
	Warnings  []string
}

// Limits of the files beside the weights.
const (
	maxConfigFile    = 4 << 20
	maxTokenizerFile = 64 << 20
)

// Open reads what dir says of a model, and where its weights are. What cannot be imported is
// refused by name.
func Open(dir string, o Options) (*Model, error) {
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no directory %s: want one that save_pretrained wrote; models are not downloaded", dir)
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("%s is not a directory: want the one that save_pretrained wrote", dir)
	}
	text, err := readFile(filepath.Join(dir, "config.json"), maxConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no config.json: want a directory that save_pretrained wrote", dir)
	}
	if err != nil {
		return nil, err
	}
	m := &Model{Pool: weights.PoolFirst, Pooler: !o.NoPooler, NoHead: o.NoHead}
	if o.Pool != "" {
		m.Pool = o.Pool
	}
	if m.Config, err = ParseConfig(text); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if err := m.openTokenizer(dir, o.LetterCase); err != nil {
		return nil, err
	}
	if m.Weights, err = openWeights(dir); err != nil {
		return nil, err
	}
	if err := m.setUp(o); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close closes the files.
func (m *Model) Close() error { return m.Weights.close() }

func (m *Model) openTokenizer(dir, letterCase string) error {
	var files TokenizerFiles
	for _, f := range []struct {
		name string
		text *[]byte
	}{
		{"vocab.txt", &files.Vocabulary}, {"tokenizer.json", &files.Tokenizer}, {"tokenizer_config.json", &files.Config},
		{"special_tokens_map.json", &files.Roles}, {"added_tokens.json", &files.Added},
	} {
		text, err := readFile(filepath.Join(dir, f.name), maxTokenizerFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		*f.text = text
	}
	var err error
	var warnings []string
	m.Tokenizer, warnings, err = ParseTokenizer(files, letterCase)
	if err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	m.Warnings = append(m.Warnings, warnings...)
	if n := m.Tokenizer.Tokens; n > m.Config.Vocabulary {
		return fmt.Errorf("the tokenizer has %d tokens, but the table of words only %d rows (config.json: vocab_size); is it the model's own?", n, m.Config.Vocabulary)
	}
	return nil
}

// StandIn is the one label of an encoder without a head.
const StandIn = "no head"

// setUp decides about the head and finds the tensors.
func (m *Model) setUp(o Options) error {
	if m.NoHead {
		m.Task = weights.Task{Kind: weights.MultiLabel, Labels: []string{StandIn}}
		return m.Weights.resolve(m)
	}
	outputs, err := m.outputs()
	if err != nil {
		return err
	}
	m.Task.Kind = m.Config.Task
	if o.MultiLabel {
		m.Task.Kind = weights.MultiLabel
	}
	if m.Task.Kind == "" {
		if m.Task.Kind = weights.MultiClass; outputs == 1 {
			return errors.New("the model has one output and config.json no problem_type: for a question of yes or no give --multi-label; regression is not supported")
		}
		m.warn("config.json has no problem_type: exactly one label is taken to be right; give --multi-label if several may be")
	}
	if m.Task.Labels = m.Config.Labels; o.Labels != nil {
		m.Task.Labels = o.Labels
	}
	if err := m.checkLabels(outputs); err != nil {
		return err
	}
	return m.Weights.resolve(m)
}

func (m *Model) warn(format string, args ...any) {
	m.Warnings = append(m.Warnings, fmt.Sprintf(format, args...))
}

func (m *Model) checkLabels(outputs int) error {
	labels := m.Task.Labels
	if labels == nil {
		return fmt.Errorf("config.json has no id2label: name the %d labels with --labels", outputs)
	}
	if len(labels) != outputs {
		return fmt.Errorf("%d labels for a model of %d outputs (classifier.weight)", len(labels), outputs)
	}
	for i, l := range labels {
		switch {
		case l == "" || len(l) > weights.MaxNameBytes:
			return fmt.Errorf("label %d is empty or longer than %d bytes: name the labels with --labels", i, weights.MaxNameBytes)
		case slices.Contains(labels[:i], l):
			return fmt.Errorf("label %.80q stands twice: name the labels with --labels", l)
		}
	}
	if labels[0] == "LABEL_0" {
		m.warn("the labels have no names but LABEL_0 and so on; name them with --labels")
	}
	return nil
}

// outputs is the number of rows of the head.
func (m *Model) outputs() (int, error) {
	head := m.Weights.byName[headWeight]
	if head == nil {
		of := "the checkpoint"
		if a := m.Config.Architecture; a != "" && a != sequenceClassification {
			of = "the checkpoint, a " + a + ","
		}
		return 0, fmt.Errorf("%s has no head: tensor %s is missing; fine-tune it as %s first, or import the encoder alone with --no-head", of, headWeight, sequenceClassification)
	}
	if len(head.shape) != 2 || head.shape[0] < 1 || head.shape[0] > weights.MaxLabels {
		return 0, fmt.Errorf("tensor %s has shape %v, want [labels, %d] with 1 to %d labels", headWeight, head.shape, m.Config.Hidden, weights.MaxLabels)
	}
	return head.shape[0], nil
}

// exists says whether there is something at path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
