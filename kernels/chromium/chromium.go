// Package chromium starts a real Chromium in which devices are tested and measured.
package chromium

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// ErrNoBrowser: there is no Chromium here.
var ErrNoBrowser = errors.New("chromium: no browser: install Debian's chromium, or name one in BEDSIDE_CHROMIUM")

// Browser is a running Chromium, and a server on this machine for its pages.
type Browser struct {
	ctx    context.Context
	stop   []func()
	server *httptest.Server
}

// Start starts a headless Chromium with extra command line flags, such as
// "js-flags=--no-enable-avx-vnni"; an empty one takes the flag away. Every page comes from pages.
func Start(ctx context.Context, flags map[string]string, pages http.Handler) (*Browser, error) {
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
		if value == "" {
			options = append(options, chromedp.Flag(name, false))
		} else {
			options = append(options, chromedp.Flag(name, value))
		}
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	tab, stopTab := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	b := &Browser{ctx: tab, server: httptest.NewServer(pages), stop: []func(){stopTab, stopAllocator}}
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

// Page is a tab whose script has a function ask, from a message to a promise of its answer.
type Page struct {
	ctx   context.Context
	close func()
}

// Open loads the server's first page in a new tab.
func (b *Browser) Open() (*Page, error) {
	p := &Page{}
	p.ctx, p.close = chromedp.NewContext(b.ctx)
	if err := chromedp.Do(p.ctx, chromedp.Navigate(b.server.URL)); err != nil {
		p.close()
		return nil, fmt.Errorf("chromium: opening a page: %w", err)
	}
	return p, nil
}

// Close closes the tab.
func (p *Page) Close() { p.close() }

// Ask passes a message, whose kind is a field of that name, and stores what the page answers, if anything is wanted.
func (p *Page) Ask(message map[string]any, answer any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	yes := true
	got, err := chromedp.Call(p.ctx, runtime.Evaluate, runtime.EvaluateParams{
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
