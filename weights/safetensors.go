package weights

import (
	"bytes"
	"encoding/binary"

	"bedside/weights/jsontext"
)

// header encodes the safetensors header of tensors laid one after another, padded
// with spaces to a multiple of 8 bytes so that the data is aligned. Its data_offsets
// count from the header's end. https://huggingface.co/docs/safetensors
func header(tensors []Tensor) []byte {
	b := append(make([]byte, 8), '{') // the length comes last
	var at int64
	for i, t := range tensors {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, t.Name)
		b = jsontext.AppendString(append(b, `:{"dtype":`...), t.DType)
		b = jsontext.AppendList(append(b, `,"shape":`...), t.Shape, jsontext.AppendInt)
		b = jsontext.AppendInt(append(b, `,"data_offsets":[`...), at)
		at += t.Size
		b = jsontext.AppendInt(append(b, ','), at)
		b = append(b, "]}"...)
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b
}

// CheckHeader holds the stream's own header against the manifest's tensors.
func (m *Manifest) CheckHeader(data []byte) error {
	if !bytes.Equal(data, header(m.Tensors)) {
		return bad("the stream's safetensors header does not match the manifest's tensors")
	}
	return nil
}
