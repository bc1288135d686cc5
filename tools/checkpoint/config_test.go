package checkpoint

import (
	"encoding/json"
	"reflect"
	"testing"

	"bedside/weights"
)

func TestParseConfig(t *testing.T) {
	whole := map[string]any{
		"num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072, "vocab_size": 30522,
	}
	sound := Config{
		Layers: 12, Hidden: 768, Heads: 12, Intermediate: 3072, Vocabulary: 30522, Positions: 512, Types: 2,
		Activation: weights.GELU, Epsilon: 1e-12,
	}
	with := func(change func(*Config)) Config {
		c := sound
		change(&c)
		return c
	}
	tests := []struct {
		name  string
		field string
		value any
		want  Config
		err   string
	}{
		{"as little as can be", "x", 1, sound, ""},
		{"an old file's silence about architectures", "architectures", nil, sound, ""},
		{"gelu_new", "hidden_act", "gelu_new", with(func(c *Config) { c.Activation = weights.GELUTanh }), ""},
		{"gelu_pytorch_tanh", "hidden_act", "gelu_pytorch_tanh", with(func(c *Config) { c.Activation = weights.GELUTanh }), ""},
		{"relu", "hidden_act", "relu", with(func(c *Config) { c.Activation = weights.ReLU }), ""},
		{"labels", "id2label", map[string]any{"1": "b", "0": "a", "2": 7}, with(func(c *Config) { c.Labels = []string{"a", "b", "7"} }), ""},
		{"multi-label", "problem_type", "multi_label_classification", with(func(c *Config) { c.Task = weights.MultiLabel }), ""},
		{"epsilon", "layer_norm_eps", 1e-5, with(func(c *Config) { c.Epsilon = 1e-5 }), ""},
		{"no head", "architectures", []string{"BertForMaskedLM"}, with(func(c *Config) { c.Architecture = "BertForMaskedLM" }), ""},

		{"another type", "model_type", "roberta", Config{}, `model_type "roberta" is not supported`},
		{"another architecture", "architectures", []string{"BertForTokenClassification"}, Config{}, `architecture "BertForTokenClassification" is not supported`},
		{"another activation", "hidden_act", "swish", Config{}, `hidden_act "swish" is not supported`},
		{"relative positions", "position_embedding_type", "relative_key", Config{}, `position_embedding_type "relative_key" is not supported`},
		{"a decoder", "is_decoder", true, Config{}, "decoders are not supported"},
		{"quantized", "quantization_config", map[string]any{"bits": 4}, Config{}, "quantized already"},
		{"code of its own", "auto_map", map[string]any{"AutoModel": "m.M"}, Config{}, "auto_map"},
		{"pruned heads", "pruned_heads", map[string]any{"1": []int{2}}, Config{}, "pruned_heads"},
		{"no pruned heads", "pruned_heads", map[string]any{}, sound, ""},
		{"regression", "problem_type", "regression", Config{}, `problem_type "regression" is not supported`},
		{"heads that do not divide", "num_attention_heads", 7, Config{}, "hidden_size 768 does not divide into num_attention_heads 7"},
		{"no heads", "num_attention_heads", 0, Config{}, "num_attention_heads is 0"},
		{"a size missing", "hidden_size", nil, Config{}, "hidden_size is missing"},
		{"a size of 2^40", "hidden_size", 1 << 40, Config{}, "hidden_size is 1099511627776, want 1 to 8192"},
		{"a size below nothing", "vocab_size", -3, Config{}, "vocab_size is -3"},
		{"a text for a size", "vocab_size", "many", Config{}, `vocab_size is "many", want a whole number`},
		{"half a layer", "num_hidden_layers", 1.5, Config{}, "num_hidden_layers is 1.5"},
		{"epsilon 0", "layer_norm_eps", 0, Config{}, "layer_norm_eps is 0"},
		{"a gap in the labels", "id2label", map[string]any{"0": "a", "2": "b"}, Config{}, "none for 1"},
		{"a list for a label", "id2label", map[string]any{"0": []int{1}}, Config{}, "label 0 is [1]"},
		{"a list for the labels", "id2label", []string{"a"}, Config{}, "id2label: want a JSON object"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fields := map[string]any{test.field: test.value}
			for name, value := range whole {
				if name != test.field {
					fields[name] = value
				}
			}
			text, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseConfig(text)
			wants(t, err, test.err)
			if test.err == "" && !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestParseConfigText(t *testing.T) {
	for _, test := range []struct{ name, text, err string }{
		{"nothing", "", "not readable as JSON"},
		{"a list", "[]", "want a JSON object"},
		{"cut", `{"hidden_size": 768`, "not readable"},
		{"more behind", `{} {}`, "something follows"},
		{"a name twice", `{"hidden_size": 1, "hidden_size": 2}`, `"hidden_size" stands twice`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseConfig([]byte(test.text))
			wants(t, err, test.err)
		})
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"num_hidden_layers": 1, "hidden_size": 4, "num_attention_heads": 2, "intermediate_size": 6, "vocab_size": 8, "id2label": {"0": "a"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if err == nil && (c.Hidden < 1 || c.Hidden > weights.MaxHidden || c.Hidden%c.Heads != 0 || c.Activation == "" || !(c.Epsilon > 0)) {
			t.Errorf("accepted %+v", c)
		}
	})
}
