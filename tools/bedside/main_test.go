package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bedside/tools/train/invented"
)

// stopper is a standard error that interrupts the command when it is first written to.
type stopper struct {
	text bytes.Buffer
	stop context.CancelFunc
}

func (s *stopper) Write(p []byte) (int, error) {
	s.stop()
	return s.text.Write(p)
}

func TestInterrupted(t *testing.T) {
	data := filepath.Join(t.TempDir(), "notes.csv")
	if err := os.WriteFile(data, invented.CSV(invented.Notes(200, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--data", data, "--text", "note", "--label", "label", "--label-separator", ";"}
	model := filepath.Join(t.TempDir(), "model")
	train := append([]string{"train", "--multi-label", "--out", model}, flags...)
	if code := run(t.Context(), train, streams{strings.NewReader(""), io.Discard, io.Discard, false}); code != exitOK {
		t.Fatalf("training exits with %d", code)
	}
	before := list(t, filepath.Dir(model))

	other := filepath.Join(filepath.Dir(model), "other")
	tests := []struct {
		name string
		args []string
	}{
		{"train", append([]string{"train", "--multi-label", "--out", other, "--family", "lr,svm", "--features", "char,word"}, flags...)},
		{"train in place of a model", append([]string{"train", "--multi-label", "--out", model, "--C", "7"}, flags...)},
		{"evaluate", append([]string{"evaluate", "--bundle", model}, flags...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var out bytes.Buffer
			stderr := &stopper{stop: stop}
			code := run(ctx, test.args, streams{strings.NewReader(""), &out, stderr, true}) // on a terminal: the bar is written at once
			if code != exitInterrupted || !strings.HasSuffix(stderr.text.String(), "bedside: interrupted\n") {
				t.Errorf("exit code %d, message %q", code, stderr.text.String())
			}
			if out.Len() > 0 {
				t.Errorf("printed %q", out.String())
			}
			if after := list(t, filepath.Dir(model)); after != before {
				t.Errorf("files before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// list gives the names, sizes and times of the files under dir.
func list(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			b.WriteString(path + " " + info.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestInterruptedWhileReading: a terminal's end of a pipe may never come.
func TestInterruptedWhileReading(t *testing.T) {
	silent, writer := io.Pipe()
	defer writer.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := readNote(ctx, streams{in: silent}, "-"); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestTheBarStaysOffStandardOutput(t *testing.T) {
	data := filepath.Join(t.TempDir(), "notes.csv")
	if err := os.WriteFile(data, invented.CSV(invented.Single(invented.Notes(60, 2))), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"train", "--data", data, "--text", "note", "--label", "label", "--folds", "2", "--json"}
	var outs, errs [2]bytes.Buffer
	for i, terminal := range []bool{false, true} {
		out := filepath.Join(t.TempDir(), "model")
		if code := run(t.Context(), append(args, "--out", out), streams{strings.NewReader(""), &outs[i], &errs[i], terminal}); code != exitOK {
			t.Fatalf("exit code %d: %s", code, errs[i].String())
		}
		outs[i] = *bytes.NewBufferString(strings.Replace(outs[i].String(), out, "DIR", 1))
	}
	if outs[0].String() != outs[1].String() {
		t.Errorf("standard output differs on a terminal:\n%s\n%s", outs[0].String(), outs[1].String())
	}
	if errs[0].Len() > 0 || errs[1].Len() == 0 {
		t.Errorf("standard error: %q, on a terminal %q", errs[0].String(), errs[1].String())
	}
}

func TestDecode(t *testing.T) {
	tests := []struct{ name, data, want, err string }{
		{"nothing", "", "", ""},
		{"UTF-8", "café 心", "café 心", ""},
		{"UTF-8 with a mark", "\xef\xbb\xbfcafé", "café", ""},
		{"UTF-16, little end first", "\xff\xfec\x00a\x00f\x00\xe9\x00", "café", ""},
		{"UTF-16, big end first", "\xfe\xff\x00c\x00a\x00f\x00\xe9", "café", ""},
		{"Windows-1252", "caf\xe9 \x93quoted\x94", "café “quoted”", ""},
		{"an undefined byte of Windows-1252", "caf\xe9 \x81", "café \ufffd", ""},
		{"half a UTF-16 unit", "\xff\xfec\x00a", "c\ufffd", ""},
		{"NUL", "fever\x00", "", "not a text file"},
		{"UTF-16 without a mark", "c\x00a\x00", "", "not a text file"},
		{"controls", strings.Repeat("fever\x02", 10), "", "not a text file"},
		{"a control among much text", strings.Repeat("fever ", 100) + "\x0c\x02", strings.Repeat("fever ", 100) + "\x0c\x02", ""},
		{"a PDF", "%PDF-1.7", "", "a PDF"},
		{"a zip archive", "PK\x03\x04....", "", "zip archive"},
		{"rich text", `{\rtf1 fever}`, "", "rich text"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := decode([]byte(test.data))
			if test.err == "" && (err != nil || got != test.want) {
				t.Errorf("got %q and error %v, want %q", got, err, test.want)
			}
			if test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("fever"))
	f.Add([]byte("\xff\xfe\x00\xd8"))
	f.Add([]byte("caf\xe9"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, err := decode(data)
		if err == nil && strings.ToValidUTF8(text, "") != text {
			t.Errorf("%q became %q, which is not UTF-8", data, text)
		}
	})
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"my-model": "my-model", "My Model.v2": "my-model-v2", "..": "model", "Ä": "model", "-a-": "a",
		strings.Repeat("a", 100): strings.Repeat("a", 64),
	} {
		if got := slug(in); got != want {
			t.Errorf("slug(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"chest pain": "chest pain", " a\n\tb ": "a b", "\x1b[31mred\x07": "[31mred", "a\u202eb": "a b", "心臓": "心臓", "a\xffb": "a\ufffdb",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}
