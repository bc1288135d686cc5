package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
)

// readTorch reads what torch.save wrote of a state dictionary, in today's format or in the
// one before PyTorch 1.6. Nothing of the file is executed.
// https://pytorch.org/docs/stable/notes/serialization.html
func readTorch(file io.ReaderAt, size int64) (map[string]*stored, error) {
	start := make([]byte, min(size, 512))
	if _, err := file.ReadAt(start, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return readZip(file, size)
	case bytes.HasPrefix(start, legacyMagic):
		return readLegacy(file, size)
	case len(start) == 512 && string(start[257:262]) == "ustar":
		return nil, errors.New("the tar format of PyTorch before 0.4 is not read; save the model again with a newer PyTorch")
	case bytes.HasPrefix(start, []byte("\x80")):
		return nil, errors.New("this is a pickle, but not one that torch.save wrote; save the model again, as safetensors")
	}
	return nil, errors.New("this is no file that torch.save wrote")
}

// maxDirectory bounds what is read to find a zip archive's entries; BERT's take 15 KB.
const maxDirectory = 8 << 20

// budget is a file of which only so much may be read.
type budget struct {
	file io.ReaderAt
	left int64
}

func (b *budget) ReadAt(to []byte, at int64) (int, error) {
	if b.left -= int64(len(to)); b.left < 0 {
		return 0, fmt.Errorf("the directory of the zip archive is larger than %d bytes", maxDirectory)
	}
	return b.file.ReadAt(to, at)
}

// archive is the entries of a zip archive that torch.save wrote, all stored as they are, in
// one folder.
type archive struct {
	file    io.ReaderAt
	size    int64
	entries map[string]*zip.File
}

func readZip(file io.ReaderAt, size int64) (map[string]*stored, error) {
	limited := &budget{file, maxDirectory}
	z, err := zip.NewReader(limited, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // no path of it is used
		return nil, fmt.Errorf("zip archive: %w; is the file complete?", err)
	}
	a := archive{file, size, make(map[string]*zip.File, len(z.File))}
	for _, e := range z.File {
		_, name, _ := strings.Cut(e.Name, "/")
		if _, twice := a.entries[name]; twice {
			return nil, fmt.Errorf("zip archive: entry %.80q stands twice", name)
		}
		a.entries[name] = e
	}
	if a.entries["constants.pkl"] != nil {
		return nil, errors.New("this is a TorchScript program, not a state dictionary; save model.state_dict()")
	}
	if text, err := a.read("byteorder", 16); err == nil && string(text) != "little" {
		return nil, fmt.Errorf("its byte order is %q, only \"little\" is read", text)
	}
	text, err := a.read("data.pkl", maxPickle)
	if err != nil {
		return nil, err
	}
	limited.left = maxDirectory // for the entries' own headers
	return a.tensors(text)
}

func (a *archive) tensors(text []byte) (map[string]*stored, error) {
	u := unpickler{text: text}
	state, err := u.next()
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", err)
	}
	sources := map[string]*source{}
	return views(state, func(s storage) (*source, error) {
		if known := sources[s.key]; known != nil {
			return known, nil
		}
		name := "data/" + s.key
		at, size, err := a.find(name)
		if err != nil {
			return nil, err
		}
		e := a.entries[name]
		sources[s.key] = &source{a.file, at, size, sync.OnceValue(func() error { return a.checkSum(e, at, size) })}
		return sources[s.key], nil
	})
}

// find is where an entry's bytes lie.
func (a *archive) find(name string) (at, size int64, err error) {
	e := a.entries[name]
	if e == nil {
		return 0, 0, fmt.Errorf("zip archive: entry %.80q is missing", name)
	}
	const encrypted = 1
	if e.Method != zip.Store || e.Flags&encrypted != 0 || e.CompressedSize64 != e.UncompressedSize64 {
		return 0, 0, fmt.Errorf("zip archive: entry %.80q is compressed or encrypted, which torch.save never does", name)
	}
	at, err = e.DataOffset()
	if err != nil {
		return 0, 0, fmt.Errorf("zip archive: entry %.80q: %w", name, err)
	}
	if e.UncompressedSize64 > uint64(a.size) || at > a.size-int64(e.UncompressedSize64) {
		return 0, 0, fmt.Errorf("zip archive: entry %.80q has %d bytes, more than the file: it is cut short", name, e.UncompressedSize64)
	}
	return at, int64(e.UncompressedSize64), nil
}

// read is an entry's bytes, at most limit.
func (a *archive) read(name string, limit int64) ([]byte, error) {
	at, size, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("zip archive: entry %.80q has %d bytes, at most %d are read", name, size, limit)
	}
	text := make([]byte, size)
	if _, err := a.file.ReadAt(text, at); err != nil {
		return nil, fmt.Errorf("zip archive: entry %.80q: %w", name, err)
	}
	return text, a.checkSum(a.entries[name], at, size)
}

// checkSum holds an entry against its CRC-32; 0 stands for none, as
// torch.serialization.set_crc32_options(False) leaves it.
func (a *archive) checkSum(e *zip.File, at, size int64) error {
	if e.CRC32 == 0 {
		return nil
	}
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, io.NewSectionReader(a.file, at, size)); err != nil {
		return err
	}
	if sum.Sum32() != e.CRC32 {
		return fmt.Errorf("zip archive: entry %.80q is damaged: its CRC-32 is not the one written down", e.Name)
	}
	return nil
}

// source is where the elements of a storage lie.
type source struct {
	file     io.ReaderAt
	at, size int64
	verify   func() error
}

// flat refuses a dictionary with state dictionaries in it, as training scripts save them. The
// first value within tells; one dictionary may stand in many places.
func flat(d *dict) error {
	for _, item := range d.items {
		inner, ok := item.value.(*dict)
		if !ok || len(inner.items) == 0 {
			continue
		}
		if _, ok := inner.items[0].value.(view); ok {
			name, _ := item.key.(string)
			return fmt.Errorf("its tensors stand in a dictionary within, %.80q; save model.state_dict() alone", name)
		}
	}
	return nil
}

// views turns a state dictionary into the tensors of a file. What is no tensor is left out,
// but for its name, with a nil.
func views(state any, locate func(storage) (*source, error)) (map[string]*stored, error) {
	d, ok := state.(*dict)
	if !ok {
		return nil, errors.New("it holds no state dictionary; save model.state_dict()")
	}
	if err := flat(d); err != nil {
		return nil, err
	}
	tensors := make(map[string]*stored, len(d.items))
	for _, item := range d.items {
		name, ok := item.key.(string)
		if !ok {
			return nil, errors.New("the state dictionary has a key that is no text")
		}
		if _, twice := tensors[name]; twice {
			return nil, fmt.Errorf("tensor %.80q stands twice", name)
		}
		tensors[name] = nil
		v, ok := item.value.(view)
		if !ok {
			continue
		}
		t, err := v.in(locate)
		if err != nil {
			return nil, fmt.Errorf("tensor %.80q: %w", name, err)
		}
		tensors[name] = t
	}
	return tensors, nil
}

// in is the view as part of a file.
func (v view) in(locate func(storage) (*source, error)) (*stored, error) {
	from, err := locate(v.of)
	if err != nil {
		return nil, err
	}
	width := int64(widths[v.of.dtype])
	if from.size != v.of.elements*width {
		return nil, fmt.Errorf("%d elements of %s want %d bytes, the file has %d", v.of.elements, v.of.dtype, v.of.elements*width, from.size)
	}
	t := &stored{dtype: v.of.dtype, shape: v.shape, file: from.file, at: from.at + v.offset*width, verify: from.verify}
	return t, t.setStrides(v.strides, v.offset, v.of.elements)
}
