package main

import (
	"fmt"
	"math"
)

// Parity is how near both engines come to float64 on the same notes.
type Parity struct {
	Model string               `json:"model"`
	Cases int                  `json:"cases"`
	Mean  map[string]float64   `json:"mean"`  // of the cosines, by engine
	Each  map[string][]float64 `json:"each"`  // cosine of each case's logits, by engine
	Worst map[string]float64   `json:"worst"` // the largest difference of a logit, by engine
	Range float64              `json:"range"` // the largest logit in float64
}

func parity(b *browser, s *server, m models, name string, device *string) (Parity, error) {
	p := Parity{Model: name, Mean: map[string]float64{}, Each: map[string][]float64{}, Worst: map[string]float64{}}
	c, err := m.cases(name)
	if err != nil {
		return p, err
	}
	p.Cases = len(c.Cases)
	for _, engine := range engines {
		err := b.visit(s, func(t *tab) error {
			if err := t.eval(nil, `bench.open(%s, %s, 1, %s)`, engine, name, device); err != nil {
				return err
			}
			for _, want := range c.Cases {
				var got struct{ Logits []float64 }
				if err := t.eval(&got, `bench.run(%s, %s)`, engine, want.note); err != nil {
					return err
				}
				if len(got.Logits) != len(want.Logits) {
					return fmt.Errorf("%d logits, want %d", len(got.Logits), len(want.Logits))
				}
				p.Each[engine] = append(p.Each[engine], cosine(got.Logits, want.Logits))
				for i, l := range want.Logits {
					p.Range = max(p.Range, math.Abs(l))
					p.Worst[engine] = max(p.Worst[engine], math.Abs(got.Logits[i]-l))
				}
			}
			return nil
		})
		if err != nil {
			return p, fmt.Errorf("%s: %w", engine, err)
		}
		for _, cos := range p.Each[engine] {
			p.Mean[engine] += cos / float64(p.Cases)
		}
	}
	return p, nil
}
