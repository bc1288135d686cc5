package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress reports work in steps: a bar on a terminal; elsewhere, of work that takes
// long, a line every few seconds.
type progress struct {
	streams streams
	bar     *progressbar.ProgressBar
	width   int // of the widest stage so far, so that the bar stands still
	started time.Time
	shown   time.Time
}

const (
	redraw    = 65 * time.Millisecond
	lineEvery = 5 * time.Second
)

func newProgress(s streams) *progress {
	return &progress{streams: s, started: time.Now(), shown: time.Now()}
}

func (p *progress) show(stage string, done, total int) {
	if p.streams.terminal {
		if p.bar == nil || p.bar.GetMax() != total {
			p.bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(p.streams.err),
				progressbar.OptionClearOnFinish(),
				progressbar.OptionThrottle(redraw),
				progressbar.OptionSetWidth(24),
				progressbar.OptionSetPredictTime(true))
		}
		p.width = max(p.width, len(stage))
		p.bar.Describe(fmt.Sprintf("%-*s", p.width, stage))
		_ = p.bar.Set(done) // drawing a bar is not worth failing for
		return
	}
	if now := time.Now(); now.Sub(p.shown) > lineEvery {
		p.shown = now
		fmt.Fprintf(p.streams.err, "%4.0fs %d/%d %s\n", now.Sub(p.started).Seconds(), done, total, stage)
	}
}

// end takes an unfinished bar off the terminal, so that a message can follow.
func (p *progress) end() {
	if p.bar != nil && !p.bar.IsFinished() {
		_ = p.bar.Clear()
	}
}
