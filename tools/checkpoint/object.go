package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// object is the fields of a JSON object, undecoded. Names are exact.
type object map[string]json.RawMessage

// parseObject reads text that is one JSON object. A name that stands twice is refused:
// readers would disagree about which one counts.
func parseObject(text []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil {
		return nil, fmt.Errorf("not readable as JSON: %w", err)
	} else if t != json.Delim('{') {
		return nil, errors.New("want a JSON object")
	}
	o := object{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("not readable as JSON: %w", err)
		}
		name := t.(string) // the decoder lets nothing else stand here
		if _, twice := o[name]; twice {
			return nil, fmt.Errorf("%.80q stands twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("%.80q is not readable as JSON: %w", name, err)
		}
		o[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("not readable as JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

// has says whether the field is there and not null.
func (o object) has(name string) bool {
	value, ok := o[name]
	return ok && string(value) != "null"
}

// fields reads the fields of an object until one is not as it should be, which is err.
type fields struct {
	object
	err error
}

// decode fills to, a pointer, unless the field is absent or null.
func (f *fields) decode(name string, to any, want string) {
	if f.err == nil && f.has(name) && json.Unmarshal(f.object[name], to) != nil {
		f.err = fmt.Errorf("%.80s is %.40s, want %s", name, f.object[name], want)
	}
}

func (f *fields) text(name, absent string) string {
	f.decode(name, &absent, "a text")
	return absent
}

func (f *fields) flag(name string, absent bool) bool {
	f.decode(name, &absent, "true or false")
	return absent
}

// choice is a flag that may be absent.
func (f *fields) choice(name string) *bool {
	var is *bool
	f.decode(name, &is, "true or false")
	return is
}

// count is a whole number from 1 to most; absent 0 means that the field must be there.
func (f *fields) count(name string, absent, most int) int {
	n := absent
	f.decode(name, &n, "a whole number")
	switch {
	case f.err != nil:
	case n == 0 && !f.has(name):
		f.err = fmt.Errorf("%s is missing", name)
	case n < 1 || n > most:
		f.err = fmt.Errorf("%s is %d, want 1 to %d", name, n, most)
	}
	return n
}

// within are the fields of an object in the object; none where it is absent.
func (f *fields) within(name string) *fields {
	if f.err != nil || !f.has(name) {
		return &fields{err: f.err}
	}
	inner, err := parseObject(f.object[name])
	if err != nil {
		f.err = fmt.Errorf("%s: %w", name, err)
	}
	return &fields{inner, f.err}
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, size, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are read", filepath.Base(path), size, limit)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return text, nil
}

// openFile opens a plain file, or a link to one.
func openFile(path string) (*os.File, int64, error) {
	info, err := os.Stat(path) // before opening, which would wait at a pipe
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a file", path)
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}
