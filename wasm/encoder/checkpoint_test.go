package encoder

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/weights"
)

// checkpoint is a model as its makers publish it: tensors under their usual names,
// dense weights [out][in].
type checkpoint struct {
	shape      weights.Encoder
	labels     int
	multi      bool
	vocabulary []byte
	tensors    map[string][]float32
}

// golden is what torch makes of a checkpoint; see tools/encoder/bert_goldens.py.
type golden struct {
	Pool   string
	Pooler bool
	Cases  []struct {
		Text           string
		IDs            []int32
		Pooled, Logits []float32
		Exact          []float64
	}
}

// open reads a directory of testdata whose weights are safetensors.
func open(t *testing.T, name string) (checkpoint, golden) {
	t.Helper()
	return openDir(t, filepath.Join("testdata", name))
}

func openDir(t *testing.T, dir string) (checkpoint, golden) {
	t.Helper()
	var config struct {
		Hidden       int               `json:"hidden_size"`
		Layers       int               `json:"num_hidden_layers"`
		Heads        int               `json:"num_attention_heads"`
		Intermediate int               `json:"intermediate_size"`
		Act          string            `json:"hidden_act"`
		Epsilon      float64           `json:"layer_norm_eps"`
		Positions    int               `json:"max_position_embeddings"`
		Types        int               `json:"type_vocab_size"`
		Vocabulary   int               `json:"vocab_size"`
		Labels       map[string]string `json:"id2label"`
		Problem      string            `json:"problem_type"`
	}
	var options struct {
		Lowercase bool `json:"do_lower_case"`
	}
	var g golden
	parse(t, filepath.Join(dir, "config.json"), &config)
	parse(t, filepath.Join(dir, "tokenizer_config.json"), &options)
	parse(t, filepath.Join(dir, "golden.json"), &g)
	c := checkpoint{
		shape: weights.Encoder{
			Architecture: weights.BERT, Layers: config.Layers, Hidden: config.Hidden, Heads: config.Heads,
			Intermediate: config.Intermediate, Epsilon: config.Epsilon, Positions: config.Positions, Types: config.Types,
			Vocabulary: config.Vocabulary, Pooler: g.Pooler, Pool: g.Pool,
			Activation: map[string]string{"gelu": weights.GELU, "gelu_new": weights.GELUTanh, "relu": weights.ReLU}[config.Act],
			Tokenizer:  weights.Tokenizer{Kind: weights.WordPiece, Lowercase: options.Lowercase, StripAccents: options.Lowercase, MaxWord: 100},
			Window:     weights.Window{Tokens: config.Positions, Overlap: 8, Combine: weights.MeanPooled},
		},
		labels:     len(config.Labels),
		multi:      config.Problem == "multi_label_classification",
		vocabulary: readFile(t, filepath.Join(dir, "vocab.txt")),
		tensors:    map[string][]float32{},
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no safetensors, %v", dir, err)
	}
	for _, f := range files {
		readSafetensors(t, readFile(t, f), c.tensors)
	}
	return c, g
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, path string, into any) {
	t.Helper()
	if err := json.Unmarshal(readFile(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readSafetensors(t *testing.T, file []byte, into map[string][]float32) {
	t.Helper()
	n := binary.LittleEndian.Uint64(file)
	header := map[string]struct {
		DType   string
		Offsets [2]int `json:"data_offsets"`
	}{}
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	for name, h := range header {
		data := file[8+n:][h.Offsets[0]:h.Offsets[1]]
		switch h.DType {
		case "F32":
			x := make([]float32, len(data)/4)
			for i := range x {
				x[i] = float32(float(data, i))
			}
			into[name] = x
		case "F16":
			x := make([]float32, len(data)/2)
			for i := range x {
				x[i] = reference.Half(binary.LittleEndian.Uint16(data[2*i:]))
			}
			into[name] = x
		}
	}
}

// invent draws a checkpoint of a shape, with a vocabulary of short words.
func invent(shape weights.Encoder, labels int) checkpoint {
	words := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"}
	for n := len(words); n < shape.Vocabulary; n++ {
		words = append(words, fmt.Sprintf("w%d", n))
	}
	c := checkpoint{shape: shape, labels: labels, vocabulary: []byte(strings.Join(words, "\n") + "\n"), tensors: map[string][]float32{}}
	random := rand.New(rand.NewPCG(11, uint64(shape.Hidden)))
	draw := func(name string, n int, mean float64) {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(mean + 0.25*random.NormFloat64())
		}
		c.tensors[name] = x
	}
	h := shape.Hidden
	dense := func(name string, in, out int) { draw(name+".weight", in*out, 0); draw(name+".bias", out, 0) }
	norm := func(name string) { draw(name+".LayerNorm.weight", h, 1); draw(name+".LayerNorm.bias", h, 0) }
	draw("bert.embeddings.word_embeddings.weight", shape.Vocabulary*h, 0)
	draw("bert.embeddings.position_embeddings.weight", shape.Positions*h, 0)
	draw("bert.embeddings.token_type_embeddings.weight", shape.Types*h, 0)
	norm("bert.embeddings")
	for i := range shape.Layers {
		at := fmt.Sprintf("bert.encoder.layer.%d.", i)
		for _, name := range []string{"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"} {
			dense(at+name, h, h)
		}
		dense(at+"intermediate.dense", h, shape.Intermediate)
		dense(at+"output.dense", shape.Intermediate, h)
		norm(at + "attention.output")
		norm(at + "output")
	}
	dense("bert.pooler.dense", h, h)
	dense("classifier", h, labels)
	return c
}

// bundle is the checkpoint's manifest and tensors, in one of the weight formats.
func (c checkpoint) bundle(t *testing.T, format string) (*weights.Manifest, []weights.Values) {
	t.Helper()
	c.shape.Weights = format
	var v []weights.Values
	table := func(name, from string, rows int) {
		v = append(v, packTable(name, c.tensors[from+".weight"], rows, c.shape.Hidden, format)...)
	}
	norm := func(name, from string) {
		v = append(v, weights.Float32s(name+weights.Gamma, c.tensors[from+".weight"], c.shape.Hidden),
			weights.Float32s(name+weights.Beta, c.tensors[from+".bias"], c.shape.Hidden))
	}
	dense := func(name, format string, in, out int, from ...string) {
		var w, b []float32
		for _, f := range from {
			w, b = append(w, c.tensors[f+".weight"]...), append(b, c.tensors[f+".bias"]...)
		}
		v = append(v, packDense(name, w, b, in, out, format)...)
	}
	h, inner := c.shape.Hidden, c.shape.Intermediate
	v = append(v, weights.Bytes(weights.EncoderVocabulary, c.vocabulary))
	table(weights.EncoderWord, "bert.embeddings.word_embeddings", c.shape.Vocabulary)
	table(weights.EncoderPosition, "bert.embeddings.position_embeddings", c.shape.Positions)
	table(weights.EncoderType, "bert.embeddings.token_type_embeddings", c.shape.Types)
	norm(weights.EncoderNorm, "bert.embeddings.LayerNorm")
	for i := range c.shape.Layers {
		at := fmt.Sprintf("bert.encoder.layer.%d.", i)
		self := at + "attention.self."
		dense(weights.LayerTensor(i, "qkv"), format, h, 3*h, self+"query", self+"key", self+"value")
		dense(weights.LayerTensor(i, "output"), format, h, h, at+"attention.output.dense")
		norm(weights.LayerTensor(i, "output.norm"), at+"attention.output.LayerNorm")
		dense(weights.LayerTensor(i, "up"), format, h, inner, at+"intermediate.dense")
		dense(weights.LayerTensor(i, "down"), format, inner, h, at+"output.dense")
		norm(weights.LayerTensor(i, "down.norm"), at+"output.LayerNorm")
	}
	if c.shape.Pooler {
		dense(weights.EncoderPooler, format, h, h, "bert.pooler.dense")
	}
	head := weights.Float32
	if format == weights.Float16 {
		head = format
	}
	dense(weights.Head, head, h, c.labels, "classifier")

	m := &weights.Manifest{
		Task:    weights.Task{Kind: weights.MultiClass, Labels: make([]string, c.labels)},
		Encoder: &c.shape,
	}
	if c.multi {
		m.Task.Kind = weights.MultiLabel
	}
	if _, err := m.Layout(v); err != nil {
		t.Fatal(err)
	}
	return m, v
}

func packTable(name string, x []float32, rows, columns int, format string) []weights.Values {
	switch format {
	case weights.Float32:
		return []weights.Values{weights.Float32s(name, x, rows, columns)}
	case weights.Float16:
		return []weights.Values{halves(name, toHalves(x), rows, columns)}
	}
	q, scales := toInt8(x, rows, columns)
	return []weights.Values{weights.Int8s(name, q, rows, columns), weights.Float32s(name+weights.Scale, scales, rows)}
}

func packDense(name string, w, bias []float32, in, out int, format string) []weights.Values {
	outs := kernels.Padded(out, kernels.PanelWidth)
	wide := func(x []float32) []float32 { return append(slices.Clone(x), make([]float32, outs-len(x))...) }
	v := []weights.Values{weights.Float32s(name+weights.Bias, wide(bias), outs)}
	panels := []int{outs / kernels.PanelWidth, in, kernels.PanelWidth}
	switch format {
	case weights.Float32:
		return append(v, weights.Float32s(name+weights.Weight, kernels.PackPanels(w, in, out), panels...))
	case weights.Float16:
		return append(v, halves(name+weights.Weight, kernels.PackPanels(toHalves(w), in, out), panels...))
	}
	// Multipliers other than 1, as smoothing makes them: weights are divided by them.
	w, multiplier := slices.Clone(w), make([]float32, in)
	for k := range multiplier {
		multiplier[k] = 1 + 0.5*float32(k%3)
		for n := range out {
			w[n*in+k] /= multiplier[k]
		}
	}
	q, scales := toInt8(w, out, in)
	shape := []int{outs / kernels.PanelWidth, kernels.Padded(in, kernels.PackedDepth) / kernels.GroupDepth, kernels.PanelWidth, kernels.GroupDepth}
	return append(v,
		weights.Int8s(name+weights.Weight, kernels.PackInt8(q, in, out), shape...),
		weights.Float32s(name+weights.Scale, wide(scales), outs),
		weights.Int32s(name+weights.Sums, kernels.PackedSums(q, in, out), outs),
		weights.Float32s(name+weights.Multiplier, multiplier, in))
}

// toInt8 is symmetric, with a scale a row.
func toInt8(x []float32, rows, columns int) (q []int8, scales []float32) {
	for r := range rows {
		row, most := x[r*columns:][:columns], float32(0)
		for _, v := range row {
			most = max(most, v, -v)
		}
		scales = append(scales, most/127)
		for _, v := range row {
			q = append(q, int8(math.RoundToEven(float64(v/most*127))))
		}
	}
	return q, scales
}

func halves(name string, x []uint16, shape ...int) weights.Values {
	var data []byte
	for _, v := range x {
		data = binary.LittleEndian.AppendUint16(data, v)
	}
	return weights.Values{Name: name, DType: weights.F16, Shape: shape, Data: data}
}

// toHalves cuts off what half precision has no place for. Tests take it for numbers
// that have one, which are those of normal halves.
func toHalves(x []float32) []uint16 {
	h := make([]uint16, len(x))
	for i, v := range x {
		bits := math.Float32bits(v)
		if exponent := int(bits>>23&255) - 112; exponent > 0 && exponent < 31 {
			h[i] = uint16(bits>>16&0x8000) | uint16(exponent)<<10 | uint16(bits>>13&1023)
		}
	}
	return h
}

// load makes an encoder ready on a device.
func load(t *testing.T, device kernels.Device, m *weights.Manifest, values []weights.Values) *Encoder {
	t.Helper()
	e, err := New(m, device)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, device, e, m, values)
	i := slices.IndexFunc(values, func(v weights.Values) bool { return v.Name == weights.EncoderVocabulary })
	if err := e.Ready(values[i].Data); err != nil {
		t.Fatal(err)
	}
	return e
}

// fill writes tensors to the device, in two pieces each, as shards bring them.
func fill(t *testing.T, device kernels.Device, e *Encoder, m *weights.Manifest, values []weights.Values) {
	t.Helper()
	data := maps.Collect(func(yield func(string, []byte) bool) {
		for _, v := range values {
			if !yield(v.Name, v.Data) {
				return
			}
		}
	})
	for i, x := range m.Tensors {
		to, ok := e.Destination(i)
		if ok != m.OnDevice(i) {
			t.Fatalf("tensor %s: on the device: %v", x.Name, ok)
		}
		if !ok {
			continue
		}
		if int64(to.Bytes) != x.Size {
			t.Fatalf("tensor %s: %d bytes, its buffer has %d", x.Name, x.Size, to.Bytes)
		}
		cut := uint32(x.Size / 3)
		rest := kernels.Buffer{Address: to.Address + cut, Bytes: to.Bytes - cut}
		for to, data := range map[kernels.Buffer][]byte{to: data[x.Name][:cut], rest: data[x.Name][cut:]} {
			if err := device.Write(to, data); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// loadAs makes a checkpoint ready on a reference device.
func loadAs(t *testing.T, c checkpoint, format string) *Encoder {
	t.Helper()
	m, values := c.bundle(t, format)
	return load(t, reference.NewDevice(), m, values)
}

// finish runs a job to its end.
func finish(t *testing.T, j *Job, err error) []Result {
	t.Helper()
	for done := false; err == nil && !done; {
		done, err = j.Step()
	}
	if err != nil {
		t.Fatal(err)
	}
	return j.Results()
}

// answer is the result for one note.
func answer(t *testing.T, e *Encoder, note string) Result {
	t.Helper()
	j, err := e.Begin(note)
	return finish(t, j, err)[0]
}
