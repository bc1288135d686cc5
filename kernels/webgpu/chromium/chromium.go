// Package chromium replays command lists in a real Chromium, with the replayer of the page,
// for tests and measurements.
package chromium

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"bedside/kernels/chromium"
	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/shaders"
)

//go:embed page.html
var page []byte

// ErrNoBrowser: there is no Chromium here.
var ErrNoBrowser = chromium.ErrNoBrowser

// Browser is a running Chromium with WebGPU.
type Browser struct{ *chromium.Browser }

// Start starts a headless Chromium, with the machine's GPU where BEDSIDE_GPU is set. It needs the sources of the page, in a folder above
// the working directory.
func Start(ctx context.Context) (*Browser, error) {
	script, err := bundle()
	if err != nil {
		return nil, err
	}
	pages := http.NewServeMux()
	pages.HandleFunc("/page.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(script)
	})
	pages.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) })
	b, err := chromium.Start(ctx, pages, chromium.WebGPU(os.Getenv("BEDSIDE_GPU") != "")...)
	if err != nil {
		return nil, err
	}
	return &Browser{b}, nil
}

// bundle is page.ts and the replayer as one script.
func bundle() ([]byte, error) {
	const entry = "kernels/webgpu/chromium/page.ts"
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, entry)); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return nil, fmt.Errorf("chromium: no %s here or above: run this inside a checkout", entry)
		}
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: dir, EntryPoints: []string{entry}, Bundle: true, Format: api.FormatIIFE, Target: api.ES2022, LogLevel: api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		return nil, errors.New("chromium: " + strings.Join(api.FormatMessages(result.Errors, api.FormatMessagesOptions{}), ""))
	}
	return result.OutputFiles[0].Contents, nil
}

// Options are how a page's GPU is to differ from the best there is.
type Options struct {
	Unpacked bool // states that WGSL has no packed dot
	Apart    bool // and that its lanes cannot read one another
	Minimum  bool // has no more than every adapter grants
}

// Tab is one page with a GPU; it implements webgpu.Host. Whatever fails but the GPU panics.
type Tab struct {
	page      *chromium.Page
	limits    webgpu.Limits
	pipelines int32
	lists     [][]byte
	last      submitted
	asked     []span
	answers   map[span][]byte
	lost      bool
}

type span struct {
	From   uint32 `json:"from"`
	Length int    `json:"length"`
}

type submitted struct {
	list   int32
	params []byte
}

var _ webgpu.Host = (*Tab)(nil)

// Open opens a page with the shaders of kernels/webgpu/shaders.
func (b *Browser) Open(o Options) (*Tab, error) { return b.OpenShaders(shaders.All(), o) }

// OpenShaders is Open with any shaders, by name.
func (b *Browser) OpenShaders(all map[string]string, o Options) (*Tab, error) {
	page, err := b.Browser.Open()
	if err != nil {
		return nil, err
	}
	t := &Tab{page: page, answers: map[span][]byte{}}
	message := map[string]any{"kind": "open", "shaders": all, "unpacked": o.Unpacked, "minimum": o.Minimum}
	if err := page.Ask(message, &t.limits); err != nil {
		page.Close()
		return nil, err
	}
	t.limits.Quads = t.limits.Quads && !o.Apart
	if o.Minimum {
		t.limits.Workgroup = 16384 // a GPU in software says less
	}
	return t, nil
}

// Close closes the page.
func (t *Tab) Close() { t.page.Close() }

func (t *Tab) must(message map[string]any, answer any) {
	if err := t.page.Ask(message, answer); err != nil {
		panic(err)
	}
}

func (t *Tab) Limits() webgpu.Limits { return t.limits }

func (t *Tab) Pipeline(p webgpu.Pipeline) int32 {
	t.must(map[string]any{"kind": "pipeline", "name": p.String()}, nil)
	t.pipelines++
	return t.pipelines - 1
}

// Reserve is never refused at once: as in the page, a refusal comes as a lost GPU.
func (t *Tab) Reserve(end uint32) bool {
	t.must(map[string]any{"kind": "reserve", "end": end}, nil)
	return true
}

func (t *Tab) Write(to uint32, data []byte) {
	const most = 8 << 20
	for len(data) > 0 {
		n := min(len(data), most)
		t.must(map[string]any{"kind": "write", "to": to, "data": base64.StdEncoding.EncodeToString(data[:n])}, nil)
		to, data = to+uint32(n), data[n:]
	}
}

func (t *Tab) Record(list []byte) int32 {
	t.must(map[string]any{"kind": "record", "list": base64.StdEncoding.EncodeToString(list)}, nil)
	t.lists = append(t.lists, list)
	return int32(len(t.lists) - 1)
}

func (t *Tab) Submit(list int32, params []byte) bool {
	clear(t.answers)
	t.asked = nil
	t.last = submitted{list, params}
	var ok bool
	t.must(map[string]any{"kind": "submit", "list": list, "params": base64.StdEncoding.EncodeToString(params)}, &ok)
	t.lost = t.lost || !ok
	return ok
}

func (t *Tab) Read(data []byte, from uint32) webgpu.Answer {
	if t.lost {
		return webgpu.Lost
	}
	s := span{from, len(data)}
	answer, ok := t.answers[s]
	if !ok {
		t.asked = append(t.asked, s)
		return webgpu.Pending
	}
	copy(data, answer)
	return webgpu.Done
}

// Settle waits for what was submitted and asked for. The error says why the GPU was lost.
func (t *Tab) Settle() error {
	asked := t.asked
	t.asked = nil
	var answer any
	if err := t.page.Ask(map[string]any{"kind": "settle", "asked": append([]span{}, asked...)}, &answer); err != nil {
		return err
	}
	parts, ok := answer.([]any)
	if !ok {
		t.lost = true
		return fmt.Errorf("chromium: %v", answer)
	}
	for i, part := range parts {
		text, _ := part.(string)
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return err
		}
		t.answers[asked[i]] = data
	}
	return nil
}

// Lose destroys the GPU device, as a driver that resets would.
func (t *Tab) Lose() { t.must(map[string]any{"kind": "lose"}, nil) }

// Ready waits for every pipeline and answers how many milliseconds that took.
func (t *Tab) Ready() (ms float64, err error) {
	err = t.page.Ask(map[string]any{"kind": "ready"}, &ms)
	return ms, err
}

// Time submits the last list again, repeats times a round, and answers the milliseconds that each round took.
func (t *Tab) Time(repeats, rounds int) ([]float64, error) {
	return t.time(t.last.list, t.last.params, repeats, rounds)
}

// Dispatches are those of the last list.
func (t *Tab) Dispatches() uint32 { return binary.LittleEndian.Uint32(t.lists[t.last.list]) }

// Encode submits the last list again, and answers the milliseconds that its host was busy with each.
func (t *Tab) Encode(rounds int) (times []float64, err error) {
	err = t.page.Ask(map[string]any{"kind": "encode", "list": t.last.list, "params": base64.StdEncoding.EncodeToString(t.last.params),
		"rounds": rounds}, &times)
	return times, err
}

// Kernel is what the dispatches of one pipeline took together.
type Kernel struct {
	Name       string
	Dispatches int
	MS         float64
}

// Kernels submits the last list again, each dispatch on the GPU's own clock; no rounds where it has none.
func (t *Tab) Kernels(rounds int) (times [][]Kernel, err error) {
	err = t.page.Ask(map[string]any{"kind": "kernels", "list": t.last.list, "params": base64.StdEncoding.EncodeToString(t.last.params),
		"rounds": rounds}, &times)
	return times, err
}

// Adapter is what computes, and whether that is a processor that plays a GPU.
func (t *Tab) Adapter() (name string, software bool, err error) {
	var a struct {
		Name     string
		Software bool
	}
	err = t.page.Ask(map[string]any{"kind": "adapter"}, &a)
	return a.Name, a.Software, err
}

func (t *Tab) time(list int32, params []byte, repeats, rounds int) (times []float64, err error) {
	err = t.page.Ask(map[string]any{"kind": "time", "list": list, "params": base64.StdEncoding.EncodeToString(params),
		"repeats": repeats, "rounds": rounds}, &times)
	return times, err
}
