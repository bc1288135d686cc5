package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tiny is a checkpoint to be written, and spoilt before that.
type tiny struct {
	config  map[string]any
	files   map[string]string // beside config.json and the weights
	tensors map[string]array
}

// array is a float32 tensor.
type array struct {
	shape  []int
	values []float32
}

const tinyVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfever\ncough\n##s\n"

// newTiny is sound: one layer of 4, two heads, two labels.
func newTiny() tiny {
	c := Config{Layers: 1, Hidden: 4, Heads: 2, Intermediate: 6, Vocabulary: 8, Positions: 10, Types: 2}
	m := Model{Config: c, Pooler: true}
	m.Task.Labels = []string{"yes", "no"}
	t := tiny{
		config: map[string]any{
			"architectures": []string{"BertForSequenceClassification"}, "model_type": "bert",
			"num_hidden_layers": 1, "hidden_size": 4, "num_attention_heads": 2, "intermediate_size": 6, "vocab_size": 8,
			"max_position_embeddings": 10, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
			"problem_type": "single_label_classification", "id2label": map[string]string{"0": "yes", "1": "no"},
		},
		files:   map[string]string{"vocab.txt": tinyVocabulary},
		tensors: map[string]array{},
	}
	for _, p := range m.parameters() {
		n := 1
		for _, extent := range p.shape {
			n *= extent
		}
		a := array{p.shape, make([]float32, n)}
		for i := range a.values {
			a.values[i] = float32(i%7) / 8
		}
		name := p.name
		if !strings.HasPrefix(name, "classifier") {
			name = "bert." + name
		}
		t.tensors[name] = a
	}
	return t
}

// write writes the checkpoint with its weights as safetensors.
func (c tiny) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(c.config)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "config.json", text)
	put(t, dir, "model.safetensors", c.safetensors())
	for name, text := range c.files {
		put(t, dir, name, []byte(text))
	}
	return dir
}

func put(t *testing.T, dir, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c tiny) safetensors() []byte {
	header, data := map[string]any{}, []byte{}
	for _, name := range slices.Sorted(maps.Keys(c.tensors)) {
		begin := len(data)
		for _, v := range c.tensors[name].values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": c.tensors[name].shape, "data_offsets": []int{begin, len(data)}}
	}
	text, _ := json.Marshal(header)
	return safetensors(string(text), data)
}

// safetensors is a file of that header and data.
func safetensors(header string, data []byte) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), data...)
}

// zipped is an archive of entries stored as they are, or compressed where the name says so.
func zipped(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		name, compressed := strings.CutPrefix(entries[i], "compressed:")
		header := &zip.FileHeader{Name: name, Method: zip.Store}
		if compressed {
			header.Method = zip.Deflate
		}
		e, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Write([]byte(entries[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wants fails unless err has the text, or is nil where that is "".
func wants(t *testing.T, err error, text string) {
	t.Helper()
	if text == "" && err != nil || text != "" && (err == nil || !strings.Contains(err.Error(), text)) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}
