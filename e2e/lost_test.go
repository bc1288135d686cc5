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

// helpers are the workers that the page's worker has started.
type helpers struct {
	ctx context.Context // of the page's worker

	mu       sync.Mutex
	sessions []target.SessionID
}

// helpers attaches to the page's worker, and through it to those it starts.
func (tab *tab) helpers() *helpers {
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
	h := &helpers{}
	ctx, stop := chromedp.NewContext(tab.outer.ctx, chromedp.WithTargetID(infos[at].TargetID), chromedp.WithListener(h.hear))
	tab.frame.t.Cleanup(stop)
	h.ctx = ctx
	yes := true
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		// A worker that is just starting is missed: then again.
		for _, on := range []bool{false, true} {
			if _, err := chromedp.Call(ctx, target.SetAutoAttach, target.SetAutoAttachParams{AutoAttach: on, Flatten: &yes}); err != nil {
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
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e := event.(type) {
	case *target.EventAttachedToTarget:
		h.sessions = append(h.sessions, e.SessionID)
	case *target.EventDetachedFromTarget:
		h.sessions = slices.DeleteFunc(h.sessions, func(s target.SessionID) bool { return s == e.SessionID })
	}
}

// now is the helpers there are.
func (h *helpers) now() []target.SessionID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sessions)
}

// strike ends what helpers are at, in the middle of it, several times in a row. The
// browser's answer goes to a session that nobody listens to, so it is not waited for.
func (h *helpers) strike(sessions []target.SessionID) {
	worker := chromedp.FromContext(h.ctx).Target
	own := worker.SessionID
	defer func() { worker.SessionID = own }()
	for range 20 {
		for _, session := range sessions {
			worker.SessionID = session
			ctx, cancel := context.WithTimeout(h.ctx, 2*time.Millisecond)
			_ = worker.Call(ctx, runtime.TerminateExecution.Method, cdp.Empty{}, nil)
			cancel()
		}
	}
}

// sizable is an encoder that keeps two threads busy.
func sizable() weights.Encoder {
	e := invented.Tiny()
	e.Hidden, e.Heads, e.Intermediate, e.Positions = 768, 12, 3072, 512
	e.Window = weights.Window{Tokens: 512, Overlap: 64, Combine: weights.MeanLogits}
	return e
}

// mostNotes is over how many notes threads are struck at. A stroke comes when it comes and may miss;
// kernels/simd has a test whose stroke always hits.
const mostNotes = 10

const (
	isSaid = element + `.shadowRoot.querySelector('.trouble')?.innerText.includes('twice')`
	isBack = element + `.engine.models[0].state === 'ready'`
)

// TestHelperDiesInTheMiddle ends a thread in the middle of a note: the model is loaded
// onto fresh kernels and the note read again.
func TestHelperDiesInTheMiddle(t *testing.T) {
	s := encoderServer(t, encoderBundle(t, sizable()))
	note := long(500)
	alone := openTab(t, s.url()+"?device=simd-plain&threads=1")
	alone.ready()
	want := alone.slowly(note)

	tab := openTab(t, s.url()+"?device=simd-plain&threads=2")
	tab.ready()
	h := tab.helpers()
	tab.frame.must(`globalThis.said = ''
		`+element+`.engine.addEventListener('change', () => `+element+`.updateComplete.then(() => (said += `+shadow+`.querySelector('.answer').innerText))); 0`, nil)
	for lost, notes := false, 0; !lost; notes++ {
		if notes == mostNotes {
			t.Skipf("over %d notes no stroke hit a thread at work", notes)
		}
		tab.frame.must(later(note), nil)
		first := h.now()
		tab.strikeUntil(func() { h.strike(first) }, `globalThis.ended || said.includes('broke down')`)
		tab.sameLogits("in spite of the strokes", tab.end(), want)
		tab.frame.must(`said.includes('broke down')`, &lost)
	}
	if _, threads := tab.serving(); threads != "2" {
		t.Errorf("%s threads after one loss", threads)
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// TestEveryHelperDies ends one pool of threads after the other: the reader is told, and
// one thread does the work.
func TestEveryHelperDies(t *testing.T) {
	s := encoderServer(t, encoderBundle(t, sizable()))
	note := long(500)
	tab := openTab(t, s.url()+"?device=simd-plain&threads=2")
	tab.ready()
	want := tab.slowly(note)
	h := tab.helpers()
	for failure, notes := "", 0; !strings.Contains(failure, "twice"); notes++ {
		if notes == mostNotes {
			t.Skipf("over %d notes no stroke hit a thread at work", notes)
		}
		tab.frame.must(later(note), nil)
		tab.strikeUntil(func() { h.strike(h.now()) }, `globalThis.ended`)
		tab.frame.must(`String(globalThis.ended.error ?? 'answered')`, &failure)
		if _, threads := tab.serving(); failure == "answered" && threads == "1" {
			t.Skip("the threads died over two notes, not twice over one")
		}
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

// strikeUntil strikes again and again, for a stroke may hit a thread that has nothing in
// hand, until the expression is true.
func (tab *tab) strikeUntil(strike func(), expression string) {
	tab.frame.t.Helper()
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline); {
		strike()
		var ok bool
		if err := tab.frame.eval(`Boolean(`+expression+`)`, &ok); err == nil && ok {
			return
		}
	}
	tab.frame.t.Fatalf("this is still not so: %s", expression)
}
