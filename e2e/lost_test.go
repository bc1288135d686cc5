package e2e

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// helpers are the workers that the page's worker starts. Those started after it is made can be betrayed.
type helpers struct {
	ctx   context.Context // of the page's worker
	armed bool            // those that start are to fail at once

	mu       sync.Mutex
	sessions []target.SessionID
}

// helpers attaches to the page's worker, and through it to those it starts.
func (tab *tab) helpers(armed bool) *helpers {
	tab.frame.t.Helper()
	infos, err := chromedp.Targets(tab.outer.ctx)
	if err != nil {
		tab.frame.t.Fatal(err)
	}
	own := chromedp.FromContext(tab.frame.ctx).Target.TargetID
	at := slices.IndexFunc(infos, func(i *target.Info) bool { return i.Type == "worker" && i.ParentID == own })
	if at < 0 {
		tab.frame.t.Fatal("the frame has no worker")
	}
	h := &helpers{armed: armed}
	ctx, stop := chromedp.NewContext(tab.outer.ctx, chromedp.WithTargetID(infos[at].TargetID), chromedp.WithListener(h.hear))
	tab.frame.t.Cleanup(stop)
	h.ctx = ctx
	yes := true
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		// A worker that is just starting is missed: then again.
		for _, on := range []bool{false, true} {
			if _, err := chromedp.Call(ctx, target.SetAutoAttach, target.SetAutoAttachParams{AutoAttach: on, WaitForDebuggerOnStart: on, Flatten: &yes}); err != nil {
				tab.frame.t.Fatal(err)
			}
		}
		time.Sleep(500 * time.Millisecond)
		if len(h.now()) > 0 {
			return h
		}
	}
	tab.frame.t.Fatal("the page's worker has no helper")
	return nil
}

func (h *helpers) hear(event any) {
	switch e := event.(type) {
	case *target.EventAttachedToTarget:
		h.mu.Lock()
		h.sessions = append(h.sessions, e.SessionID)
		h.mu.Unlock()
		if e.WaitingForDebugger {
			go func() {
				h.evaluate(traitor, e.SessionID)
				if h.armed {
					h.arm(e.SessionID)
				}
				h.tell(e.SessionID, runtime.RunIfWaitingForDebugger.Method, cdp.Empty{})
			}()
		}
	case *target.EventDetachedFromTarget:
		h.mu.Lock()
		h.sessions = slices.DeleteFunc(h.sessions, func(s target.SessionID) bool { return s == e.SessionID })
		h.mu.Unlock()
	}
}

// now is the helpers there are.
func (h *helpers) now() []target.SessionID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sessions)
}

// traitor goes into a helper before its own script. Once it is armed, it takes pieces as kernels do
// (kernels/simd/emit/driver.go: 64 bits at 64) and dies with them.
const traitor = `
	const Instance = WebAssembly.Instance
	WebAssembly.Instance = function (module, imports) {
		const { help } = new Instance(module, imports).exports
		const claim = new BigInt64Array(imports.kernels.memory.buffer)
		return { exports: { help(thread) {
			if (!globalThis.armed) return help(thread)
			for (const end = performance.now() + 300; performance.now() < end; ) Atomics.add(claim, 8, 1n)
			throw new Error('betrayed')
		} } }
	}`

// arm has helpers that were betrayed fail over the next note.
func (h *helpers) arm(sessions ...target.SessionID) {
	h.evaluate(`globalThis.armed = true`, sessions...)
}

// kill has helpers die when they are next wanted, before they have taken anything.
func (h *helpers) kill(sessions ...target.SessionID) {
	h.evaluate(`onmessage = () => { throw new Error('killed') }`, sessions...)
}

func (h *helpers) evaluate(script string, sessions ...target.SessionID) {
	for _, session := range sessions {
		h.tell(session, runtime.Evaluate.Method, runtime.EvaluateParams{Expression: script})
	}
}

// tell sends a command to a helper. The browser's answer goes to a session that nobody
// listens to, so it is not waited for.
func (h *helpers) tell(session target.SessionID, method string, parameters any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	worker := chromedp.FromContext(h.ctx).Target
	own := worker.SessionID
	defer func() { worker.SessionID = own }()
	worker.SessionID = session
	ctx, cancel := context.WithTimeout(h.ctx, 100*time.Millisecond)
	defer cancel()
	_ = worker.Call(ctx, method, parameters, nil)
}

// sizable is an encoder that keeps two threads busy.
func sizable() weights.Encoder {
	e := invented.Tiny()
	e.Hidden, e.Heads, e.Intermediate, e.Positions = 768, 12, 3072, 512
	e.Window = weights.Window{Tokens: 512, Overlap: 64, Combine: weights.MeanLogits}
	return e
}

const (
	isSaid = element + `.shadowRoot.querySelector('.trouble')?.innerText.includes('twice')`
	isBack = element + `.engine.models[0].state === 'ready'`
)

// TestHelpersDie ends threads between notes and in the middle of one: the model is loaded
// onto fresh kernels each time and the note read again, and after the second time by one thread.
func TestHelpersDie(t *testing.T) {
	s := encoderServer(t, encoderBundle(t, sizable()))
	note := long(500)
	tab := openTab(t, s.url()+"?device=simd-plain&threads=2")
	tab.ready()
	want := tab.slowly(note)
	h := tab.helpers(false)
	tab.frame.must(`globalThis.lost = 0
		`+element+`.engine.addEventListener('change', () => (lost += `+element+`.engine.models[0].lost ? 1 : 0)); 0`, nil)
	for _, c := range []struct {
		when    string
		end     func(...target.SessionID)
		threads string
	}{{"between notes", h.kill, "2"}, {"in the middle", h.arm, "1"}} {
		tab.frame.must(`lost = 0`, nil)
		c.end(h.now()...)
		// What dies before it has taken anything is missed by the next note.
		for range 2 {
			tab.sameLogits("a thread dying "+c.when, tab.slowly(note), want)
		}
		tab.frame.wait(`lost`)
		tab.frame.wait(isBack)
		if _, threads := tab.serving(); threads != c.threads {
			t.Errorf("%s threads after a death %s, want %s", threads, c.when, c.threads)
		}
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// TestHelpersDieTwiceOverOneNote: the reader is told, and one thread does the work.
func TestHelpersDieTwiceOverOneNote(t *testing.T) {
	s := encoderServer(t, encoderBundle(t, sizable()))
	note := long(500)
	tab := openTab(t, s.url()+"?device=simd-plain&threads=2")
	tab.ready()
	want := tab.slowly(note)
	h := tab.helpers(true)
	h.kill(h.now()...)
	var failure string
	// What dies before it has taken anything may be missed only by the next note.
	for range 2 {
		if !strings.Contains(failure, "twice") {
			tab.frame.must(later(note), nil)
			tab.frame.wait(`globalThis.ended`)
			tab.frame.must(`String(globalThis.ended.error ?? 'answered')`, &failure)
		}
	}
	if !strings.Contains(failure, "twice") {
		t.Fatalf("the note ended with %q", failure)
	}
	tab.frame.wait(isSaid)
	tab.frame.wait(isBack)
	if _, threads := tab.serving(); threads != "1" {
		t.Errorf("%s threads after two losses", threads)
	}
	tab.frame.must(shadow+`.querySelector('.trouble button').click()`, nil)
	tab.frame.wait(shadow + `.querySelector('#labels > li')`)
	tab.sameLogits("on one thread", tab.slowly(note), want)
}

// slowly is answer for a note that may take longer than an evaluation.
func (tab *tab) slowly(note string) *classify.Result {
	tab.frame.t.Helper()
	tab.frame.must(later(note), nil)
	return tab.end()
}

// end is the answer to what later began.
func (tab *tab) end() (r *classify.Result) {
	tab.frame.t.Helper()
	tab.frame.wait(`globalThis.ended`)
	tab.frame.must(`globalThis.ended.result`, &r)
	if r == nil {
		tab.frame.t.Fatal("the note ended without an answer")
	}
	return r
}

func (tab *tab) sameLogits(what string, got, want *classify.Result) {
	tab.frame.t.Helper()
	if g, w := byIndex(got), byIndex(want); !slices.Equal(g, w) {
		tab.frame.t.Errorf("%s the logits are %v, want %v", what, g, w)
	}
}

// later classifies a note without waiting; globalThis.ended has its end.
func later(note string) string {
	return `globalThis.ended = undefined
		` + element + `.classify(` + quoted(note) + `).then((answer) => (globalThis.ended = answer), (error) => (globalThis.ended = {error: String(error)})); 0`
}
