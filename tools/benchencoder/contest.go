package main

import "fmt"

// Contest is both engines on the same note, in one page, turn by turn.
type Contest struct {
	Model   string    `json:"model"`
	VNNI    bool      `json:"vnni"` // the browser may use AVX-VNNI where the CPU has it
	Threads int       `json:"threads"`
	Tokens  int       `json:"tokens"`
	Device  string    `json:"device"` // ours
	Own     []float64 `json:"own"`    // milliseconds, round by round
	Peer    []float64 `json:"peer"`   // of the same rounds
	Others  float64   `json:"others"` // cores that the rest of the machine kept busy
}

// Ratio is the median of the rounds' quotients, and their quartiles: what slows the machine
// for longer than a round cancels.
func (c Contest) Ratio() (ratio, low, high float64) {
	each := ratios(c.Own, c.Peer)
	return median(each), quantile(each, .25), quantile(each, .75)
}

// contests runs every number of tokens on one model.
func contests(b *browser, s *server, m models, name string, threads int, o options) ([]Contest, error) {
	c, err := m.cases(name)
	if err != nil {
		return nil, err
	}
	t, err := b.open(s.url())
	if err != nil {
		return nil, err
	}
	defer t.close()
	var opened struct{ Device string }
	for _, engine := range engines {
		if err := t.eval(&opened, `bench.open(%s, %s, %s, %s)`, engine, name, threads, o.device()); err != nil {
			return nil, fmt.Errorf("%s: %w", engine, err)
		}
	}
	var out []Contest
	for _, n := range o.Tokens {
		note, ok := c.Notes[n]
		if !ok {
			return nil, fmt.Errorf("there is no note of %d tokens", n)
		}
		before := b.load()
		got := Contest{Model: name, Threads: threads, Tokens: n, Device: opened.Device}
		options := map[string]any{"warm": o.Warm.Milliseconds(), "rounds": o.Rounds, "rest": o.Rest.Milliseconds()}
		if err := t.eval(&got, `bench.contest(%s, %s)`, note, options); err != nil {
			return nil, err
		}
		got.Others = before.others(b.load())
		out = append(out, got)
	}
	return out, nil
}

const (
	own  = "own"
	peer = "peer"
)

var engines = []string{peer, own}

// macs is the multiply-adds of a forward: dense layers and attention.
func macs(shape shape, tokens int) float64 {
	n, h := float64(tokens), float64(shape.hidden)
	return float64(shape.layers) * (n*h*(4*h+2*float64(shape.intermediate)) + 2*n*n*h)
}

type shape struct{ layers, hidden, intermediate int }

var shapes = map[string]shape{"bert-base": {12, 768, 3072}, "minilm-l6": {6, 384, 1536}}
