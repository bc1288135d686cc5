package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"bedside/wasm/classify"
)

// readNote reads a note from a file, or from standard input when the file is "-".
// Errors do not name the file.
func readNote(ctx context.Context, s streams, file string) (string, error) {
	from := s.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", unopened(file, err)
		}
		defer f.Close()
		from = f
	} else if f, ok := s.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(s.err, "Type or paste a note; end it with Ctrl-D on a line of its own.")
	}
	data, err := readAll(ctx, io.LimitReader(from, classify.MaxNoteBytes+1))
	if err != nil {
		return "", cause(err)
	}
	if len(data) > classify.MaxNoteBytes {
		return "", classify.ErrNoteTooLarge
	}
	return decode(data)
}

// readAll is io.ReadAll that ends with ctx; the read under way is then left behind, since
// nothing ends one from a terminal.
func readAll(ctx context.Context, from io.Reader) (data []byte, err error) {
	done := make(chan struct{})
	var read []byte
	var failed error
	go func() {
		defer close(done)
		read, failed = io.ReadAll(from)
	}()
	select {
	case <-done:
		return read, failed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errTyped stands for an argument that may be a note, typed in place of a file's name:
// it must not be repeated.
var errTyped = errors.New("there is no such file; to classify text, put it into a file or pass it on standard input")

func unopened(file string, err error) error {
	if strings.ContainsAny(file, " \t\r\n") && !errors.Is(err, fs.ErrPermission) {
		return errTyped
	}
	return cause(err)
}

// cause drops the operation and the file's name from an error of the file system.
func cause(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// decode reads the bytes of a file as the page does: as UTF-8, as UTF-16 where a mark
// says so, and otherwise as Windows-1252, which older systems write.
func decode(data []byte) (string, error) {
	for _, m := range magic {
		if bytes.HasPrefix(data, []byte(m.prefix)) {
			return "", fmt.Errorf("this is %s, not plain text; save it as plain text first", m.kind)
		}
	}
	encoding := unicode.UTF8BOM
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		encoding = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	case !utf8.Valid(data):
		encoding = charmap.Windows1252
	}
	text, err := encoding.NewDecoder().Bytes(data)
	if err != nil {
		return "", fmt.Errorf("the text cannot be decoded: %w", err)
	}
	if !isText(text[:min(len(text), lookedAt)]) {
		return "", errors.New("this is not a text file")
	}
	return string(text), nil
}

var magic = []struct{ prefix, kind string }{
	{"%PDF", "a PDF"},
	{"PK\x03\x04", "a Word file or another zip archive"},
	{"\xd0\xcf\x11\xe0", "an old Word file"},
	{"{\\rtf", "a rich text file"},
	{"\x89PNG", "an image"},
	{"\xff\xd8\xff", "an image"},
}

// lookedAt is how many bytes decide whether a file is text.
const lookedAt = 64 << 10

// isText refuses NUL, and other controls beyond one in 200 bytes.
func isText(sample []byte) bool {
	controls := 0
	for _, c := range sample {
		switch {
		case c == 0:
			return false
		case c < 0x20 && (c < '\t' || c > '\r') && c != 0x1b, c == 0x7f:
			controls++
		}
	}
	return controls <= len(sample)/200
}
