package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"bedside/wasm/classify"
	"bedside/wasm/host"
)

// headless times notes of the first length under wazero, on one core.
func (r *Report) headless(ctx context.Context, m models, o options) error {
	h, err := host.New(ctx, host.Options{Instances: 1})
	if err != nil {
		return err
	}
	defer h.Close(ctx)
	fmt.Print("\n| headless, under wazero | tokens | a note, median | quickest |\n|---|--:|--:|--:|\n")
	for _, name := range o.Models {
		c, err := m.cases(name)
		if err != nil {
			return err
		}
		model, err := h.LoadDir(ctx, filepath.Join(m.dir, name, "bundle"))
		if err != nil {
			return err
		}
		var times []float64
		for range 2 + o.Rounds {
			begun := time.Now()
			if _, err := model.Classify(ctx, c.Notes[o.Tokens[0]].Text, classify.Options{}); err != nil {
				return err
			}
			times = append(times, time.Since(begun).Seconds()*1e3)
		}
		model.Close()
		times = times[2:]
		fmt.Printf("| %s | %d | **%.0f ms** | %.0f ms |\n", name, o.Tokens[0], median(times), quantile(times, 0))
		r.Headless = append(r.Headless, Headless{name, o.Tokens[0], times})
	}
	return nil
}

// Headless is one model under wazero.
type Headless struct {
	Model  string    `json:"model"`
	Tokens int       `json:"tokens"`
	Times  []float64 `json:"times"` // milliseconds
}
