package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Weights are a checkpoint's tensors, in their files. Names are those of BertModel's
// parameters, and classifier.weight and .bias, whether or not the file puts "bert." before
// them, or "module.", as DataParallel does, and whether it says gamma and beta or weight and
// bias of layer norms.
type Weights struct {
	Bytes   int64    // of the files
	Kept    []string // tensors that the model needs, sorted, as the files name them
	Dropped []string // those it does not, likewise

	byName map[string]*stored
	spelt  map[string]string // name to the file's
	files  []*os.File
}

const (
	headWeight   = "classifier.weight"
	poolerWeight = "pooler.dense.weight"
)

// The files that weights come in, by preference, as transformers has it.
var weightFiles = []struct {
	name  string
	index bool
	read  func(io.ReaderAt, int64) (map[string]*stored, error)
}{
	{"model.safetensors", false, readSafetensors},
	{"model.safetensors.index.json", true, readSafetensors},
	{"pytorch_model.bin", false, readTorch},
	{"pytorch_model.bin.index.json", true, readTorch},
}

func openWeights(dir string) (*Weights, error) {
	w := &Weights{byName: map[string]*stored{}, spelt: map[string]string{}}
	for _, f := range weightFiles {
		if !exists(filepath.Join(dir, f.name)) {
			continue
		}
		open := w.openFile
		if f.index {
			open = w.openIndex
		}
		if err := open(dir, f.name, f.read); err != nil {
			w.close()
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		return w, nil
	}
	for _, other := range []string{"tf_model.h5", "flax_model.msgpack", "model.onnx"} {
		if exists(filepath.Join(dir, other)) {
			return nil, fmt.Errorf("%s has weights as %s alone: save them as safetensors or with PyTorch", dir, other)
		}
	}
	return nil, fmt.Errorf("%s has no weights: want model.safetensors or pytorch_model.bin, or an index of several", dir)
}

func (w *Weights) close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

type reader = func(io.ReaderAt, int64) (map[string]*stored, error)

func (w *Weights) openFile(dir, name string, read reader) error {
	tensors, err := w.open(filepath.Join(dir, name), read)
	if err != nil {
		return err
	}
	return w.add(tensors)
}

func (w *Weights) open(path string, read reader) (map[string]*stored, error) {
	f, size, err := openFile(path)
	if err != nil {
		return nil, err
	}
	w.files = append(w.files, f)
	w.Bytes += size
	start := make([]byte, len(pointer))
	if _, err := f.ReadAt(start, 0); err == nil && string(start) == pointer {
		return nil, errors.New("this is a pointer of Git LFS, not the weights: run \"git lfs pull\"")
	}
	return read(f, size)
}

// pointer begins what Git LFS leaves in place of a file.
const pointer = "version https://git-lfs."

// Limits of an index.
const (
	maxIndexFile = 16 << 20
	maxFiles     = 1024
)

// openIndex opens the files that an index names; each must hold the tensors it is named for.
func (w *Weights) openIndex(dir, name string, read reader) error {
	text, err := readFile(filepath.Join(dir, name), maxIndexFile)
	if err != nil {
		return err
	}
	o, err := parseObject(text)
	if err != nil {
		return err
	}
	var files map[string]string // by tensor
	f := &fields{object: o}
	if f.decode("weight_map", &files, "an object of tensors and files"); f.err != nil {
		return f.err
	}
	tensors := map[string][]string{} // by file
	for tensor, file := range files {
		if file == "" || file != filepath.Base(file) || !filepath.IsLocal(file) {
			return fmt.Errorf("file %.80q is not one beside the index", file)
		}
		tensors[file] = append(tensors[file], tensor)
	}
	if len(tensors) == 0 || len(tensors) > maxFiles {
		return fmt.Errorf("it names %d files, want 1 to %d", len(tensors), maxFiles)
	}
	for _, file := range slices.Sorted(maps.Keys(tensors)) {
		if err := w.openPart(dir, file, tensors[file], read); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func (w *Weights) openPart(dir, file string, names []string, read reader) error {
	found, err := w.open(filepath.Join(dir, file), read)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := found[name]; !ok {
			return fmt.Errorf("tensor %.80q is missing, which the index places there", name)
		}
	}
	return w.add(found)
}

// add enters the tensors of a file under the names that Weights documents.
func (w *Weights) add(tensors map[string]*stored) error {
	for spelt, t := range tensors {
		name := strings.TrimPrefix(strings.TrimPrefix(spelt, "module."), "bert.")
		if before, last, ok := cutLast(name, "LayerNorm."); ok {
			last = map[string]string{"gamma": "weight", "beta": "bias"}[last]
			if last != "" {
				name = before + "LayerNorm." + last
			}
		}
		if other, twice := w.spelt[name]; twice {
			return fmt.Errorf("tensors %.80q and %.80q are both there", other, spelt)
		}
		w.byName[name], w.spelt[name] = t, spelt
	}
	return nil
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// resolve finds the tensors the model is made of, and names what is missing, of another
// shape, or left over.
func (w *Weights) resolve(m *Model) error {
	needed := map[string]bool{}
	var missing, wrong []string
	for _, p := range m.parameters() {
		needed[p.name] = true
		t := w.byName[p.name]
		switch {
		case t == nil:
			missing = append(missing, p.name)
		case !slices.Equal(t.shape, p.shape):
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", w.spelt[p.name], t.shape, p.shape))
		case decoders[t.dtype] == nil:
			wrong = append(wrong, fmt.Sprintf("%s is %s, want F32, F16, BF16 or F64", w.spelt[p.name], t.dtype))
		}
	}
	if len(missing) > 0 {
		hint := ""
		if missing[0] == poolerWeight {
			hint = "; for a model that has no pooler give --no-pooler"
		}
		return fmt.Errorf("%d tensors are missing: %s%s", len(missing), some(missing), hint)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d tensors do not fit config.json: %s", len(wrong), some(wrong))
	}
	for name, spelt := range w.spelt {
		if needed[name] {
			w.Kept = append(w.Kept, spelt)
		} else {
			w.Dropped = append(w.Dropped, spelt)
		}
	}
	slices.Sort(w.Kept)
	slices.Sort(w.Dropped)
	return nil
}

// some are the first few of many, for a message.
func some(of []string) string {
	const most = 8
	if len(of) > most {
		return strings.Join(of[:most], ", ") + ", and so on"
	}
	return strings.Join(of, ", ")
}

// parameter is a tensor that a model needs.
type parameter struct {
	name  string
	shape []int
}

// parameters are those of a BERT classifier, or of its encoder alone,
// https://github.com/huggingface/transformers/blob/main/src/transformers/models/bert/modeling_bert.py
func (m *Model) parameters() []parameter {
	c := m.Config
	list := []parameter{
		{"embeddings.word_embeddings.weight", []int{c.Vocabulary, c.Hidden}},
		{"embeddings.position_embeddings.weight", []int{c.Positions, c.Hidden}},
		{"embeddings.token_type_embeddings.weight", []int{c.Types, c.Hidden}},
	}
	dense := func(name string, in, out int) {
		list = append(list, parameter{name + ".weight", []int{out, in}}, parameter{name + ".bias", []int{out}})
	}
	norm := func(name string) {
		list = append(list, parameter{name + ".weight", []int{c.Hidden}}, parameter{name + ".bias", []int{c.Hidden}})
	}
	norm("embeddings.LayerNorm")
	for n := range c.Layers {
		layer := fmt.Sprintf("encoder.layer.%d.", n)
		dense(layer+"attention.self.query", c.Hidden, c.Hidden)
		dense(layer+"attention.self.key", c.Hidden, c.Hidden)
		dense(layer+"attention.self.value", c.Hidden, c.Hidden)
		dense(layer+"attention.output.dense", c.Hidden, c.Hidden)
		norm(layer + "attention.output.LayerNorm")
		dense(layer+"intermediate.dense", c.Hidden, c.Intermediate)
		dense(layer+"output.dense", c.Intermediate, c.Hidden)
		norm(layer + "output.LayerNorm")
	}
	if m.Pooler {
		dense("pooler.dense", c.Hidden, c.Hidden)
	}
	if !m.NoHead {
		dense("classifier", c.Hidden, len(m.Task.Labels))
	}
	return list
}

// Float32 reads a tensor, row-major. An element that is infinite or not a number is refused
// with its place. The error names the tensor as its file does.
func (w *Weights) Float32(name string) ([]float32, error) {
	t := w.byName[name]
	if t == nil {
		return nil, fmt.Errorf("tensor %s is missing", name)
	}
	values, err := t.float32s()
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", w.spelt[name], err)
	}
	return values, nil
}
