package main

import (
	"errors"
	"fmt"
)

// Opening is one engine from the page's word to its answer, and what that took.
type Opening struct {
	Engine  string `json:"engine"`
	Model   string `json:"model"`
	Threads int    `json:"threads"`

	CodeBytes   int64 `json:"codeBytes"`   // bodies of the first visit: scripts and modules, brotli
	WeightBytes int64 `json:"weightBytes"` // bodies of the first visit: model or bundle, not compressed
	Cold        visit `json:"cold"`        // the first visit, from loopback

	Visits  []visit   `json:"visits"`            // from the HTTP cache
	Fetched []float64 `json:"fetched,omitempty"` // milliseconds to fetch our files from there and hash them, nothing more
	Refetch int64     `json:"refetch"`           // bytes that those asked the server for all the same
	Peak    int64     `json:"peak"`              // bytes: largest renderer of the browser, after notes of 128 and 512 tokens
	Opened  int64     `json:"opened"`            // bytes: the same after the first note, of 128 tokens
	Empty   int64     `json:"empty"`             // bytes: the same before the engine was asked for
}

// visit is milliseconds since the engine was asked for in a page that holds nothing else.
type visit struct {
	Ready    float64 `json:"ready"`    // it can answer
	Answered float64 `json:"answered"` // the first note, of 128 tokens, has its logits
	Late     float64 `json:"late"`     // a GPU's pipelines are there after its weights
	Device   string  `json:"device,omitempty"`
}

// opening visits once from the server, then from the cache, each time in a new page of one
// browser; and once more to read the peak of memory.
func opening(b *browser, s *server, m models, engine, model string, threads int, asked options) (Opening, error) {
	o := Opening{Engine: engine, Model: model, Threads: threads}
	c, err := m.cases(model)
	if err != nil {
		return o, err
	}
	call := func(t *tab) (v visit, err error) {
		return v, t.eval(&v, `bench.visit(%s, %s, %s, %s, %s)`, c.Notes[128], engine, model, threads, asked.device())
	}
	// A page without an engine; its own script does not count.
	err = b.visit(s, func(*tab) (err error) {
		o.Empty, err = b.peakRenderer()
		return err
	})
	if err != nil {
		return o, err
	}
	s.sent()
	if err := b.visit(s, func(t *tab) (err error) { o.Cold, err = call(t); return err }); err != nil {
		return o, err
	}
	o.CodeBytes, o.WeightBytes = s.sent()
	for range asked.Visits {
		err := b.visit(s, func(t *tab) error {
			v, err := call(t)
			o.Visits = append(o.Visits, v)
			return err
		})
		if err != nil {
			return o, err
		}
	}
	for range asked.Visits {
		if engine != own {
			break
		}
		var ms float64
		if err := b.visit(s, func(t *tab) error { return t.eval(&ms, `bench.fetchAll(%s)`, model) }); err != nil {
			return o, err
		}
		o.Fetched = append(o.Fetched, ms)
	}
	err = b.visit(s, func(t *tab) (err error) {
		if _, err := call(t); err != nil {
			return err
		}
		if o.Opened, err = b.peakRenderer(); err != nil {
			return err
		}
		for _, tokens := range []int{128, 512} {
			if err := t.eval(nil, `bench.run(%s, %s, 3)`, engine, c.Notes[tokens]); err != nil {
				return err
			}
		}
		o.Peak, err = b.peakRenderer()
		return err
	})
	code, weights := s.sent()
	o.Refetch = code + weights
	return o, err
}

// visit opens the page, does something and closes it.
func (b *browser) visit(s *server, do func(*tab) error) error {
	t, err := b.open(s.url())
	if err != nil {
		return err
	}
	if err := do(t); err != nil {
		return errors.Join(err, t.close())
	}
	return t.close()
}

// times picks one moment of every visit.
func (o Opening) times(pick func(visit) float64) []float64 {
	var out []float64
	for _, v := range o.Visits {
		out = append(out, pick(v))
	}
	return out
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f MB", float64(bytes)/1e6) }
