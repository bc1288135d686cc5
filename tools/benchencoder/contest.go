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

	Float []float64        `json:"float,omitempty"` // of the peer's float32 model
	Asked map[string]Asked `json:"asked,omitempty"` // by engine, of one note
}

// Asked is what an engine asked a GPU for.
type Asked struct {
	Dispatches int `json:"dispatches"`
	Submits    int `json:"submits"`
	ReadBacks  int `json:"readBacks"`
}

// Ratio is the median of the rounds' quotients, and their quartiles: what slows the machine
// for longer than a round cancels.
func (c Contest) Ratio() (ratio, low, high float64) {
	each := ratios(c.Own, c.best())
	return median(each), quantile(each, .25), quantile(each, .75)
}

// best is the peer's quicker model.
func (c Contest) best() []float64 {
	if len(c.Float) > 0 && median(c.Float) < median(c.Peer) {
		return c.Float
	}
	return c.Peer
}

// contests runs every number of tokens on one model.
func contests(b *browser, s *server, m models, name string, threads int, engines []string, o options) ([]Contest, error) {
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
		var got struct {
			Times map[string][]float64
			Asked map[string]Asked
		}
		options := map[string]any{"warm": o.Warm.Milliseconds(), "rounds": o.Rounds, "rest": o.Rest.Milliseconds()}
		if err := t.eval(&got, `bench.contest(%s, %s, %s)`, engines, note, options); err != nil {
			return nil, err
		}
		out = append(out, Contest{Model: name, Threads: threads, Tokens: n, Device: opened.Device, Own: got.Times[own], Peer: got.Times[peer],
			Float: got.Times[float], Asked: got.Asked, Others: before.others(b.load())})
	}
	return out, nil
}

const (
	own   = "own"
	peer  = "peer"
	float = "float" // the peer on float32 weights
)

// engines are ours and the peer's; what opens last is ours.
var engines = []string{peer, own}

// gpuEngines are those on a GPU, where the peer may be quicker in float32: its integer products run on the processor.
var gpuEngines = []string{peer, float, own}

// macs is the multiply-adds of a forward: dense layers and attention.
func macs(shape shape, tokens int) float64 {
	n, h := float64(tokens), float64(shape.hidden)
	return float64(shape.layers) * (n*h*(4*h+2*float64(shape.intermediate)) + 2*n*n*h)
}

type shape struct{ layers, hidden, intermediate int }

var shapes = map[string]shape{"bert-base": {12, 768, 3072}, "minilm-l6": {6, 384, 1536}}
