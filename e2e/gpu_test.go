package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"

	"github.com/chromedp/chromedp"
)

// openOnGPU loads the page in the Chromium that has WebGPU.
func openOnGPU(t testing.TB, address string) *tab {
	t.Helper()
	tab := &tab{outer: attach(t, withGPU.get(t), chromedp.WithNewBrowserContext())}
	tab.outer.open(address)
	tab.find()
	return tab
}

// openPatched is openOnGPU with a script run in the frame before the kernels are there.
func openPatched(t testing.TB, s *server, query, script string) *tab {
	t.Helper()
	patched := make(chan struct{})
	sent := s.handler
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/kernels.") {
			<-patched
		}
		sent.ServeHTTP(w, r)
	})
	t.Cleanup(func() { s.handler = sent })
	defer close(patched)
	tab := openOnGPU(t, s.url()+query)
	tab.frame.wait(element)
	tab.frame.must(script, nil)
	return tab
}

// patiently is wait for a GPU made of software, which takes its time over shaders.
func (d *document) patiently(expression string) {
	d.t.Helper()
	for deadline := time.Now().Add(3 * patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		var ok bool
		if err := d.eval(`Boolean(`+expression+`)`, &ok); err == nil && ok {
			return
		}
	}
	d.wait(expression)
}

func (tab *tab) readyOnGPU() {
	tab.frame.t.Helper()
	tab.frame.patiently(element + `?.dataset.state === 'ready' && (` + element + `.dataset.device === 'webgpu' || ` + element + `.dataset.without)`)
	if device, _ := tab.serving(); device != "webgpu" {
		said, why := tab.remark()
		tab.frame.t.Fatalf("the page computes on %s and says %q (%s)", device, said, why)
	}
}

// remark is what the page says of a GPU that does not serve, and the word for it.
func (tab *tab) remark() (said, why string) {
	tab.frame.t.Helper()
	var got [2]string
	tab.frame.must(`[`+shadow+`.querySelector('#without').innerText, `+element+`.dataset.without ?? '']`, &got)
	return got[0], got[1]
}

// wantOnCPU holds the page to serving with kernels, to saying why, and to its answers.
func (tab *tab) wantOnCPU(why, says string, want map[string]*classify.Result) {
	tab.frame.t.Helper()
	if why != "" {
		tab.frame.patiently(element + `.dataset.without`)
	}
	if device, _ := tab.serving(); !strings.HasPrefix(device, "simd-") {
		tab.frame.t.Errorf("the page computes on %s", device)
	}
	if said, word := tab.remark(); word != why || !strings.Contains(said, says) {
		tab.frame.t.Errorf("the page says %q (%s), want %q (%s)", said, word, says, why)
	}
	for note, result := range want {
		tab.alike(brief(note), tab.answer(note), result)
	}
}

// nativeAnswers are those of the reference.
func nativeAnswers(t testing.TB, dir string, notes []string) map[string]*classify.Result {
	t.Helper()
	native, answers := nativeEncoder(t, dir), map[string]*classify.Result{}
	for _, note := range notes {
		r, err := native.Classify(note, asThePage)
		if err != nil {
			t.Fatal(err)
		}
		answers[note] = r
	}
	return answers
}

func TestGPUAnswersLikeTheReference(t *testing.T) {
	wide := invented.Tiny()
	wide.Hidden, wide.Heads, wide.Intermediate, wide.Positions = 64, 4, 256, 512
	wide.Window.Tokens, wide.Window.Overlap = 128, 16
	for name, shape := range map[string]weights.Encoder{"tiny": invented.Tiny(), "wide": wide} {
		t.Run(name, func(t *testing.T) {
			dir := encoderBundle(t, shape)
			want := nativeAnswers(t, dir, encoderNotes())
			s := encoderServer(t, dir)
			tab := openOnGPU(t, s.url()+"?device=webgpu")
			tab.readyOnGPU()
			before := tab.settled(s)
			for range 2 {
				for note, result := range want {
					tab.alike(brief(note), tab.slowly(note), result)
				}
			}
			if said, _ := tab.remark(); said != "" {
				t.Errorf("the page says %q", said)
			}
			if late := s.since(before); len(late) > 0 {
				t.Errorf("requests after the page was ready: %v", late)
			}
			tab.outer.quiet()
			tab.frame.quiet()
		})
	}
}

// TestGPUOfTheLeastKind: one with no more than the least limits of the specification, and without packed dot products.
func TestGPUOfTheLeastKind(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	want, s := nativeAnswers(t, dir, encoderNotes()), encoderServer(t, dir)
	tab := openPatched(t, s, "?device=webgpu", `{
		const request = GPUAdapter.prototype.requestDevice
		GPUAdapter.prototype.requestDevice = function () { return request.call(this) }
		WGSLLanguageFeatures.prototype.has = () => false
	}`)
	tab.readyOnGPU()
	for note, result := range want {
		tab.alike(brief(note), tab.slowly(note), result)
	}
	if device, _ := tab.serving(); device != "webgpu" {
		t.Errorf("the page computes on %s", device)
	}
	tab.frame.quiet()
}

// TestNoGPU: asked for where there is none, it is missed and said so; not asked for, it is not.
func TestNoGPU(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	want, s := nativeAnswers(t, dir, encoderNotes()[:2]), encoderServer(t, dir)
	tab := openTab(t, s.url()+"?device=webgpu")
	tab.ready()
	tab.wantOnCPU("absent", "offers no GPU", want)
	if err := os.MkdirAll(screenshots, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, l := range looks {
		tab.wear(l)
		tab.picture("no-gpu-" + l.name)
	}
	tab.outer.quiet()
	tab.frame.quiet()
	tab = openTab(t, s.url())
	tab.ready()
	if said, why := tab.remark(); said != "" || why != "" {
		t.Errorf("unasked, the page says %q (%s)", said, why)
	}
}

// TestGPUFailsWhileLoading breaks what the frame's GPU offers, before it is asked for it.
func TestGPUFailsWhileLoading(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	want, s := nativeAnswers(t, dir, encoderNotes()[:2]), encoderServer(t, dir)
	for _, c := range []struct{ name, script, why, says string }{
		{"no adapter", `navigator.gpu.constructor.prototype.requestAdapter = async () => null; 0`, "absent", "offers no GPU"},
		{"device refused", `GPUAdapter.prototype.requestDevice = async () => { throw new DOMException('no', 'OperationError') }; 0`, "refused", "refused"},
		{"a shader that is no WGSL", breakShader(`'fn main( {'`), "shader", "does not run"},
		{"a shader with another entry point", breakShader(`'@compute @workgroup_size(1) fn other() {}'`), "shader", "does not run"},
		{"more memory than there is", breakBuffer(`2 ** 44`), "memory", "memory"},
		{"more memory than can be named", breakBuffer(`2 ** 60`), "memory", "memory"},
		{"more memory than is left", breakBuffer(`(globalThis.made = (globalThis.made ?? 0) + 1) > 1 ? 2 ** 44 : given.size`), "memory", "memory"},
		{"lost when opened", `{
			const request = GPUAdapter.prototype.requestDevice
			GPUAdapter.prototype.requestDevice = async function (...given) { const device = await request.apply(this, given); device.destroy(); return device }
		}`, "lost", "stopped working"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := openPatched(t, s, "?device=webgpu", c.script)
			tab.ready()
			tab.wantOnCPU(c.why, c.says, want)
		})
	}
}

// crossover is what the outer document remembers, of its one model.
const crossover = `Object.keys(localStorage).filter((key) => key.startsWith('bedside-crossover ')).map((key) => JSON.parse(localStorage[key]).crossover)[0]`

// TestChoiceIsMeasured: the page compares the two, and remembers; with what it remembers it
// compares no more. A GPU made of software is not considered unless the address asks for that.
func TestChoiceIsMeasured(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	want, s := nativeAnswers(t, dir, encoderNotes()), encoderServer(t, dir)
	tab := openOnGPU(t, s.url()+"?device=measured")
	tab.ready()
	tab.wantOnCPU("", "", want)
	tab.outer.patiently(crossover)
	var found string
	tab.outer.must(crossover, &found)
	t.Logf("crossover: %s", found)
	if device, _ := tab.serving(); (found == "never") != (device != "webgpu") {
		t.Errorf("with crossover %q the page computes on %s", found, device)
	}
	for note, result := range want {
		tab.alike("after the measurement, "+brief(note), tab.slowly(note), result)
	}

	// Only known words are remembered.
	tab.frame.must(`for (const word of ['secret', 32, null, ['never'], { never: 'secret' }]) {
		`+element+`.engine.port.postMessage({kind: 'crossover', model: 0, crossover: word})
		`+element+`.engine.port.postMessage({kind: 'crossover', model: word, crossover: 'window'})
	} 0`, nil)
	time.Sleep(500 * time.Millisecond)
	var kept string
	tab.outer.must(`JSON.stringify(localStorage)`, &kept)
	if strings.Contains(kept, "secret") || !strings.Contains(kept, found) || strings.Count(kept, "crossover") != 2 {
		t.Errorf("the storage holds %s", kept)
	}

	tab.outer.must(`for (const key of Object.keys(localStorage)) localStorage[key] = localStorage[key].replace('"`+found+`"', '"window"')`, nil)
	tab.reload()
	tab.ready()
	tab.frame.patiently(element + `.dataset.device === 'webgpu'`)
	var from string
	tab.frame.must(element+`.dataset.from`, &from)
	if from != "14" {
		t.Errorf("notes of %s tokens and more are for the GPU", from)
	}
	tab.labelsAlone()
	tab.frame.must(`globalThis.submits = 0
		const submit = GPUQueue.prototype.submit
		GPUQueue.prototype.submit = function (...given) { submits++; return submit.apply(this, given) }; 0`, nil)
	for note, result := range want {
		var before, after int
		tab.frame.must(`globalThis.submits`, &before)
		tab.alike("remembered, "+brief(note), tab.slowly(note), result)
		tab.frame.must(`globalThis.submits`, &after)
		if (after > before) != (result.Tokens >= 14) {
			t.Errorf("a note of %d tokens was submitted %d times", result.Tokens, after-before)
		}
	}
	tab.frame.must(destroy, nil)
	tab.frame.wait(element + `.dataset.without`)
	tab.wantOnCPU("lost", "stopped working", want)

	plain := openOnGPU(t, s.url())
	plain.ready()
	plain.settled(s)
	time.Sleep(3 * time.Second)
	plain.wantOnCPU("", "", want)
	plain.outer.must(`String(`+crossover+`)`, &found)
	if found != "undefined" {
		t.Errorf("unasked, a GPU made of software was measured: %s", found)
	}
}

// TestMeasuredGPUThatFails: nobody asked for it, so the page says nothing, and does not try it again.
func TestMeasuredGPUThatFails(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	want := nativeAnswers(t, dir, encoderNotes()[:2])
	tab := openPatched(t, encoderServer(t, dir), "?device=measured", breakShader(`'fn main( {'`))
	tab.ready()
	tab.outer.patiently(crossover + ` === 'never'`)
	tab.wantOnCPU("", "", want)
}

func breakShader(code string) string {
	return `{
		const create = GPUDevice.prototype.createShaderModule
		GPUDevice.prototype.createShaderModule = function (given) { return create.call(this, { ...given, code: ` + code + ` }) }
	}`
}

func breakBuffer(size string) string {
	return `{
		const create = GPUDevice.prototype.createBuffer
		GPUDevice.prototype.createBuffer = function (given) { return create.call(this, { ...given, size: ` + size + ` }) }
	}`
}

// destroy ends the frame's GPUs.
const destroy = `for (const { gpu } of ` + element + `.engine.gpus.open.values()) gpu.device.destroy(); 0`

// TestGPUIsLostInTheMiddle destroys the GPU in the middle of a note: it is answered, so are
// the next ones, and the page says what happened.
func TestGPUIsLostInTheMiddle(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	note := long(60)
	want := nativeAnswers(t, dir, append([]string{note}, encoderNotes()[:2]...))
	tab := openOnGPU(t, encoderServer(t, dir).url()+"?device=webgpu")
	tab.readyOnGPU()
	tab.frame.must(later(note), nil)
	tab.frame.wait(element + `.progress?.done > 0`)
	tab.frame.must(destroy, nil)
	tab.alike("the note", tab.end(), want[note])
	tab.wantOnCPU("lost", "The GPU stopped working; notes are now read on the processor.", want)
	tab.outer.quiet()
	tab.frame.quiet()
}

// TestNoteOnTheGPUGivesWay: a later note takes the place of a long one there too.
func TestNoteOnTheGPUGivesWay(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	want := nativeAnswers(t, dir, []string{"chest pain"})
	tab := openOnGPU(t, encoderServer(t, dir).url()+"?device=webgpu")
	tab.readyOnGPU()
	tab.frame.must(later(long(20_000)), nil)
	tab.frame.wait(element + `.progress?.done > 0`)
	tab.alike("the later note", tab.answer("chest pain"), want["chest pain"])
	var end string
	tab.frame.must(`String(globalThis.ended.error)`, &end)
	if !strings.HasPrefix(end, "AbortError") {
		t.Errorf("the long note ended with %q", end)
	}
	if device, _ := tab.serving(); device != "webgpu" {
		t.Errorf("the page computes on %s", device)
	}
	tab.frame.quiet()
}

// TestTwoPagesOnOneGPU has two pages take turns on it. When one loses it, it says so at once.
func TestTwoPagesOnOneGPU(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	want, s := nativeAnswers(t, dir, encoderNotes()), encoderServer(t, dir)
	var tabs []*tab
	for range 2 {
		tab := openOnGPU(t, s.url()+"?device=webgpu")
		tab.readyOnGPU()
		tabs = append(tabs, tab)
	}
	for note, result := range want {
		for _, tab := range tabs {
			tab.frame.must(later(note), nil)
		}
		for i, tab := range tabs {
			tab.alike(fmt.Sprint("page ", i), tab.end(), result)
		}
	}
	tabs[0].frame.must(destroy, nil)
	tabs[0].frame.wait(element + `.dataset.without`)
	tabs[0].wantOnCPU("lost", "stopped working", want)
	for note, result := range want {
		tabs[1].alike("the other page", tabs[1].answer(note), result)
	}
	if device, _ := tabs[1].serving(); device != "webgpu" {
		t.Errorf("the other page computes on %s", device)
	}
}

// TestWorkerWithAGPUDies: the next worker is given none, for it may have been the cause.
func TestWorkerWithAGPUDies(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	want := nativeAnswers(t, dir, encoderNotes()[:2])
	tab := openOnGPU(t, encoderServer(t, dir).url()+"?device=webgpu")
	tab.readyOnGPU()
	tab.frame.must(element+`.engine.worker.onerror(new Event('error')); 0`, nil)
	tab.frame.wait(element + `.dataset.without && ` + element + `.engine.models[0].state === 'ready'`)
	tab.wantOnCPU("suspected", "The classifier stopped after it had used the GPU, which is not tried again in this visit; notes are now read on the processor.", want)
	tab.frame.quiet()
}
