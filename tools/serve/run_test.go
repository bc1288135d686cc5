package serve

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// start runs the server and gives its URL and a function that ends it.
func start(t *testing.T, options Options) (string, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	options.Ready = func(address string) { ready <- address }
	go func() { ended <- Run(ctx, options) }()
	t.Cleanup(cancel)
	select {
	case address := <-ready:
		return address, func() error { cancel(); return <-ended }
	case err := <-ended:
		t.Fatal(err)
	}
	panic("unreachable")
}

func TestRunServesAndStops(t *testing.T) {
	address, stop := start(t, Options{Site: site(), Address: "127.0.0.1:0"})
	r, err := http.Get(address + "sw.js")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || r.StatusCode != 200 || len(text) == 0 {
		t.Errorf("%d %q %v", r.StatusCode, text, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(address); err == nil {
		t.Error("the server still answers")
	}
}

func TestRunTakesAFreePortWhenItsOwnIsTaken(t *testing.T) {
	if l, err := net.Listen("tcp", DefaultAddress); err == nil {
		defer l.Close()
	}
	address, stop := start(t, Options{Site: site()})
	if !strings.HasPrefix(address, "http://127.0.0.1:") || strings.Contains(address, DefaultAddress) {
		t.Errorf("serving at %s, want another loopback port", address)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestRunKeepsToTheAddressAskedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Run(t.Context(), Options{Site: site(), Address: l.Addr().String()}); err == nil {
		t.Error("a taken address the user chose was replaced")
	}
}

func TestRunRefusesRemoteAddresses(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:0"} {
		err := Run(t.Context(), Options{Site: site(), Address: address})
		if err == nil || !strings.Contains(err.Error(), "other machines") {
			t.Errorf("%s: %v, want a refusal that says why", address, err)
		}
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:x", "localhost:99999"} {
		if err := Run(t.Context(), Options{Site: site(), Address: address}); err == nil {
			t.Errorf("%s: no error", address)
		}
	}
	for _, options := range []Options{
		{Address: "0.0.0.0:0", AllowRemote: true},
		{Address: "localhost:0"},
		{Address: "127.0.0.2:0"},
	} {
		options.Site = site()
		_, stop := start(t, options)
		if err := stop(); err != nil {
			t.Errorf("%s: %v", options.Address, err)
		}
	}
}

// slowFiles hold up the reading of one file until released.
type slowFiles struct {
	fstest.MapFS
	reading, release chan struct{}
}

type slowFile struct {
	readSeekCloser
	stat func() (fs.FileInfo, error)
	slow *slowFiles
}

func (f slowFile) Stat() (fs.FileInfo, error) { return f.stat() }

func (f slowFile) Read(b []byte) (int, error) {
	f.slow.reading <- struct{}{}
	<-f.slow.release
	return f.readSeekCloser.Read(b)
}

func (s *slowFiles) Open(name string) (fs.File, error) {
	f, err := s.MapFS.Open(name)
	if err != nil || name != "sw.js" {
		return f, err
	}
	return slowFile{f.(readSeekCloser), f.Stat, s}, nil
}

func TestShutdownLetsAnswersFinish(t *testing.T) {
	files := &slowFiles{site(), make(chan struct{}, 100), make(chan struct{})}
	address, stop := start(t, Options{Site: files, Address: "127.0.0.1:0", Grace: 10 * time.Second})
	answered := make(chan string)
	go func() {
		r, err := http.Get(address + "sw.js")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		answered <- fmt.Sprint(string(text), err)
	}()
	<-files.reading
	stopped := make(chan error)
	go func() { stopped <- stop() }()
	time.Sleep(50 * time.Millisecond)
	close(files.release)
	if got := <-answered; got != "// worker<nil>" {
		t.Errorf("the running answer ended as %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestShutdownDoesNotWaitForEver(t *testing.T) {
	files := &slowFiles{site(), make(chan struct{}, 100), make(chan struct{})}
	defer close(files.release)
	address, stop := start(t, Options{Site: files, Address: "127.0.0.1:0", Grace: 50 * time.Millisecond})
	go func() {
		if r, err := http.Get(address + "sw.js"); err == nil {
			r.Body.Close()
		}
	}()
	<-files.reading
	begun := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

func TestOversizedHeadersAreRefused(t *testing.T) {
	address, stop := start(t, Options{Site: site(), Address: "127.0.0.1:0"})
	conn, err := net.Dial("tcp", strings.Trim(strings.TrimPrefix(address, "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: kiosk\r\nX-Long: %s\r\n\r\n", strings.Repeat("a", 4*maxHeaderBytes))
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", r.StatusCode)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
