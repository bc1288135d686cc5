package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"bedside/wasm/classify"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// patience bounds every wait for the browser.
const patience = 30 * time.Second

// element is the classifier in the frame.
const element = `document.querySelector('bedside-classifier')`

// document is one of the page's two documents, or any other page.
type document struct {
	t    testing.TB
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	troubles []string // console errors and warnings, exceptions, violated policies
	requests []string // addresses asked for that are not data of the page itself
}

// tab is the page in the browser: the outer document and the frame it shows.
type tab struct {
	outer *document
	frame *document
}

// newDocument opens an empty tab in a profile of its own.
func newDocument(t testing.TB) *document {
	t.Helper()
	return attach(t, browser(t), chromedp.WithNewBrowserContext())
}

// attach makes a document of what options choose.
func attach(t testing.TB, parent context.Context, options ...chromedp.ContextOption) *document {
	t.Helper()
	d := &document{t: t}
	d.ctx, d.stop = chromedp.NewContext(parent, append(options,
		chromedp.WithListener(d.hear))...)
	t.Cleanup(d.stop)
	if _, err := chromedp.Call(d.ctx, page.SetLifecycleEventsEnabled, page.SetLifecycleEventsEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	return d
}

// noAdapter is Chromium's own remark to a page that asks for a GPU where there is none.
const noAdapter = "No available adapters."

// hear notes what must not happen.
func (d *document) hear(event any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			text, _ := json.Marshal(e.Args)
			d.troubles = append(d.troubles, fmt.Sprintf("console.%s %s", e.Type, text))
		}
	case *runtime.EventExceptionThrown:
		text, _ := json.Marshal(e.ExceptionDetails)
		d.troubles = append(d.troubles, "exception "+string(text))
	case *log.EventEntryAdded:
		if (e.Entry.Level == "error" || e.Entry.Level == "warning") && e.Entry.Text != noAdapter {
			d.troubles = append(d.troubles, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		if scheme, _, _ := strings.Cut(e.Request.URL, ":"); scheme != "data" && scheme != "blob" && scheme != "about" {
			d.requests = append(d.requests, e.Request.URL)
		}
	}
}

func (d *document) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.requests)
}

// quiet fails the test over anything that hear noted.
func (d *document) quiet() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, trouble := range d.troubles {
		d.t.Error(trouble)
	}
}

// open begins to load an address.
func (d *document) open(address string) {
	d.t.Helper()
	if _, err := chromedp.Call(d.ctx, page.Navigate, page.NavigateParams{URL: address}); err != nil {
		d.t.Fatal(err)
	}
}

// eval runs an expression as if the user had acted, waits for it where it is a
// promise, and decodes its value.
func (d *document) eval(expression string, into any) error {
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	yes := true
	got, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: expression, AwaitPromise: &yes, ReturnByValue: &yes, UserGesture: &yes,
	})
	if err != nil {
		return err
	}
	if got.ExceptionDetails != nil {
		text, _ := json.Marshal(got.ExceptionDetails)
		return fmt.Errorf("%s: %s", brief(expression), text)
	}
	if into == nil || got.Result == nil || len(got.Result.Value) == 0 {
		return nil
	}
	return json.Unmarshal(got.Result.Value, into)
}

func brief(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

func (d *document) must(expression string, into any) {
	d.t.Helper()
	if err := d.eval(expression, into); err != nil {
		d.t.Fatal(err)
	}
}

// wait polls until the expression is true.
func (d *document) wait(expression string) {
	d.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var ok bool
		if err = d.eval(`Boolean(`+expression+`)`, &ok); err == nil && ok {
			return
		}
	}
	d.t.Fatalf("after %v this is still not so: %s (%v)", patience, expression, err)
}

// openTab loads the page in a new profile and waits for its frame.
func openTab(t testing.TB, address string) *tab {
	t.Helper()
	tab := &tab{outer: newDocument(t)}
	tab.outer.open(address)
	tab.find()
	return tab
}

// openReady loads the page and waits until it can classify.
func openReady(t testing.TB, s *server) *tab {
	t.Helper()
	tab := openTab(t, s.url())
	tab.ready()
	return tab
}

// find attaches to the frame, which Chromium runs in a process of its own.
func (tab *tab) find() { tab.outer.t.Helper(); tab.findOther("") }

// findOther is find for another frame than the one given.
func (tab *tab) findOther(old target.ID) {
	tab.outer.t.Helper()
	own := chromedp.FromContext(tab.outer.ctx).Target
	var parent *target.Info
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		infos, err := chromedp.Targets(tab.outer.ctx)
		if err != nil {
			tab.outer.t.Fatal(err)
		}
		for _, info := range infos {
			if info.TargetID == own.TargetID {
				parent = info
			}
		}
		for _, info := range infos {
			if info.Type == "iframe" && info.TargetID != old && parent != nil && info.BrowserContextID == parent.BrowserContextID && info.ParentFrameID == cdp.FrameID(own.TargetID) {
				tab.frame = attach(tab.outer.t, tab.outer.ctx, chromedp.WithTargetID(info.TargetID))
				return
			}
		}
	}
	tab.outer.t.Fatal("the page shows no frame")
}

func (tab *tab) ready() {
	tab.frame.t.Helper()
	tab.frame.wait(element + `?.dataset.state === 'ready' || ` + element + `?.dataset.state === 'done'`)
}

// under reports to a subtest until the function it returns is called.
func (tab *tab) under(t testing.TB) (back func()) {
	before := tab.outer.t
	tab.outer.t, tab.frame.t = t, t
	return func() { tab.outer.t, tab.frame.t = before, before }
}

// settled waits until the page has done what it does after it is ready, and gives the
// number of requests so far.
func (tab *tab) settled(s *server) int {
	tab.outer.t.Helper()
	tab.outer.wait(`document.documentElement.dataset.offline`)
	last, still := s.seen(), 0
	for still < 10 {
		time.Sleep(20 * time.Millisecond)
		if n := s.seen(); n != last {
			last, still = n, 0
		} else {
			still++
		}
	}
	return last
}

// write puts the note into the field as an input method would, and waits for the answer.
func (tab *tab) write(note string) {
	tab.frame.t.Helper()
	tab.frame.must(`(() => {
		const field = `+element+`.shadowRoot.querySelector('#note')
		field.focus(); field.value = `+quoted(note)+`
		field.dispatchEvent(new InputEvent('input', {bubbles: true, composed: true}))
	})()`, nil)
	tab.frame.wait(element + `.dataset.state === 'done'`)
}

// answer is what the element's classify method says.
func (tab *tab) answer(note string) *classify.Result {
	tab.frame.t.Helper()
	var got struct {
		Result *classify.Result
		Ms     float64
	}
	tab.frame.must(element+`.classify(`+quoted(note)+`)`, &got)
	if got.Result == nil {
		tab.frame.t.Fatal("classify answered without a result")
	}
	return got.Result
}

// quoted is a JavaScript literal.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// shownLabel is a label as the page shows it.
type shownLabel struct {
	Index       int
	Label       string
	Probability float64
	Clears      bool
}

// labels reads the list off the page.
func (tab *tab) labels() []shownLabel {
	tab.frame.t.Helper()
	var got []shownLabel
	tab.frame.must(`[...`+element+`.shadowRoot.querySelectorAll('#labels > li')].map(({dataset}) => ({
		index: +dataset.index, label: dataset.label, probability: +dataset.probability, clears: dataset.clears === 'true'}))`, &got)
	return got
}

// sameLabels holds what the page shows to a result.
func (tab *tab) sameLabels(want *classify.Result) {
	tab.frame.t.Helper()
	got := tab.labels()
	if len(got) == 0 || len(got) > len(want.Labels) {
		tab.frame.t.Fatalf("the page shows %d labels of %d", len(got), len(want.Labels))
	}
	for i, g := range got {
		w := want.Labels[i]
		if (g != shownLabel{w.Index, w.Name, w.Probability, w.Clears}) {
			tab.frame.t.Errorf("label %d on the page: %+v, wazero says %+v", i, g, w)
		}
	}
	var unsure bool
	tab.frame.must(`Boolean(`+element+`.shadowRoot.querySelector('#not-sure'))`, &unsure)
	if unsure == want.Sure {
		tab.frame.t.Errorf("the page says not sure: %v, wazero says sure: %v", unsure, want.Sure)
	}
}

func same(t testing.TB, what string, got, want *classify.Result) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		t.Errorf("%s:\npage   %s\nwazero %s", what, brief(string(g)), brief(string(w)))
	}
}

// setFiles fills a file field.
func setFiles(d *document, field runtime.RemoteObjectID, path string) error {
	_, err := chromedp.Call(d.ctx, dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{path}, ObjectID: field})
	return err
}
