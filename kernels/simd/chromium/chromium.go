// Package chromium runs the SIMD kernels in a real Chromium, for tests and
// measurements: every build, with any number of threads.
package chromium

import (
	"context"
	_ "embed"
	"encoding/base64"
	"net/http"

	"bedside/kernels/chromium"
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
var ErrNoBrowser = chromium.ErrNoBrowser

// Browser is a running Chromium.
type Browser struct{ *chromium.Browser }

// Start starts a headless Chromium with further command line flags, such as
// "js-flags=--no-enable-avx-vnni".
func Start(ctx context.Context, flags ...string) (*Browser, error) {
	b, err := chromium.Start(ctx, http.HandlerFunc(serve), flags...)
	if err != nil {
		return nil, err
	}
	return &Browser{b}, nil
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
	page    *chromium.Page
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
	page, err := b.Browser.Open()
	if err != nil {
		return nil, err
	}
	t := &Tab{page, max(threads, 1)}
	if err := t.ask(map[string]any{"kind": "start", "wasm": base64.StdEncoding.EncodeToString(wasm), "threads": threads}, nil); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close closes the page.
func (t *Tab) Close() { t.page.Close() }

func (t *Tab) ask(message map[string]any, answer any) error { return t.page.Ask(message, answer) }

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
