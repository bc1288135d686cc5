package e2e

import (
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bedside/kernels/reference"
	"bedside/tools/page"
	"bedside/tools/serve"
	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"

	"github.com/chromedp/chromedp"
)

var letters = []string{"a", "b", "c", "d", "e"}

// encoderBundle writes a bundle of an invented encoder.
func encoderBundle(t testing.TB, e weights.Encoder) string {
	t.Helper()
	m, tensors := invented.Model(e, weights.MultiLabel, letters, 7)
	dir := filepath.Join(t.TempDir(), "model")
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The shards of an encoder may arrive in any order.
func TestFirstShardComesLast(t *testing.T) {
	s := encoderServer(t, "../weights/section-encoder")
	s.answer("/00000.shard", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		s.handler.ServeHTTP(w, r)
	})
	openReady(t, s)
}

// encoderServer serves the page with models of those bundles.
func encoderServer(t testing.TB, bundles ...string) *server {
	t.Helper()
	dist, pinned := site(t), release(t)
	module, err := fs.ReadFile(dist, pinned.Module.URL)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := page.FromDist(dist)
	if err != nil {
		t.Fatal(err)
	}
	var systems []fs.FS
	for _, dir := range bundles {
		systems = append(systems, os.DirFS(dir))
	}
	out := filepath.Join(t.TempDir(), "dist")
	if err := compiled.Assemble(out, module, systems, nil); err != nil {
		t.Fatal(err)
	}
	handler, err := serve.Handler(os.DirFS(out), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, handler: handler, address: "127.0.0.1:0", sent: map[string]int64{}}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// nativeEncoder is the bundle in native Go, on the reference device.
func nativeEncoder(t testing.TB, dir string) *classify.Model {
	t.Helper()
	b, err := bundle.Open(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	loading, err := classify.Open(b.Manifest, reference.NewDevice())
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Manifest.Shards {
		shard, err := b.ReadShard(i, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range b.Manifest.Plan() {
			if s.Shard != i {
				continue
			}
			if err := loading.Write(s, shard[s.ShardOffset:][:s.Length]); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := loading.Ready()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// encoderNotes are of one window and of several, of the encoder's words and of others.
func encoderNotes() []string {
	return []string{
		"chest pain",
		"mild fever and cough, no chest pain.",
		"the left knee, the right knee - pains and coughing of the knee",
		"unknown 雪 signs ½ in the middle of words",
		strings.Repeat("no fever, mild cough and left knee pain. ", 12),
	}
}

// serving is what the page says it computes on.
func (tab *tab) serving() (device string, threads string) {
	tab.frame.t.Helper()
	var got [2]string
	tab.frame.must(`[`+element+`.dataset.device ?? '', `+element+`.dataset.threads ?? '']`, &got)
	return got[0], got[1]
}

func TestEncoderOnEveryDevice(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	native, s := nativeEncoder(t, dir), encoderServer(t, dir)
	var want []*classify.Result
	for _, note := range encoderNotes() {
		r, err := native.Classify(note, asThePage)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, r)
	}
	alone := map[string][][]float64{}
	for _, device := range []string{"reference", "simd-plain", "simd-relaxed", "simd-dot"} {
		for _, threads := range []string{"1", "2", "3"} {
			if device == "reference" && threads != "1" {
				continue
			}
			t.Run(device+", threads "+threads, func(t *testing.T) {
				tab := openTab(t, s.url()+"?device="+device+"&threads="+threads)
				tab.ready()
				if d, n := tab.serving(); d != device || n != threads {
					t.Errorf("the page computes on %s with %s threads", d, n)
				}
				for i, note := range encoderNotes() {
					got := tab.answer(note)
					tab.alike(fmt.Sprintf("note %d", i), got, want[i])
					values := byIndex(got)
					if threads == "1" {
						alone[device] = append(alone[device], values)
					} else if !slices.Equal(values, alone[device][i]) {
						t.Errorf("note %d: logits %v with %s threads, %v with one", i, values, threads, alone[device][i])
					}
				}
				tab.outer.quiet()
				tab.frame.quiet()
			})
		}
	}
}

// alike holds an encoder's answer to another device's.
func (tab *tab) alike(what string, got, want *classify.Result) {
	tab.frame.t.Helper()
	if got.Labels[0].Index != want.Labels[0].Index || got.Tokens != want.Tokens || got.Windows != want.Windows || got.Unexplained != want.Unexplained {
		tab.frame.t.Errorf("%s: label %d of %d tokens in %d windows, want %d of %d in %d", what,
			got.Labels[0].Index, got.Tokens, got.Windows, want.Labels[0].Index, want.Tokens, want.Windows)
	}
	g, w := byIndex(got), byIndex(want)
	for l := range w {
		if d := math.Abs(g[l] - w[l]); !(d <= 1e-3) {
			tab.frame.t.Errorf("%s: logit %d is %v, want %v", what, l, g[l], w[l])
		}
	}
}

// byIndex is the logits in the order of the manifest's labels.
func byIndex(r *classify.Result) []float64 {
	out := make([]float64, len(r.Labels))
	for _, l := range r.Labels {
		out[l.Index] = l.Logit
	}
	return out
}

// The page chooses for itself, and takes nothing but known words from its address.
func TestDeviceIsChosen(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	native, s := nativeEncoder(t, dir), encoderServer(t, dir)
	note := encoderNotes()[4]
	want, err := native.Classify(note, asThePage)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"", "?device=gpu&threads=0", "?threads=17&device=", "?device=simd-dot'&threads=1e1"} {
		tab := openTab(t, s.url()+query)
		tab.ready()
		var cores int
		tab.frame.must(`navigator.hardwareConcurrency`, &cores)
		device, threads := tab.serving()
		if !strings.HasPrefix(device, "simd-") || cores <= 4 && threads != fmt.Sprint(cores) {
			t.Errorf("%q: %s with %s threads on %d cores", query, device, threads, cores)
		}
		t.Logf("%q: %s with %s threads", query, device, threads)
		tab.alike(query, tab.answer(note), want)
		tab.outer.quiet()
		tab.frame.quiet()
	}
}

func TestPageThatIsNotIsolated(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	native, s := nativeEncoder(t, dir), encoderServer(t, dir)
	sent := s.handler
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { sent.ServeHTTP(unisolated{w}, r) })
	tab := openTab(t, s.url()+"?threads=2")
	tab.ready()
	if _, threads := tab.serving(); threads != "1" {
		t.Errorf("%s threads without isolation", threads)
	}
	for i, note := range encoderNotes() {
		want, err := native.Classify(note, asThePage)
		if err != nil {
			t.Fatal(err)
		}
		tab.alike(fmt.Sprintf("note %d", i), tab.answer(note), want)
	}
	tab.frame.quiet()
}

// unisolated leaves out the headers without which no page is isolated.
type unisolated struct{ http.ResponseWriter }

func (u unisolated) WriteHeader(status int) {
	u.Header().Del("Cross-Origin-Opener-Policy")
	u.Header().Del("Cross-Origin-Embedder-Policy")
	u.ResponseWriter.WriteHeader(status)
}

// long is a note of many windows.
func long(repeats int) string {
	return strings.Repeat("no fever, mild cough and left knee pain. ", repeats)
}

func TestLongNoteShowsItsProgressAndGivesWay(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	s := encoderServer(t, dir)
	tab := openTab(t, s.url()+"?device=reference")
	tab.ready()
	var end string
	tab.frame.must(`(async () => {
		const element = `+element+`
		const first = element.classify(`+quoted(long(200_000))+`).then(() => 'answered', (error) => error.name)
		while (!element.shadowRoot.querySelector('progress#parts')) await new Promise((r) => setTimeout(r, 5))
		globalThis.parts = element.shadowRoot.querySelector('.parts').innerText
		const begun = performance.now()
		await element.classify('chest pain')
		globalThis.waited = performance.now() - begun
		return await first
	})()`, &end)
	if end != "AbortError" {
		t.Errorf("the long note ended with %q", end)
	}
	var parts string
	var waited float64
	tab.frame.must(`globalThis.parts`, &parts)
	tab.frame.must(`globalThis.waited`, &waited)
	if !strings.HasPrefix(strings.TrimSpace(parts), "Reading part ") {
		t.Errorf("the page says %q", parts)
	}
	if waited > 2000 {
		t.Errorf("the next note waited %.0f ms", waited)
	}
	tab.frame.wait(`!` + shadow + `.querySelector('progress#parts') && ` + shadow + `.querySelector('#labels > li')`)
	tab.outer.quiet()
	tab.frame.quiet()
}

// Odd notes do to an encoder what they do to every model.
func TestOddNotesForAnEncoder(t *testing.T) {
	s := encoderServer(t, encoderBundle(t, invented.Tiny()))
	for _, page := range []*tab{openReady(t, s), openOnGPU(t, s.url()+"?device=webgpu")} {
		page.frame.patiently(element + `?.dataset.state === 'ready'`)
		page.oddNotes()
		page.write("chest pain")
		page.outer.quiet()
		page.frame.quiet()
	}
}

func (tab *tab) oddNotes() {
	tab.frame.t.Helper()
	for _, c := range []struct{ name, expression, want string }{
		{"empty", `''`, "empty-note"},
		{"blank", `' \n\t\u2003'`, "empty-note"},
		{"too large", `'a '.repeat(9 << 20)`, "note-too-large"},
		{"one token", `'knee'`, "1 in 1"},
		{"a full window", `'knee '.repeat(14)`, "14 in 1"},
		{"one token more", `'knee '.repeat(15)`, "15 in 2"},
		{"a word of 50,000 characters", `'a'.repeat(50000)`, "1 in 1"},
		{"no known words", `'雪 ½'`, "2 in 1"},
		{"lone surrogates", `'knee \ud83d pain'`, "2 in 1"},
		{"NUL", `'knee\0pain'`, "5 in 1"},
	} {
		var got string
		tab.frame.must(element+`.classify(`+c.expression+`).then(({result}) => result.tokens + ' in ' + result.windows, (error) => String(error.code))`, &got)
		if got != c.want {
			tab.frame.t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEncoderPageIsSilentAndWorksOffline(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	native, s := nativeEncoder(t, dir), encoderServer(t, dir)
	tab := openReady(t, s)
	before := tab.settled(s)
	note := encoderNotes()[2]
	want, err := native.Classify(note, asThePage)
	if err != nil {
		t.Fatal(err)
	}
	tab.alike("online", tab.answer(note), want)
	if late := s.since(before); len(late) > 0 {
		t.Errorf("requests after the page was ready: %v", late)
	}
	s.stop()
	tab.reload()
	tab.alike("offline", tab.answer(note), want)
	tab.frame.quiet()
}

// pick chooses another model.
func (tab *tab) pick(model int) {
	tab.frame.t.Helper()
	tab.frame.must(fmt.Sprintf(`(() => {
		const models = `+shadow+`.querySelector('#model')
		models.value = '%d'
		models.dispatchEvent(new Event('change'))
	})()`, model), nil)
}

// A page that opens with a linear model does not pay for the encoder beside it.
func TestKernelsAreFetchedWhenNeeded(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	native, s := nativeEncoder(t, dir), encoderServer(t, shipped, dir)
	linear, err := nativeModel(t, os.DirFS(shipped)).Classify("Chest pain.", asThePage)
	if err != nil {
		t.Fatal(err)
	}
	want, err := native.Classify(encoderNotes()[1], asThePage)
	if err != nil {
		t.Fatal(err)
	}
	tab := openReady(t, s)
	same(t, "linear", tab.answer("Chest pain."), linear)
	tab.settled(s)
	if n := s.count("/kernels."); n != 0 {
		t.Errorf("%d requests for kernels that the linear model does not need", n)
	}
	for range 2 {
		tab.pick(1)
		tab.frame.wait(element + `.dataset.device && ` + element + `.dataset.state === 'done'`)
		tab.alike("encoder", tab.answer(encoderNotes()[1]), want)
		tab.pick(0)
		tab.frame.wait(`!` + element + `.dataset.device && ` + element + `.dataset.state === 'done'`)
		same(t, "linear again", tab.answer("Chest pain."), linear)
	}
	if n := s.count("/kernels."); n != 1 {
		t.Errorf("%d requests for kernels", n)
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// large is an encoder of 28 MB, more than the page keeps in memory to hand in again.
func large() weights.Encoder {
	e := invented.Tiny()
	e.Layers, e.Hidden, e.Heads, e.Intermediate = 4, 768, 12, 3072
	return e
}

func TestLargeModel(t *testing.T) {
	dir := encoderBundle(t, large())
	native, s := nativeEncoder(t, dir), encoderServer(t, dir)
	note := encoderNotes()[1]
	want, err := native.Classify(note, asThePage)
	if err != nil {
		t.Fatal(err)
	}
	tab := openReady(t, s)
	tab.alike("first visit", tab.answer(note), want)
	before := tab.settled(s)
	if shards := s.count(".shard"); shards != len(native.Manifest().Shards) {
		t.Errorf("%d requests for %d shards", shards, len(native.Manifest().Shards))
	}
	tab.alike("settled", tab.answer(note), want)
	if late := s.since(before); len(late) > 0 {
		t.Errorf("requests after the page was ready: %v", late)
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// TestMemoryIsRefused opens the page in a browser that grants WebAssembly less memory than
// the model takes, and then takes a smaller one.
func TestMemoryIsRefused(t *testing.T) {
	s := encoderServer(t, encoderBundle(t, large()), shipped)
	ctx, stop := ownBrowser(t, "js-flags=--wasm-max-mem-pages=400")
	defer stop()
	for _, query := range []string{"?threads=1", "?threads=2"} {
		tab := &tab{outer: attach(t, ctx, chromedp.WithNewBrowserContext())}
		tab.outer.open(s.url() + query)
		tab.find()
		tab.frame.wait(shadow + `?.querySelector('.trouble')?.innerText`)
		var said string
		tab.frame.must(shadow+`.querySelector('.trouble').innerText`, &said)
		t.Logf("%s: %s", query, said)
		if !strings.Contains(said, "memory") || !strings.Contains(said, "smaller model") {
			t.Errorf("%s: the page says %q", query, said)
		}
		tab.pick(1)
		tab.ready()
		tab.write("Chest pain on exertion, relieved by rest.")
		tab.frame.quiet()
	}
}
