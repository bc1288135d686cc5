package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/andybalholm/brotli"
)

func TestServer(t *testing.T) {
	weights := t.TempDir()
	stored := bytes.Repeat([]byte("weights "), 100)
	if err := os.WriteFile(filepath.Join(weights, "model.onnx"), stored, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := serve(map[string]string{"/models/": weights}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	code := bytes.Repeat([]byte("const x = 1\n"), 1000)
	s.put("/index.html", []byte("<!doctype html>"))
	s.put("/main.js", code)
	for _, c := range []struct {
		path, accept, encoding string
		status                 int
		want                   []byte
	}{
		{"", "", "", 200, []byte("<!doctype html>")},
		{"main.js", "gzip, br", "br", 200, code},
		{"main.js", "gzip, br", "br", 200, code}, // from the kept form
		{"main.js", "gzip", "", 200, code},
		{"models/model.onnx", "br", "", 200, stored},
		{"models/other.onnx", "br", "", 404, nil},
		{"models/../server.go", "br", "", 404, nil},
		{"nothing", "", "", 404, nil},
	} {
		s.sent()
		r, err := http.NewRequest("GET", s.url()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", c.accept)
		got, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		got.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		sentCode, sentWeights := s.sent()
		h := got.Header
		if got.StatusCode != c.status || h.Get("Content-Encoding") != c.encoding {
			t.Errorf("%s: status %d, encoding %q", c.path, got.StatusCode, h.Get("Content-Encoding"))
		}
		if h.Get("Cross-Origin-Opener-Policy") != "same-origin" || h.Get("Cross-Origin-Embedder-Policy") != "require-corp" {
			t.Errorf("%s is not isolated: %v", c.path, h)
		}
		if c.want == nil {
			continue
		}
		if sentCode+sentWeights != int64(len(body)) || (sentWeights > 0) != bytes.Equal(c.want, stored) {
			t.Errorf("%s: %d bytes of code and %d of weights, sent %d", c.path, sentCode, sentWeights, len(body))
		}
		if c.encoding == "br" {
			if len(body) >= len(c.want) {
				t.Errorf("%s: brotli makes %d bytes of %d", c.path, len(body), len(c.want))
			}
			body, err = io.ReadAll(brotli.NewReader(bytes.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, c.want) {
			t.Errorf("%s: %.40q", c.path, body)
		}
	}
}
