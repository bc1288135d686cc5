package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"bedside/kernels/chromium"
)

// browser is a Chromium of its own with a fresh profile.
type browser struct {
	ctx     context.Context
	stop    func()
	process int
}

// cacheBytes makes room in the HTTP cache for files of an eighth of it: the peer's model is
// one file of 110 MB.
const cacheBytes = 2 << 30

// start runs Chromium with further flags, such as "js-flags=--no-enable-avx-vnni".
func start(ctx context.Context, flags []string) (*browser, error) {
	own, stop, err := chromium.Launch(ctx, append([]string{fmt.Sprintf("disk-cache-size=%d", int64(cacheBytes)-1)}, flags...)...)
	if err != nil {
		return nil, err
	}
	return &browser{own, stop, chromedp.FromContext(own).Browser.Process().Pid}, nil
}

// tab is a page in a process of its own.
type tab struct {
	ctx  context.Context
	stop context.CancelFunc
}

// open loads an address and waits until the page has made itself ready.
func (b *browser) open(address string) (*tab, error) {
	t := &tab{}
	t.ctx, t.stop = chromedp.NewContext(b.ctx)
	if err := chromedp.Do(t.ctx, chromedp.Navigate(address)); err != nil {
		t.stop()
		return nil, fmt.Errorf("opening %s: %w", address, err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var isolated bool
		err := t.eval(&isolated, `(window.bench && window.bench.isolated) === true`)
		if err == nil && isolated {
			return t, t.unwatch()
		}
		if time.Now().After(deadline) {
			t.stop()
			return nil, fmt.Errorf("opening %s: the page does not come up cross-origin isolated (%v)", address, err)
		}
	}
}

// gpu is our device on WebGPU, and the peer's provider.
const gpu = "webgpu"

// adapter names what WebGPU computes on.
func (b *browser) adapter(s *server) (name string, err error) {
	err = b.visit(s, func(t *tab) error {
		return t.eval(&name, `navigator.gpu?.requestAdapter().then((a) => a && [a.info.vendor, a.info.architecture, a.info.device, a.info.description].filter(Boolean).join(' '))`)
	})
	if err == nil && name == "" {
		err = errors.New("this Chromium offers no GPU")
	}
	return name, err
}

// unwatch ends the recording of requests, which keeps the bodies of answers in the page's
// process.
func (t *tab) unwatch() error {
	_, err := chromedp.Call(t.ctx, network.Disable, cdp.Empty{})
	return err
}

// patience bounds one call into the page.
const patience = 15 * time.Minute

// eval runs an expression, waits for it where it is a promise, and decodes its value. Each
// %s of the expression is an argument as JSON.
func (t *tab) eval(into any, expression string, arguments ...any) error {
	quoted := make([]any, len(arguments))
	for i, a := range arguments {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		quoted[i] = text
	}
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	yes := true
	got, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: fmt.Sprintf(expression, quoted...), AwaitPromise: &yes, ReturnByValue: &yes,
	})
	if err != nil {
		return err
	}
	if e := got.ExceptionDetails; e != nil {
		if e.Exception != nil {
			return fmt.Errorf("in the page: %s", cmp.Or(e.Exception.Description, e.Text))
		}
		return fmt.Errorf("in the page: %s", e.Text)
	}
	if into == nil || got.Result == nil || len(got.Result.Value) == 0 {
		return nil
	}
	return json.Unmarshal(got.Result.Value, into)
}

// close ends the page and waits for its process to end.
func (t *tab) close() error {
	own := chromedp.FromContext(t.ctx).Target.TargetID
	_, err := chromedp.CallBrowser(t.ctx, target.CloseTarget, target.CloseTargetParams{TargetID: own})
	t.stop()
	time.Sleep(500 * time.Millisecond)
	return err
}
