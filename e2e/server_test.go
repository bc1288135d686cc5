package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bedside/tools/serve"
)

// server is the kiosk's handler on loopback, with an ear for every request and a hand
// that can spoil answers or pull the plug.
type server struct {
	t       testing.TB
	handler http.Handler
	address string

	mu       sync.Mutex
	http     *http.Server
	requests []string // method and target, in order of arrival
	sent     map[string]int64
	spoil    http.HandlerFunc // answers instead, for the paths with spoiled
	spoiled  string           // a suffix of paths
}

func newServer(t testing.TB) *server {
	t.Helper()
	handler, err := serve.Handler(site(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, handler: handler, address: "127.0.0.1:0", sent: map[string]int64{}}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start listens, at the same address as before where it was stopped.
func (s *server) start() {
	s.t.Helper()
	var listener net.Listener
	var err error
	for range 50 {
		if listener, err = net.Listen("tcp", s.address); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = listener.Addr().String()
	running := &http.Server{Handler: s}
	s.mu.Lock()
	s.http = running
	s.mu.Unlock()
	go running.Serve(listener)
}

// stop ends the server and cuts every connection.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.http.Close()
}

func (s *server) url() string { return "http://" + s.address + "/" }

// answer makes h answer requests for paths that end in suffix; nil ends that.
func (s *server) answer(suffix string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoiled, s.spoil = suffix, h
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, fmt.Sprintf("%s %s", r.Method, r.RequestURI))
	spoil := s.spoil
	if !strings.HasSuffix(r.URL.Path, s.spoiled) {
		spoil = nil
	}
	s.mu.Unlock()
	if spoil != nil {
		spoil(w, r)
		return
	}
	counted := &counter{ResponseWriter: w}
	s.handler.ServeHTTP(counted, r)
	s.mu.Lock()
	s.sent[r.URL.Path] += counted.bytes
	s.mu.Unlock()
}

// seen is how many requests have arrived.
func (s *server) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// since lists the requests after the first n.
func (s *server) since(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests[n:]...)
}

// bytes sums what has been sent of bodies, in all and for the bundle alone.
func (s *server) bytes() (page, bundle int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, n := range s.sent {
		if strings.HasPrefix(path, "/weights/") {
			bundle += n
		} else {
			page += n
		}
	}
	return page, bundle
}

type counter struct {
	http.ResponseWriter
	bytes int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	return n, err
}

// count is how many requests were for paths with that in them.
func (s *server) count(part string) (n int) {
	for _, r := range s.since(0) {
		if strings.Contains(r, part) {
			n++
		}
	}
	return n
}
