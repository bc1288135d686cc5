package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
)

// server gives both engines their files on loopback, as a static host would: code as
// brotli, weights as they are, everything cacheable and cross-origin isolated.
type server struct {
	address string
	dirs    map[string]string // what paths begin with, and where the files lie
	packed  string            // directory that keeps compressed forms

	mu    sync.Mutex
	made  map[string][]byte // files that are nowhere else, by path
	tally map[string]int64  // bytes of bodies sent, by path
	http  *http.Server
}

func serve(dirs map[string]string, packed string) (*server, error) {
	if err := os.MkdirAll(packed, 0o755); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{address: listener.Addr().String(), dirs: dirs, packed: packed, made: map[string][]byte{}, tally: map[string]int64{}}
	s.http = &http.Server{Handler: s}
	go s.http.Serve(listener)
	return s, nil
}

func (s *server) stop() { s.http.Close() }

func (s *server) url() string { return "http://" + s.address + "/" }

// put makes a file.
func (s *server) put(path string, contents []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[path] = contents
}

// sent is the bytes of bodies sent since the last call, code apart from weights.
func (s *server) sent() (code, weights int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for file, n := range s.tally {
		if strings.HasPrefix(file, "/models/") {
			weights += n
		} else {
			code += n
		}
	}
	clear(s.tally)
	return code, weights
}

var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript",
	".wasm": "application/wasm", ".json": "application/json",
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Clean(r.URL.Path)
	if name == "/" {
		name = "/index.html"
	}
	h := w.Header()
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	contents, err := s.read(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	h.Set("Cache-Control", "public, max-age=86400, immutable")
	kind := types[path.Ext(name)]
	if code := kind != "" && kind != types[".json"]; code && strings.Contains(r.Header.Get("Accept-Encoding"), "br") {
		if contents, err = s.pack(contents); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h.Set("Content-Encoding", "br")
	}
	if kind == "" {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(contents)))
	// Counted first: whoever has the last byte may ask for the sum.
	s.mu.Lock()
	s.tally[name] += int64(len(contents))
	s.mu.Unlock()
	w.Write(contents)
}

func (s *server) read(name string) ([]byte, error) {
	s.mu.Lock()
	contents, ok := s.made[name]
	s.mu.Unlock()
	if ok {
		return contents, nil
	}
	for prefix, dir := range s.dirs {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return os.ReadFile(filepath.Join(dir, filepath.FromSlash(rest)))
		}
	}
	return nil, fmt.Errorf("no file %s", name)
}

// pack is the brotli form, which takes long for the peer's runtime and is kept.
func (s *server) pack(contents []byte) ([]byte, error) {
	sum := sha256.Sum256(contents)
	file := filepath.Join(s.packed, hex.EncodeToString(sum[:])+".br")
	if kept, err := os.ReadFile(file); err == nil {
		return kept, nil
	}
	var b bytes.Buffer
	w := brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 24})
	if _, err := w.Write(contents); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	temp := fmt.Sprintf("%s.%d", file, time.Now().UnixNano())
	if err := os.WriteFile(temp, b.Bytes(), 0o644); err != nil {
		return nil, err
	}
	return b.Bytes(), os.Rename(temp, file)
}
