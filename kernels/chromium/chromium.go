// Package chromium starts a real Chromium for tests and measurements; nothing that ships links it.
package chromium

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Browser is a running Chromium, and a server on this machine for its pages.
type Browser struct {
	tab    context.Context
	stop   func()
	server *httptest.Server
}

// Start launches a headless Chromium with further flags; every page comes from pages.
func Start(ctx context.Context, pages http.Handler, flags ...string) (*Browser, error) {
	tab, stop, err := Launch(ctx, flags...)
	if err != nil {
		return nil, err
	}
	return &Browser{tab, stop, httptest.NewServer(pages)}, nil
}

// Close ends the browser.
func (b *Browser) Close() {
	b.stop()
	b.server.Close()
}

// Page is a tab whose script has a function ask, from a message to a promise of its answer.
type Page struct {
	ctx   context.Context
	close func()
}

// Open loads the server's first page in a new tab.
func (b *Browser) Open() (*Page, error) {
	p := &Page{}
	p.ctx, p.close = chromedp.NewContext(b.tab)
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
