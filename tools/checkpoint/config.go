package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"bedside/weights"
)

// Config is what config.json says of a model: its shape and its task.
type Config struct {
	Architecture string // as the file names it; "" where it is silent

	Layers, Hidden, Heads, Intermediate int

	Vocabulary int // rows of the table of words, at least as many as tokens
	Positions  int
	Types      int
	Activation string // weights.GELU, GELUTanh or ReLU
	Epsilon    float64

	Task   string   // weights.MultiClass or MultiLabel; "" where the file is silent
	Labels []string // nil where the file is silent
}

// activations are Hugging Face's names, as far as kernels compute them. gelu_fast and
// gelu_new are the tanh form, differently written.
var activations = map[string]string{
	"gelu":              weights.GELU,
	"gelu_python":       weights.GELU,
	"gelu_new":          weights.GELUTanh,
	"gelu_fast":         weights.GELUTanh,
	"gelu_pytorch_tanh": weights.GELUTanh,
	"relu":              weights.ReLU,
}

// ParseConfig reads a config.json. What Bedside does not compute is refused by name.
// https://huggingface.co/docs/transformers/model_doc/bert
func ParseConfig(text []byte) (Config, error) {
	o, err := parseObject(text)
	if err != nil {
		return Config{}, err
	}
	if err := refuse(o); err != nil {
		return Config{}, err
	}
	f := &fields{object: o}
	c := Config{
		Layers:       f.count("num_hidden_layers", 0, weights.MaxLayers),
		Hidden:       f.count("hidden_size", 0, weights.MaxHidden),
		Heads:        f.count("num_attention_heads", 0, weights.MaxHidden),
		Intermediate: f.count("intermediate_size", 0, weights.MaxIntermediate),
		Vocabulary:   f.count("vocab_size", 0, weights.MaxVocabulary),
		Positions:    f.count("max_position_embeddings", 512, weights.MaxPositions),
		Types:        f.count("type_vocab_size", 2, weights.MaxTypes),
		Epsilon:      1e-12,
	}
	f.decode("layer_norm_eps", &c.Epsilon, "a number")
	c.Activation = f.activation()
	c.Architecture = f.architecture()
	c.Task = f.task()
	c.Labels = f.labels()
	if f.err == nil && c.Hidden%c.Heads != 0 {
		f.err = fmt.Errorf("hidden_size %d does not divide into num_attention_heads %d", c.Hidden, c.Heads)
	}
	if f.err == nil && !(c.Epsilon >= 1e-16 && c.Epsilon <= 1) {
		f.err = fmt.Errorf("layer_norm_eps is %g, want 1e-16 to 1", c.Epsilon)
	}
	return c, f.err
}

// refuse names the first thing that this import does not do.
func refuse(o object) error {
	f := &fields{object: o}
	kind, positions := f.text("model_type", "bert"), f.text("position_embedding_type", "absolute")
	switch {
	case f.err != nil:
	case kind != "bert":
		f.err = fmt.Errorf("model_type %.80q is not supported, only \"bert\"", kind)
	case positions != "absolute":
		f.err = fmt.Errorf("position_embedding_type %.80q is not supported, only \"absolute\"", positions)
	case f.flag("is_decoder", false) || f.flag("add_cross_attention", false):
		f.err = errors.New("is_decoder: decoders are not supported, only encoders")
	case o.has("quantization_config"):
		f.err = errors.New("quantization_config: the weights are quantized already; import the model they were made from")
	case o.has("auto_map"):
		f.err = errors.New("auto_map: the model needs program code of its own, which is not run")
	case o.has("pruned_heads") && len(f.within("pruned_heads").object) > 0:
		f.err = errors.New("pruned_heads: attention with heads taken out is not supported")
	}
	return f.err
}

func (f *fields) activation() string {
	name := f.text("hidden_act", "gelu")
	is, ok := activations[name]
	if f.err == nil && !ok {
		f.err = fmt.Errorf("hidden_act %.80q is not supported, only gelu, gelu_new, gelu_pytorch_tanh and relu", name)
	}
	return is
}

// sequenceClassification is the one architecture with a head that can be imported; the
// others are known not to bring one.
const sequenceClassification = "BertForSequenceClassification"

var headless = []string{"BertModel", "BertForMaskedLM", "BertForPreTraining", "BertForNextSentencePrediction"}

func (f *fields) architecture() string {
	var names []string
	f.decode("architectures", &names, "a list of names")
	for _, name := range names {
		if f.err == nil && name != sequenceClassification && !slices.Contains(headless, name) {
			f.err = fmt.Errorf("architecture %.80q is not supported, only %s", name, sequenceClassification)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func (f *fields) task() string {
	switch kind := f.text("problem_type", ""); kind {
	case "single_label_classification":
		return weights.MultiClass
	case "multi_label_classification":
		return weights.MultiLabel
	case "":
	default:
		if f.err == nil {
			f.err = fmt.Errorf("problem_type %.80q is not supported, only single_label_classification and multi_label_classification", kind)
		}
	}
	return ""
}

// labels are the values of id2label, whose names are the numbers from 0.
func (f *fields) labels() []string {
	byID := f.within("id2label")
	if byID.err != nil || len(byID.object) == 0 {
		return nil
	}
	if len(byID.object) > weights.MaxLabels {
		f.err = fmt.Errorf("id2label has %d labels, at most %d", len(byID.object), weights.MaxLabels)
		return nil
	}
	labels := make([]string, len(byID.object))
	for i := range labels {
		value, ok := byID.object[strconv.Itoa(i)]
		if !ok {
			f.err = fmt.Errorf("id2label has %d labels, but none for %d", len(labels), i)
			return nil
		}
		var number json.Number
		if json.Unmarshal(value, &labels[i]) != nil && json.Unmarshal(value, &number) != nil {
			f.err = fmt.Errorf("id2label: label %d is %.40s, want a text", i, value)
			return nil
		}
		if labels[i] == "" {
			labels[i] = number.String()
		}
	}
	return labels
}
