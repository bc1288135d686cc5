package main

import (
	"math"
	"testing"
)

func TestRatio(t *testing.T) {
	c := Contest{Own: []float64{10, 20, 30, 10, 10}, Peer: []float64{40, 40, 60, 80, 10}}
	ratio, low, high := c.Ratio()
	// Round by round 0.25, 0.5, 0.5, 0.125 and 1.
	if ratio != .5 || low != .25 || high != .5 {
		t.Errorf("ratio %v, quartiles %v and %v", ratio, low, high)
	}
}

func TestMACs(t *testing.T) {
	for _, c := range []struct {
		model  string
		tokens int
		want   float64
	}{
		{"bert-base", 128, 11.17e9},
		{"minilm-l6", 512, 6.64e9},
	} {
		if got := macs(shapes[c.model], c.tokens); math.Abs(got/c.want-1) > .005 {
			t.Errorf("%s, %d tokens: %.4g multiply-adds, want %.4g", c.model, c.tokens, got, c.want)
		}
	}
}
