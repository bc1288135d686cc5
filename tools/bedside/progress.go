package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress reports work in steps: a bar on a terminal, a line every few seconds elsewhere.
type progress struct {
	streams streams
	bar     *progressbar.ProgressBar
	started time.Time
	shown   time.Time
}

func newProgress(s streams) *progress {
	return &progress{streams: s, started: time.Now(), shown: time.Now()}
}

func (p *progress) show(stage string, done, total int) {
	if p.streams.terminal {
		if p.bar == nil || p.bar.GetMax() != total {
			p.bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(p.streams.err),
				progressbar.OptionClearOnFinish(),
				progressbar.OptionSetWidth(24),
				progressbar.OptionSetPredictTime(true))
		}
		p.bar.Describe(stage)
		_ = p.bar.Set(done) // drawing a bar is not worth failing for
		return
	}
	if now := time.Now(); done == total || now.Sub(p.shown) > 5*time.Second {
		p.shown = now
		fmt.Fprintf(p.streams.err, "%4.0fs %d/%d %s\n", now.Sub(p.started).Seconds(), done, total, stage)
	}
}
