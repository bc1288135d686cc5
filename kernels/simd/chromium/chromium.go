// Package chromium runs the SIMD kernels in a real Chromium, for tests and
// measurements: every build, with any number of threads.
package chromium

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"bedside/kernels/simd"
	"bedside/kernels/simd/built"
)

//go:embed page.html
var page string

//go:embed leader.js
var leader string

//go:embed helper.js
var helper string

// ErrNoBrowser: there is no Chromium here.
var ErrNoBrowser = errors.New("chromium: no browser: install Debian's chromium, or name one in BEDSIDE_CHROMIUM")

// Browser is a running Chromium.
type Browser struct {
	ctx    context.Context
	stop   []func()
	server *httptest.Server
}

// Start starts a headless Chromium with extra command line flags, such as
// "js-flags=--no-enable-avx-vnni".
func Start(ctx context.Context, flags map[string]string) (*Browser, error) {
	path := os.Getenv("BEDSIDE_CHROMIUM")
	if path == "" {
		var err error
		if path, err = exec.LookPath("chromium"); err != nil {
			return nil, ErrNoBrowser
		}
	}
	profile, err := os.MkdirTemp("", "bedside-kernels-*")
	if err != nil {
		return nil, err
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun,
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
	}
	for name, value := range flags {
		options = append(options, chromedp.Flag(name, value))
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	tab, stopTab := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	b := &Browser{ctx: tab, server: httptest.NewServer(http.HandlerFunc(serve)), stop: []func(){stopTab, stopAllocator}}
	b.stop = append(b.stop, b.server.Close, func() { os.RemoveAll(profile) })
	if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
		b.Close()
		return nil, fmt.Errorf("chromium: starting %s: %w", path, err)
	}
	return b, nil
}

// Close ends the browser.
func (b *Browser) Close() {
	for _, stop := range b.stop {
		stop()
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	body := page
	switch r.URL.Path {
	case "/leader.js":
		h.Set("Content-Type", "text/javascript")
		body = leader
	case "/helper.js":
		h.Set("Content-Type", "text/javascript")
		body = helper
	}
	_, _ = w.Write([]byte(body))
}

// Tab is one page with kernels; it implements simd.Host. A browser's refusal of memory
// is an answer; any other failure panics.
type Tab struct {
	ctx     context.Context
	close   func()
	threads int
}

var _ simd.Host = (*Tab)(nil)

// Open starts the kernels of a variant of ABI.md, "dot" say, in a page of their own:
// the single build, or with threads > 0 the shared one.
func (b *Browser) Open(variant string, threads int) (*Tab, error) {
	file := variant + "-single.wasm"
	if threads > 0 {
		file = variant + "-shared.wasm"
	}
	wasm, err := built.Kernels(file)
	if err != nil {
		return nil, err
	}
	return b.OpenModule(wasm, threads)
}

// OpenModule is Open for any module with the kernels' import; threads says whether its
// memory is shared.
func (b *Browser) OpenModule(wasm []byte, threads int) (*Tab, error) {
	t := &Tab{threads: max(threads, 1)}
	t.ctx, t.close = chromedp.NewContext(b.ctx)
	if err := chromedp.Do(t.ctx, chromedp.Navigate(b.server.URL)); err != nil {
		t.close()
		return nil, fmt.Errorf("chromium: opening a page: %w", err)
	}
	message := map[string]any{"kind": "start", "wasm": base64.StdEncoding.EncodeToString(wasm), "threads": threads}
	if err := t.ask(message, nil); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// Close closes the page.
func (t *Tab) Close() { t.close() }

func (t *Tab) ask(message map[string]any, answer any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	yes := true
	got, err := chromedp.Call(t.ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: "ask(" + string(text) + ").then(answer => answer ?? null)", AwaitPromise: &yes, ReturnByValue: &yes,
	})
	if err == nil && got.ExceptionDetails != nil {
		err = fmt.Errorf("%s %s", got.ExceptionDetails.Text, got.ExceptionDetails.Exception.Description)
	}
	if err != nil {
		return fmt.Errorf("chromium: %s: %w", message["kind"], err)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(got.Result.Value, answer)
}

func (t *Tab) must(message map[string]any, answer any) {
	if err := t.ask(message, answer); err != nil {
		panic(err)
	}
}

func (t *Tab) Reserve(bytes uint32) bool {
	return t.ask(map[string]any{"kind": "reserve", "bytes": bytes}, nil) == nil
}

func (t *Tab) Write(to uint32, data []byte) {
	const most = 8 << 20
	for len(data) > 0 {
		n := min(len(data), most)
		t.must(map[string]any{"kind": "write", "to": to, "data": base64.StdEncoding.EncodeToString(data[:n])}, nil)
		to, data = to+uint32(n), data[n:]
	}
}

func (t *Tab) Read(data []byte, from uint32) {
	var text []byte
	t.must(map[string]any{"kind": "read", "from": from, "length": len(data)}, &text)
	copy(data, text)
}

func (t *Tab) Run(program uint32) int32 {
	var answer int32
	t.must(map[string]any{"kind": "run", "program": program}, &answer)
	return answer
}

// Betrayed is a host whose runs lose a helper that has begun a piece.
type Betrayed struct{ *Tab }

func (b Betrayed) Run(program uint32) int32 {
	var answer int32
	b.must(map[string]any{"kind": "betray", "program": program}, &answer)
	return answer
}

func (t *Tab) Threads() int { return t.threads }

// Time runs a program that has been written, and answers the milliseconds of each round.
func (t *Tab) Time(program uint32, rounds int) ([]float64, error) {
	var times []float64
	err := t.ask(map[string]any{"kind": "time", "program": program, "rounds": rounds}, &times)
	return times, err
}

// Probe times the kernels' own probe: its checksum and milliseconds.
func (t *Tab) Probe(rounds int) (sum int32, ms float64, err error) {
	var answer struct {
		Sum int32
		MS  float64
	}
	err = t.ask(map[string]any{"kind": "probe", "rounds": rounds}, &answer)
	return answer.Sum, answer.MS, err
}
