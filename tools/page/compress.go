package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"

	"github.com/andybalholm/brotli"
)

// form is a compressed form of a file.
type form struct {
	ext    string
	pack   func(io.Writer) (io.WriteCloser, error)
	unpack func(io.Reader) (io.Reader, error)
}

var forms = []form{
	{".br",
		func(w io.Writer) (io.WriteCloser, error) {
			return brotli.NewWriterOptions(w, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 24}), nil
		},
		func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }},
	{".gz",
		func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestCompression) },
		func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
}

// cache keeps compressed forms by their contents' hash, since brotli at its best takes
// seconds for the module. The zero cache keeps nothing.
type cache struct{ dir string }

// openCache answers with the user's cache, or with the zero one where there is none.
func openCache() cache {
	base, err := os.UserCacheDir()
	if err != nil {
		return cache{}
	}
	dir := filepath.Join(base, "bedside", "compressed")
	if os.MkdirAll(dir, 0o755) != nil {
		return cache{}
	}
	return cache{dir}
}

func (c cache) compress(f form, contents []byte) ([]byte, error) {
	var file string
	if c.dir != "" {
		file = filepath.Join(c.dir, pin("", contents).SHA256+f.ext)
		if kept, err := os.ReadFile(file); err == nil && unpacksTo(f, kept, contents) {
			return kept, nil
		}
	}
	var b bytes.Buffer
	w, err := f.pack(&b)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(contents); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	keep(file, b.Bytes())
	return b.Bytes(), nil
}

// unpacksTo guards against a damaged cache.
func unpacksTo(f form, packed, contents []byte) bool {
	r, err := f.unpack(bytes.NewReader(packed))
	if err != nil {
		return false
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(contents))+1))
	return err == nil && bytes.Equal(got, contents)
}

// keep is best effort: a cache that cannot be written only costs time.
func keep(file string, packed []byte) {
	if file == "" {
		return
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return
	}
	_, err = temp.Write(packed)
	if temp.Close() != nil || err != nil || os.Rename(temp.Name(), file) != nil {
		os.Remove(temp.Name())
	}
}

// Packed is what the page's server sends for contents to a browser that takes brotli.
func Packed(contents []byte) (int64, error) {
	packed, err := openCache().compress(forms[0], contents)
	return int64(len(packed)), err
}
