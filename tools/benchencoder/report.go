package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	browserdomain "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// Report is all that has been measured.
type Report struct {
	Machine  string    `json:"machine"`
	Browser  string    `json:"browser"`
	Contests []Contest `json:"contests,omitempty"`
	Openings []Opening `json:"openings,omitempty"`
	Parities []Parity  `json:"parities,omitempty"`

	TokensPerSecond float64    `json:"tokensPerSecond,omitempty"`
	Headless        []Headless `json:"headless,omitempty"`
}

// place says where the numbers are from.
func (r *Report) place(b *browser) error {
	version, err := chromedp.CallBrowser(b.ctx, browserdomain.GetVersion, cdp.Empty{})
	if err != nil {
		return err
	}
	r.Browser = version.Product
	r.Machine = fmt.Sprintf("%d cores", runtime.NumCPU())
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			r.Machine += ", " + strings.TrimSpace(value)
			break
		}
	}
	fmt.Printf("%s; %s; onnxruntime-web %s\n", r.Machine, r.Browser, peerVersion())
	return nil
}

func (r *Report) contests(b *browser, s *server, m models, o options, vnni bool, threads []int) error {
	with := ""
	if !vnni {
		with = ", no AVX-VNNI"
	}
	fmt.Printf("\n| int8%s | threads | tokens | here | onnxruntime-web | ratio | quartiles | GMAC/s here, there | kernels here |\n|---|--:|--:|--:|--:|--:|--:|--:|---|\n", with)
	busiest := 0.0
	for _, name := range o.Models {
		for _, n := range threads {
			got, err := contests(b, s, m, name, n, engines, o)
			if err != nil {
				return fmt.Errorf("%s, %d threads: %w", name, n, err)
			}
			for _, c := range got {
				c.VNNI = vnni
				c.print()
				busiest = max(busiest, c.Others)
				r.Contests = append(r.Contests, c)
			}
		}
	}
	fmt.Printf("\nMedians of %d rounds, the engines taking turns. Other work kept at most %.2f cores busy.\n", o.Rounds, busiest)
	return nil
}

// gpuContests is both engines on WebGPU, the peer's in int8 and in float32.
func (r *Report) gpuContests(b *browser, s *server, m models, o options) error {
	adapter, err := b.adapter(s)
	if err != nil {
		return err
	}
	fmt.Printf("\n| WebGPU on %s | tokens | here, int8 | onnxruntime-web, int8 | float32 | ratio to its best | quartiles | GMAC/s here |\n|---|--:|--:|--:|--:|--:|--:|--:|\n", adapter)
	var all []Contest
	for _, name := range o.Models {
		got, err := contests(b, s, m, name, 1, gpuEngines, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, c := range got {
			c.printGPU(o.Peak)
		}
		all = append(all, got...)
	}
	fmt.Print("\n| asked of the GPU for one note | tokens | engine | dispatches | submits | read-backs |\n|---|--:|---|--:|--:|--:|\n")
	for _, c := range all {
		for _, name := range gpuEngines {
			a := c.Asked[name]
			fmt.Printf("| %s | %d | %s | %d | %d | %d |\n", c.Model, c.Tokens, titles[name], a.Dispatches, a.Submits, a.ReadBacks)
		}
	}
	fmt.Print("\n| WebGPU, from the HTTP cache | ready | first answer, 128 tokens | pipelines later than weights |\n|---|--:|--:|--:|\n")
	for _, name := range o.Models {
		got, err := opening(b, s, m, own, name, 1, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		at := func(pick func(visit) float64) float64 { return median(got.times(pick)) }
		fmt.Printf("| %s | %.0f ms | %.0f ms | %.0f ms |\n", name, at(func(v visit) float64 { return v.Ready }),
			at(func(v visit) float64 { return v.Answered }), at(func(v visit) float64 { return v.Late }))
		r.Openings = append(r.Openings, got)
	}
	r.Contests = append(r.Contests, all...)
	return nil
}

func (c Contest) printGPU(peak float64) {
	ratio, low, high := c.Ratio()
	ms := median(c.Own)
	rate := macs(shapes[c.Model], c.Tokens) / ms / 1e6
	share := ""
	if peak > 0 {
		share = fmt.Sprintf(" (%.2f %% of %g TFLOPS)", 100*2*rate/1e3/peak, peak)
	}
	fmt.Printf("| %s | %d | %.1f ms | %.1f ms | %.1f ms | **%.3f** | %.3f to %.3f | %.0f%s |\n",
		c.Model, c.Tokens, ms, median(c.Peer), median(c.Float), ratio, low, high, rate, share)
}

func (c Contest) print() {
	ratio, low, high := c.Ratio()
	rate := func(ms float64) float64 { return macs(shapes[c.Model], c.Tokens) / ms / 1e6 }
	own, peer := median(c.Own), median(c.Peer)
	fmt.Printf("| %s | %d | %d | %.1f ms | %.1f ms | **%.3f** | %.3f to %.3f | %.0f, %.0f | %s |\n",
		c.Model, c.Threads, c.Tokens, own, peer, ratio, low, high, rate(own), rate(peer), c.Device)
}

func (r *Report) openings(ctx context.Context, s *server, m models, o options) error {
	fmt.Print("\n| from the HTTP cache | threads | engine | ready | first answer, 128 tokens | cold: ready | code, brotli | weights | peak renderer memory |\n|---|--:|---|--:|--:|--:|--:|--:|--:|\n")
	for _, name := range o.Models {
		for _, n := range o.Threads {
			for _, engine := range engines {
				err := with(ctx, nil, func(b *browser) error {
					got, err := opening(b, s, m, engine, name, n, o)
					if err == nil {
						got.print()
						r.Openings = append(r.Openings, got)
					}
					return err
				})
				if err != nil {
					return fmt.Errorf("%s, %s, %d threads: %w", engine, name, n, err)
				}
			}
		}
	}
	return nil
}

func (o Opening) print() {
	at := func(pick func(visit) float64) float64 { return median(o.times(pick)) }
	fmt.Printf("| %s | %d | %s | **%.0f ms** | %.0f ms | %.0f ms | %.0f KB | %s | %s (first note %s, empty page %s) |\n",
		o.Model, o.Threads, titles[o.Engine],
		at(func(v visit) float64 { return v.Ready }), at(func(v visit) float64 { return v.Answered }),
		o.Cold.Ready, float64(o.CodeBytes)/1e3, megabytes(o.WeightBytes), megabytes(o.Peak), megabytes(o.Opened), megabytes(o.Empty))
	if len(o.Fetched) > 0 {
		fmt.Printf("| | | of that, fetching and hashing alone | %.0f ms | | | | | |\n", median(o.Fetched))
	}
	if o.Refetch > 0 {
		fmt.Printf("\n(%s: the cache did not hold everything: %d bytes were fetched again.)\n\n", titles[o.Engine], o.Refetch)
	}
}

var titles = map[string]string{own: "here", peer: "onnxruntime-web", float: "onnxruntime-web, float32"}

func (r *Report) parities(b *browser, s *server, m models, o options) error {
	fmt.Print("\n| cosine of logits to float64: mean, lowest | here | onnxruntime-web | largest difference here, there, of |\n|---|--:|--:|--:|\n")
	for _, name := range o.variants() {
		p, err := parity(b, s, m, name, o.device())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("| %s | %.4f, %.4f | %.4f, %.4f | %.3f, %.3f, %.2f |\n", name, p.Mean[own], quantile(p.Each[own], 0),
			p.Mean[peer], quantile(p.Each[peer], 0), p.Worst[own], p.Worst[peer], p.Range)
		r.Parities = append(r.Parities, p)
	}
	return nil
}
