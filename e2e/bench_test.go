package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bedside/tools/report"
	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// size is the length of an ordinary note, in bytes.
const size = 2500

// TestMeasure prints what the page and the headless host take, as a table. Nothing is
// judged: the machine decides as much as the code.
func TestMeasure(t *testing.T) {
	if os.Getenv("BEDSIDE_BENCH") != "1" {
		t.Skip("BEDSIDE_BENCH=1 runs the measurements")
	}
	rows := [][2]string{}
	add := func(what, format string, values ...any) {
		rows = append(rows, [2]string{what, fmt.Sprintf(format, values...)})
	}
	measureLatency(t, add)
	measureOpening(t, add)
	measureEncoder(t, add)
	measureHeadless(t, add)
	var table strings.Builder
	table.WriteString("\n| what | measured |\n|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(&table, "| %s | %s |\n", row[0], row[1])
	}
	fmt.Println(table.String())
}

// TestMeasureModels times every model that the page ships with, in the page: the module alone,
// on notes of the bench's size, after some in which V8 still compiles. BEDSIDE_SPEED names
// a file for "bedside report".
func TestMeasureModels(t *testing.T) {
	if os.Getenv("BEDSIDE_BENCH") != "1" {
		t.Skip("BEDSIDE_BENCH=1 runs the measurements")
	}
	const warm, timed = 100, 500
	tab := openReady(t, newServer(t))
	var texts []string
	for i := range warm + timed {
		texts = append(texts, quoted(varied(i, size)))
	}
	out := report.Chromium{Characters: size, Models: map[string]report.ChromiumTime{}}
	tab.frame.must(`'Chromium ' + navigator.userAgent.match(/Chrom[a-z]*\/(\d+)/)[1]`, &out.Browser)
	fmt.Println("\n| model | a note in Chromium, the module alone: median | p99 |\n|---|--:|--:|")
	for i := range release(t).Models {
		name := tab.take(i)
		var took []float64
		tab.frame.must(`(async () => {
			const out = []
			for (const note of [`+strings.Join(texts, ",")+`]) out.push((await `+element+`.classify(note)).ms)
			return out
		})()`, &took)
		took = took[warm:]
		out.Models[name] = report.ChromiumTime{Notes: len(took), Median: quantile(took, .5), P99: quantile(took, .99)}
		fmt.Printf("| %s | %.2f ms | %.2f ms |\n", name, quantile(took, .5), quantile(took, .99))
	}
	tab.outer.stop()
	path := os.Getenv("BEDSIDE_SPEED")
	if path == "" {
		return
	}
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

type adder func(what, format string, values ...any)

func measureLatency(t *testing.T, add adder) {
	tab := openReady(t, newServer(t))
	measured := func(notes string) (module, page []float64) {
		var got [][2]float64
		tab.frame.must(`(async () => {
			const out = []
			for (const note of `+notes+`) {
				const start = performance.now()
				const {ms} = await `+element+`.classify(note)
				out.push([ms, performance.now() - start])
			}
			return out
		})()`, &got)
		for _, g := range got {
			module, page = append(module, g[0]), append(page, g[1])
		}
		return module, page
	}
	var texts []string
	for i := range 600 {
		texts = append(texts, quoted(varied(i, size)))
	}
	all := "[" + strings.Join(texts, ",") + "]"
	module, page := measured(all)
	const warm = 100 // calls in which V8 still compiles what is hot
	add("the first 100 notes of 2,500 characters, the module alone", "median %.2f ms, p99 %.2f ms", quantile(module[:warm], .5), quantile(module[:warm], .99))
	module, page = module[warm:], page[warm:]
	add("then a note of 2,500 characters in Chromium, the module alone", "median %.2f ms, p99 %.2f ms (n=%d)", quantile(module, .5), quantile(module, .99), len(module))
	add("the same until the page shows it", "median %.2f ms, p99 %.2f ms", quantile(page, .5), quantile(page, .99))
	big := quoted(varied(1, 1<<20))
	module, page = measured("Array(7).fill(" + big + ")")
	add("a note of 1 MB in Chromium, the module alone", "median %.0f ms, worst %.0f ms (n=%d)", quantile(module, .5), quantile(module, 1), len(module))
	add("the same until the page shows it", "median %.0f ms", quantile(page, .5))
	tab.outer.stop()
}

// undisturbed is how long an opening page is left alone: watching it slows it down.
const undisturbed = 3 * time.Second

// measureOpening times from the start of the navigation to the first result in the
// DOM, by the frame's own clock against the outer document's. The second visit is
// another tab of the same profile.
func measureOpening(t *testing.T, add adder) {
	const runs = 5
	var floor, cold, second []float64
	var page, bundle int64
	bare := httptest.NewServer(http.HandlerFunc(serveBare))
	defer bare.Close()
	for range runs {
		s := newServer(t)
		profile, err := chromedp.CallBrowser(browser(t), target.CreateBrowserContext, target.CreateBrowserContextParams{})
		if err != nil {
			t.Fatal(err)
		}
		empty := openUnwatched(t, profile.BrowserContextID, bare.URL)
		floor = append(floor, empty.firstResult())
		empty.close()
		first := openUnwatched(t, profile.BrowserContextID, s.url()+"#example")
		cold = append(cold, first.firstResult())
		first.settled(s)
		page, bundle = s.bytes()
		first.close()
		again := openUnwatched(t, profile.BrowserContextID, s.url()+"#example")
		second = append(second, again.firstResult())
		again.close()
		s.stop()
	}
	add("the browser's own share: an empty page, sandboxed frame and worker until the first message", "median %.0f ms of %d (%s)", quantile(floor, .5), runs, list(floor))
	add("cold open from loopback to the first result", "median %.0f ms of %d (%s)", quantile(cold, .5), runs, list(cold))
	add("second visit to the first result", "median %.0f ms of %d (%s)", quantile(second, .5), runs, list(second))
	add("bodies sent on the first visit: page, worker, module, service worker", "%.1f KB", float64(page)/1000)
	add("bodies sent on the first visit: bundle", "%.1f KB", float64(bundle)/1000)
}

// serveBare answers with the page's skeleton: two documents and a worker, and nothing
// in them.
func serveBare(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, `<!doctype html><title>bare</title><body><script>
		const frame = document.createElement('iframe')
		frame.setAttribute('sandbox', 'allow-scripts')
		frame.srcdoc = "<!doctype html><script>" +
			"const worker = new Worker(URL.createObjectURL(new Blob(['postMessage(1)'])));" +
			"worker.onmessage = () => performance.mark('bedside:result')</" + "script>"
		document.body.append(frame)
	</script>`)
}

// openUnwatched opens a tab without a debugger, which would record every request, and
// attaches to it when all is over.
func openUnwatched(t *testing.T, profile cdp.BrowserContextID, address string) *tab {
	t.Helper()
	made, err := chromedp.CallBrowser(browser(t), target.CreateTarget, target.CreateTargetParams{URL: address, BrowserContextID: profile})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(undisturbed)
	tab := &tab{outer: attach(t, browser(t), chromedp.WithTargetID(made.TargetID))}
	tab.find()
	return tab
}

func (tab *tab) close() {
	tab.outer.t.Helper()
	own := chromedp.FromContext(tab.outer.ctx).Target.TargetID
	if _, err := chromedp.CallBrowser(tab.outer.ctx, target.CloseTarget, target.CloseTargetParams{TargetID: own}); err != nil {
		tab.outer.t.Fatal(err)
	}
	tab.outer.stop()
}

// firstResult is the time from the start of the outer document's navigation to the
// first result in the frame, in milliseconds.
func (tab *tab) firstResult() float64 {
	tab.frame.t.Helper()
	tab.frame.wait(`performance.getEntriesByName('bedside:result').length`)
	return tab.mark(`bedside:result`)
}

// mark is the time from the start of the navigation to a mark in the frame.
func (tab *tab) mark(name string) float64 {
	tab.frame.t.Helper()
	var begun, at float64
	tab.outer.must(`performance.timeOrigin`, &begun)
	tab.frame.must(`performance.timeOrigin + performance.getEntriesByName('`+name+`')[0].startTime`, &at)
	return at - begun
}

// measureEncoder times the page with an encoder of BERT-base's shape until it can classify,
// from the start of the navigation: with an empty cache, and with what the visit before
// has left in the browser's HTTP cache and in the offline store.
func measureEncoder(t *testing.T, add adder) {
	e := invented.Tiny()
	e.Layers, e.Hidden, e.Heads, e.Intermediate, e.Positions = 12, 768, 12, 3072, 512
	e.Window = weights.Window{Tokens: 512, Overlap: 124, Combine: weights.MeanPooled}
	dir := encoderBundle(t, e)
	ctx, stop := ownBrowser(t)
	defer stop()
	s := encoderServer(t, dir)
	for visit, name := range []string{"empty cache", "HTTP cache", "offline store", "offline store"} {
		tab := openLeft(t, ctx, s.url())
		tab.frame.wait(`performance.getEntriesByName('bedside:model').length`)
		device, threads := tab.serving()
		add(fmt.Sprintf("visit %d of a page with an encoder of 86 MB until it can classify, %s", visit+1, name), "%.0f ms (%s, %s threads)", tab.mark(`bedside:model`), device, threads)
		if visit > 0 {
			tab.settled(s)
		}
		add("resident memory of that browser's renderers at its peak, an empty one first", "%s", list(renderers(chromedp.FromContext(ctx).Browser.Process().Pid)))
		tab.close()
	}
}

// openLeft is openUnwatched in the default profile, which has a cache on disk.
func openLeft(t *testing.T, ctx context.Context, address string) *tab {
	t.Helper()
	made, err := chromedp.CallBrowser(ctx, target.CreateTarget, target.CreateTargetParams{URL: address})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(undisturbed)
	tab := &tab{outer: attach(t, ctx, chromedp.WithTargetID(made.TargetID))}
	tab.find()
	return tab
}

// renderers lists the peaks of resident memory of a browser's renderer processes, in MB,
// smallest first.
func renderers(browser int) (peaks []float64) {
	files, _ := filepath.Glob("/proc/[0-9]*/status")
	parents, own := map[string]string{}, map[string]float64{}
	for _, file := range files {
		status, _ := os.ReadFile(file)
		pid := filepath.Base(filepath.Dir(file))
		for line := range strings.Lines(string(status)) {
			field := strings.Fields(line)
			switch {
			case strings.HasPrefix(line, "PPid:"):
				parents[pid] = field[1]
			case strings.HasPrefix(line, "VmHWM:"):
				kib, _ := strconv.ParseFloat(field[1], 64)
				own[pid] = kib * 1024 / 1e6
			}
		}
	}
	for pid, peak := range own {
		command, _ := os.ReadFile("/proc/" + pid + "/cmdline")
		up := pid
		for up != "" && up != fmt.Sprint(browser) {
			up = parents[up]
		}
		if up != "" && strings.Contains(string(command), "--type=renderer") && !strings.Contains(string(command), "top-chrome") {
			peaks = append(peaks, peak)
		}
	}
	slices.Sort(peaks)
	return peaks
}

func measureHeadless(t *testing.T, add adder) {
	begun := time.Now()
	h := embedded(t, 1)
	compiled := time.Since(begun)
	begun = time.Now()
	m, err := h.Load(t.Context(), shippedFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	add("headless: compiled module from the cache, then instance and bundle", "%d ms, %d ms", compiled.Milliseconds(), time.Since(begun).Milliseconds())
	for _, c := range []struct {
		name    string
		options classify.Options
	}{
		{"labels alone", classify.Options{}},
		{"one label explained", classify.Options{Explain: 1}},
	} {
		const n = 2000
		texts := make([]string, n)
		for i := range texts {
			texts[i] = varied(i, size)
		}
		before := runtime.GOMAXPROCS(1)
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		for _, text := range texts {
			if _, err := m.ClassifyJSON(ctx, text, c.options); err != nil {
				t.Fatal(err)
			}
		}
		took := time.Since(begun)
		cancel()
		runtime.GOMAXPROCS(before)
		add("headless, one core, notes of 2,500 characters, "+c.name, "%.0f notes/s", n/took.Seconds())
	}
}

// quantile is the nearest-rank quantile.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func list(values []float64) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.0f", v)
	}
	return b.String()
}
