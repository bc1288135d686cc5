package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// headerEntry is one tensor in a safetensors header: data_offsets count from the
// header's end. https://huggingface.co/docs/safetensors
type headerEntry struct {
	DType       string   `json:"dtype"`
	Shape       []int    `json:"shape"`
	DataOffsets [2]int64 `json:"data_offsets"`
}

// header encodes the safetensors header of tensors laid one after another, padded
// with spaces to a multiple of 8 bytes so that the data is aligned.
func header(tensors []Tensor) ([]byte, error) {
	var b bytes.Buffer
	var at int64
	b.WriteByte('{')
	for i, t := range tensors {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		entry, err := json.Marshal(headerEntry{t.DType, t.Shape, [2]int64{at, at + t.Size}})
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(entry)
		at += t.Size
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(b.Len())), b.Bytes()...), nil
}

// CheckHeader holds the stream's own header against the manifest's tensors.
func (m *Manifest) CheckHeader(data []byte) error {
	want, err := header(m.Tensors)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, want) {
		return bad("the stream's safetensors header does not match the manifest's tensors")
	}
	return nil
}
