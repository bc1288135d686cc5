package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// legacyMagic is the pickle of 0x1950a86a20f9469cfc6c, with which torch.save began files
// before PyTorch 1.6. There follow the pickles of a protocol number, of the system's
// properties, of the state and of the storages' keys; then, for each key, the number of
// elements (8 bytes) and the elements.
// https://github.com/pytorch/pytorch/blob/main/torch/serialization.py (_legacy_save)
var legacyMagic = []byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.")

const legacyProtocol = 1001

func readLegacy(file io.ReaderAt, size int64) (map[string]*stored, error) {
	text := make([]byte, min(size, maxPickle))
	if _, err := file.ReadAt(text, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	u := unpickler{text: text, at: len(legacyMagic)}
	if version, err := u.next(); err != nil {
		return nil, err
	} else if n, _ := version.(int64); n != legacyProtocol {
		return nil, fmt.Errorf("protocol %d of torch.save is not read, only %d", n, legacyProtocol)
	}
	system, err := u.next()
	if err != nil {
		return nil, err
	}
	if d, ok := system.(*dict); !ok || d.get("little_endian") != true {
		return nil, errors.New("its byte order is not little-endian, which alone is read")
	}
	sizes := map[string]storage{}
	state, err := u.next()
	if err != nil {
		return nil, err
	}
	keys, err := u.next()
	if err != nil {
		return nil, err
	}
	if err := collect(state, sizes); err != nil {
		return nil, err
	}
	sources, err := locate(file, size, int64(u.at), keys, sizes)
	if err != nil {
		return nil, err
	}
	return views(state, func(s storage) (*source, error) {
		if from := sources[s.key]; from != nil {
			return from, nil
		}
		return nil, fmt.Errorf("storage %.80q is not in the file", s.key)
	})
}

// get is the value of a key, the last where there are several.
func (d *dict) get(key string) (value any) {
	for _, item := range d.items {
		if item.key == key {
			value = item.value
		}
	}
	return value
}

// collect gathers the storages of a state dictionary's tensors by key.
func collect(state any, into map[string]storage) error {
	d, ok := state.(*dict)
	if !ok {
		return nil // views says so
	}
	if err := flat(d); err != nil {
		return err
	}
	for _, item := range d.items {
		if v, ok := item.value.(view); ok {
			if known, twice := into[v.of.key]; twice && known != v.of {
				return fmt.Errorf("storage %.80q has two types or sizes", v.of.key)
			}
			into[v.of.key] = v.of
		}
	}
	return nil
}

// locate finds the storages, which follow each other from byte at on, in the order of keys.
func locate(file io.ReaderAt, size, at int64, keys any, sizes map[string]storage) (map[string]*source, error) {
	listed, ok := keys.(*list)
	if !ok {
		return nil, errors.New("the list of storages is missing")
	}
	sources := map[string]*source{}
	for _, k := range listed.items {
		key, _ := k.(string)
		s, ok := sizes[key]
		if !ok {
			return nil, fmt.Errorf("storage %.80q belongs to no tensor", key)
		}
		if sources[key] != nil {
			return nil, fmt.Errorf("storage %.80q stands twice", key)
		}
		var count [8]byte
		if _, err := file.ReadAt(count[:], at); err != nil {
			return nil, fmt.Errorf("storage %.80q: the file is cut short", key)
		}
		bytes := s.elements * int64(widths[s.dtype])
		if n := binary.LittleEndian.Uint64(count[:]); n != uint64(s.elements) {
			return nil, fmt.Errorf("storage %.80q has %d elements, its tensors say %d", key, n, s.elements)
		}
		at += int64(len(count))
		if bytes > size-at {
			return nil, fmt.Errorf("storage %.80q: the file is cut short", key)
		}
		sources[key] = &source{file: file, at: at, size: bytes}
		at += bytes
	}
	return sources, nil
}
