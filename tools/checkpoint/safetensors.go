package checkpoint

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxHeader bounds the header of a safetensors file; a large model's takes 100 KB.
const maxHeader = 16 << 20

// readSafetensors reads the header of a safetensors file of size bytes. As the format asks,
// the tensors must fill the rest of the file, without gaps or overlap.
// https://github.com/huggingface/safetensors#format
func readSafetensors(file io.ReaderAt, size int64) (map[string]*stored, error) {
	var length [8]byte
	if _, err := file.ReadAt(length[:], 0); err != nil {
		return nil, fmt.Errorf("the file of %d bytes is too short for safetensors", size)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader {
		return nil, fmt.Errorf("the header has %d bytes, at most %d are read; is this a safetensors file?", n, maxHeader)
	}
	if int64(n) > size-8 {
		return nil, fmt.Errorf("the header has %d bytes, the file only %d", n, size)
	}
	text := make([]byte, n)
	if _, err := file.ReadAt(text, 8); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	o, err := parseObject(text)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	begin := 8 + int64(n)
	tensors := make(map[string]*stored, len(o))
	var runs []run
	for name, value := range o {
		if name == "__metadata__" {
			continue
		}
		t, r, err := readEntry(value)
		if err != nil {
			return nil, fmt.Errorf("header: tensor %.80q: %w", name, err)
		}
		t.file, t.at = file, begin+r.from
		tensors[name] = t
		runs = append(runs, run{name, r.from, r.to})
	}
	return tensors, tile(runs, size-begin)
}

// run is where a tensor's bytes lie, counted from the header's end.
type run struct {
	name     string
	from, to int64
}

// readEntry reads what the header says of a tensor.
func readEntry(value json.RawMessage) (*stored, run, error) {
	o, err := parseObject(value)
	if err != nil {
		return nil, run{}, err
	}
	f := &fields{object: o}
	t := &stored{dtype: f.text("dtype", "")}
	var offsets []int64
	f.decode("shape", &t.shape, "a list of whole numbers")
	f.decode("data_offsets", &offsets, "two whole numbers")
	if f.err == nil && !o.has("shape") {
		f.err = errors.New("shape is missing")
	}
	if f.err != nil {
		return nil, run{}, f.err
	}
	width, ok := widths[t.dtype]
	if !ok {
		return nil, run{}, fmt.Errorf("dtype %.40q is not supported", t.dtype)
	}
	if len(offsets) != 2 || offsets[0] < 0 || offsets[1] < offsets[0] {
		return nil, run{}, fmt.Errorf("data_offsets %.40s are no range", o["data_offsets"])
	}
	n, err := elements(t.shape)
	if err != nil {
		return nil, run{}, err
	}
	if have := offsets[1] - offsets[0]; have != n*int64(width) {
		return nil, run{}, fmt.Errorf("%s %v takes %d bytes, data_offsets give it %d", t.dtype, t.shape, n*int64(width), have)
	}
	return t, run{"", offsets[0], offsets[1]}, nil
}

// tile requires that runs fill size bytes, each beginning where another ends.
func tile(runs []run, size int64) error {
	slices.SortFunc(runs, func(a, b run) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	next := int64(0)
	for _, r := range runs {
		switch {
		case r.from < next:
			return fmt.Errorf("tensor %.80q overlaps another", r.name)
		case r.from > next:
			return fmt.Errorf("tensor %.80q begins %d bytes behind the one before", r.name, r.from-next)
		}
		next = r.to
	}
	if next > size {
		return fmt.Errorf("the tensors take %d bytes, the file has %d: it is cut short", next, size)
	}
	if next < size {
		return fmt.Errorf("%d bytes follow the last tensor", size-next)
	}
	return nil
}
