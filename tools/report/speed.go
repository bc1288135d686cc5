package report

import (
	"encoding/json"
	"fmt"
	"os"
)

// Headless is how quickly the module answers under wazero, on one core.
type Headless struct {
	Notes      int     // asked
	Characters float64 // of a note, on average
	PerSecond  float64 // notes
}

// Chromium is what the bench of e2e writes: how long the module takes in the page.
type Chromium struct {
	Browser    string                  `json:"browser"`
	Characters int                     `json:"characters"` // of a note
	Models     map[string]ChromiumTime `json:"models"`     // by name
}

// ChromiumTime is a note's, in milliseconds.
type ChromiumTime struct {
	Notes  int     `json:"notes"`
	Median float64 `json:"median_ms"`
	P99    float64 `json:"p99_ms"`
}

// ReadChromium reads the file at path.
func ReadChromium(path string) (*Chromium, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c Chromium
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%s: not what the bench in Chromium writes: %w", path, err)
	}
	return &c, nil
}
