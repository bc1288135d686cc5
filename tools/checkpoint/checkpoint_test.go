package checkpoint

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bedside/weights"
)

func TestOpen(t *testing.T) {
	dir := newTiny().write(t)
	m, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Task.Kind != weights.MultiClass || !slices.Equal(m.Task.Labels, []string{"yes", "no"}) || !m.Pooler || m.Pool != weights.PoolFirst {
		t.Errorf("task %+v, pool %q, pooler %t", m.Task, m.Pool, m.Pooler)
	}
	if len(m.Weights.Kept) != 25 || len(m.Weights.Dropped) != 0 || len(m.Warnings) != 0 {
		t.Errorf("kept %d, dropped %q, warnings %q", len(m.Weights.Kept), m.Weights.Dropped, m.Warnings)
	}
	for _, p := range m.parameters() {
		n, _ := elements(p.shape)
		if v, err := m.Weights.Float32(p.name); err != nil || int64(len(v)) != n || v[len(v)-1] != float32((n-1)%7)/8 {
			t.Errorf("%s: %v, error %v", p.name, v, err)
		}
	}
}

// TestOpenSpoilt spoils a sound checkpoint in one way each.
func TestOpenSpoilt(t *testing.T) {
	drop := func(names ...string) func(*tiny) {
		return func(c *tiny) {
			for _, name := range names {
				delete(c.tensors, name)
			}
		}
	}
	shape := func(name string, shape ...int) func(*tiny) {
		return func(c *tiny) {
			n, _ := elements(shape)
			c.tensors[name] = array{shape, make([]float32, n)}
		}
	}
	config := func(field string, value any) func(*tiny) { return func(c *tiny) { c.config[field] = value } }
	file := func(name, text string) func(*tiny) { return func(c *tiny) { c.files[name] = text } }
	tests := []struct {
		name    string
		spoil   func(*tiny)
		options Options
		err     string
	}{
		{"a tensor missing", drop("bert.encoder.layer.0.output.dense.bias"), Options{}, "1 tensors are missing: encoder.layer.0.output.dense.bias"},
		{"tensors missing", drop("bert.encoder.layer.0.output.dense.bias", "bert.embeddings.LayerNorm.weight"), Options{}, "2 tensors are missing: embeddings.LayerNorm.weight, encoder.layer.0.output.dense.bias"},
		{"a layer missing", config("num_hidden_layers", 2), Options{}, "16 tensors are missing: encoder.layer.1.attention.self.query.weight"},
		{"no pooler", drop("bert.pooler.dense.weight", "bert.pooler.dense.bias"), Options{}, "give --no-pooler"},
		{"no head", drop("classifier.weight", "classifier.bias"), Options{}, "the checkpoint has no head: tensor classifier.weight is missing"},
		{"another model's backbone", func(c *tiny) {
			drop("classifier.weight")(c)
			c.config["architectures"] = []string{"BertForMaskedLM"}
		}, Options{}, "the checkpoint, a BertForMaskedLM, has no head: tensor classifier.weight is missing; fine-tune it as BertForSequenceClassification first, or import the encoder alone with --no-head"},
		{"a wrong shape", shape("bert.encoder.layer.0.intermediate.dense.weight", 4, 6), Options{}, "1 tensors do not fit config.json: bert.encoder.layer.0.intermediate.dense.weight is [4 6], want [6 4]"},
		{"a wrong rank", shape("bert.pooler.dense.bias", 4, 1), Options{}, "bert.pooler.dense.bias is [4 1], want [4]"},
		{"a head of another width", shape("classifier.weight", 2, 3), Options{}, "classifier.weight is [2 3], want [2 4]"},
		{"a head that is a vector", shape("classifier.weight", 8), Options{}, "classifier.weight has shape [8], want [labels, 4]"},
		{"a head without labels", shape("classifier.weight", 0, 4), Options{}, "classifier.weight has shape [0 4]"},
		{"a shorter table", shape("bert.embeddings.word_embeddings.weight", 7, 4), Options{}, "word_embeddings.weight is [7 4], want [8 4]"},
		{"gamma and weight", shape("bert.embeddings.LayerNorm.gamma", 4), Options{}, "are both there"},
		{"with and without bert", shape("pooler.dense.bias", 4), Options{}, "are both there"},

		{"more tokens than rows", file("vocab.txt", tinyVocabulary+"pain\n"), Options{}, "the tokenizer has 9 tokens, but the table of words only 8 rows"},
		{"no separator in the vocabulary", file("vocab.txt", strings.Replace(tinyVocabulary, "[SEP]", "sep", 1)), Options{}, `"[SEP]"`},
		{"an empty vocabulary", file("vocab.txt", ""), Options{}, "it is empty"},
		{"no vocabulary", func(c *tiny) { delete(c.files, "vocab.txt") }, Options{}, "no vocabulary"},

		{"labels of another number", config("id2label", map[string]string{"0": "a", "1": "b", "2": "c"}), Options{}, "3 labels for a model of 2 outputs"},
		{"no labels", config("id2label", nil), Options{}, "no id2label: name the 2 labels with --labels"},
		{"a label twice", config("id2label", map[string]string{"0": "a", "1": "a"}), Options{}, `label "a" stands twice`},
		{"an empty label", config("id2label", map[string]string{"0": "a", "1": ""}), Options{}, "label 1 is empty"},
		{"one label given", func(*tiny) {}, Options{Labels: []string{"a"}}, "1 labels for a model of 2 outputs"},
		{"one output", func(c *tiny) {
			shape("classifier.weight", 1, 4)(c)
			shape("classifier.bias", 1)(c)
			c.config["problem_type"], c.config["id2label"] = nil, map[string]string{"0": "a"}
		}, Options{}, "give --multi-label; regression is not supported"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newTiny()
			test.spoil(&c)
			m, err := Open(c.write(t), test.options)
			if err == nil {
				m.Close()
			}
			wants(t, err, test.err)
		})
	}
}

func TestOpenUnusual(t *testing.T) {
	t.Run("old names without bert", func(t *testing.T) {
		c := newTiny()
		old := map[string]array{}
		for name, a := range c.tensors {
			name = strings.NewReplacer("LayerNorm.weight", "LayerNorm.gamma", "LayerNorm.bias", "LayerNorm.beta").Replace(name)
			old[strings.TrimPrefix(name, "bert.")] = a
		}
		c.tensors = old
		m, err := Open(c.write(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if !slices.Contains(m.Weights.Kept, "encoder.layer.0.output.LayerNorm.beta") {
			t.Errorf("kept %q", m.Weights.Kept)
		}
		if _, err := m.Weights.Float32("encoder.layer.0.output.LayerNorm.bias"); err != nil {
			t.Error(err)
		}
	})
	t.Run("trained in parallel", func(t *testing.T) {
		c := newTiny()
		parallel := map[string]array{}
		for name, a := range c.tensors {
			parallel["module."+name] = a
		}
		c.tensors = parallel
		m, err := Open(c.write(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if !slices.Contains(m.Weights.Kept, "module.bert.pooler.dense.bias") || len(m.Weights.Dropped) > 0 {
			t.Errorf("kept %q, dropped %q", m.Weights.Kept, m.Weights.Dropped)
		}
		if _, err := m.Weights.Float32("pooler.dense.bias"); err != nil {
			t.Error(err)
		}
	})
	t.Run("what is left over", func(t *testing.T) {
		c := newTiny()
		c.tensors["bert.embeddings.position_ids"] = array{[]int{1, 10}, make([]float32, 10)}
		c.tensors["cls.predictions.bias"] = array{[]int{8}, make([]float32, 8)}
		m, err := Open(c.write(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if want := []string{"bert.embeddings.position_ids", "cls.predictions.bias"}; !slices.Equal(m.Weights.Dropped, want) {
			t.Errorf("dropped %q, want %q", m.Weights.Dropped, want)
		}
	})
	t.Run("choices of the user", func(t *testing.T) {
		c := newTiny()
		delete(c.tensors, "bert.pooler.dense.weight")
		delete(c.tensors, "bert.pooler.dense.bias")
		c.config["problem_type"] = nil
		c.config["id2label"] = map[string]string{"0": "LABEL_0", "1": "LABEL_1"}
		dir := c.write(t)
		m, err := Open(dir, Options{Labels: []string{"left", "right"}, MultiLabel: true, NoPooler: true, Pool: weights.PoolMean})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if m.Task.Kind != weights.MultiLabel || m.Task.Labels[1] != "right" || m.Pooler || m.Pool != weights.PoolMean || len(m.Warnings) > 0 {
			t.Errorf("%+v, pool %q, pooler %t, warnings %q", m.Task, m.Pool, m.Pooler, m.Warnings)
		}
		silent, err := Open(dir, Options{NoPooler: true})
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		if said := strings.Join(silent.Warnings, "\n"); !strings.Contains(said, "no problem_type") || !strings.Contains(said, "LABEL_0") {
			t.Errorf("warnings %q", silent.Warnings)
		}
	})
}

// TestOpenWithoutHead opens the encoder of checkpoints with and without a head.
func TestOpenWithoutHead(t *testing.T) {
	for _, head := range []bool{true, false} {
		c := newTiny()
		if !head {
			delete(c.tensors, "classifier.weight")
			delete(c.tensors, "classifier.bias")
			c.config["architectures"] = []string{"BertModel"}
		}
		m, err := Open(c.write(t), Options{NoHead: true})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if !slices.Equal(m.Task.Labels, []string{StandIn}) || slices.Contains(m.Weights.Kept, "classifier.weight") || slices.Contains(m.Weights.Dropped, "classifier.weight") != head {
			t.Errorf("head %t: task %+v, kept %q, dropped %q", head, m.Task, m.Weights.Kept, m.Weights.Dropped)
		}
	}
}

func TestNotFinite(t *testing.T) {
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		c := newTiny()
		c.tensors["bert.pooler.dense.weight"].values[5] = float32(value)
		m, err := Open(c.write(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		_, err = m.Weights.Float32("pooler.dense.weight")
		wants(t, err, "tensor bert.pooler.dense.weight: element 5 is ")
	}
}

func TestWeightFiles(t *testing.T) {
	index := func(files map[string]string) []byte {
		text, _ := json.Marshal(map[string]any{"weight_map": files})
		return text
	}
	c := newTiny()
	// Two files: the head, and the rest.
	head, rest, where := newTiny(), newTiny(), map[string]string{}
	head.tensors, rest.tensors = map[string]array{}, map[string]array{}
	for name, a := range c.tensors {
		if strings.HasPrefix(name, "classifier") {
			head.tensors[name], where[name] = a, "b.safetensors"
		} else {
			rest.tensors[name], where[name] = a, "a.safetensors"
		}
	}
	moved := func(name, file string) []byte {
		other := map[string]string{}
		for n, f := range where {
			other[n] = f
		}
		other[name] = file
		return index(other)
	}
	sharded := func(text []byte) map[string][]byte {
		return map[string][]byte{"model.safetensors.index.json": text, "a.safetensors": rest.safetensors(), "b.safetensors": head.safetensors()}
	}
	tests := []struct {
		name  string
		files map[string][]byte
		err   string
	}{
		{"two files", sharded(index(where)), ""},
		{"no weights", nil, "has no weights: want model.safetensors"},
		{"TensorFlow's alone", map[string][]byte{"tf_model.h5": nil}, "has weights as tf_model.h5 alone"},
		{"a Git LFS pointer", map[string][]byte{"model.safetensors": []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")}, "run \"git lfs pull\""},
		{"an empty file", map[string][]byte{"pytorch_model.bin": nil}, "no file that torch.save wrote"},
		{"an index of a missing file", sharded(moved("classifier.bias", "c.safetensors")), "c.safetensors"},
		{"an index that is wrong", sharded(moved("classifier.bias", "a.safetensors")), `a.safetensors: tensor "classifier.bias" is missing, which the index places there`},
		{"an index that climbs", sharded(moved("classifier.bias", "../b.safetensors")), `file "../b.safetensors" is not one beside the index`},
		{"an index of a whole path", sharded(moved("classifier.bias", "/etc/passwd")), "is not one beside the index"},
		{"an index of nothing", sharded(index(nil)), "it names 0 files"},
		{"an index of lists", sharded([]byte(`{"weight_map": {"a": ["b"]}}`)), "weight_map is"},
		{"the same tensors in two files", map[string][]byte{"model.safetensors.index.json": moved("x", "c.safetensors"), "a.safetensors": rest.safetensors(),
			"b.safetensors": head.safetensors(), "c.safetensors": head.safetensors()}, "missing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := c.write(t)
			if err := os.Remove(filepath.Join(dir, "model.safetensors")); err != nil {
				t.Fatal(err)
			}
			for name, data := range test.files {
				put(t, dir, name, data)
			}
			m, err := Open(dir, Options{})
			if err == nil {
				defer m.Close()
				if _, err := m.Weights.Float32("classifier.weight"); err != nil {
					t.Error(err)
				}
			}
			wants(t, err, test.err)
		})
	}
	t.Run("no directory", func(t *testing.T) {
		_, err := Open(filepath.Join(t.TempDir(), "none"), Options{})
		wants(t, err, "there is no directory ")
	})
	t.Run("a folder in place of a file", func(t *testing.T) {
		dir := c.write(t)
		if err := os.Remove(filepath.Join(dir, "vocab.txt")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "vocab.txt"), 0o777); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Options{})
		wants(t, err, "vocab.txt is not a file")
	})
}

// TestChanged takes a file away from under an open checkpoint: reading ends in an error.
func TestChanged(t *testing.T) {
	dir := newTiny().write(t)
	m, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 3000); err != nil {
		t.Fatal(err)
	}
	_, err = m.Weights.Float32("classifier.weight")
	wants(t, err, "tensor classifier.weight: unexpected EOF")
}
