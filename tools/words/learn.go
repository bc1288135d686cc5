package words

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"

	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// Options say how to learn vectors.
type Options struct {
	Width    int // of the vectors
	Least    int // times that a word must stand in the texts
	Seed     uint64
	Progress func(stage string, done, total int) // may be nil
}

// Of the words that stand often enough, so many of the most frequent get vectors. A
// word is known by those up to window places from it, nearer ones counting more.
const (
	most   = 40000
	window = 4
)

// Learn makes vectors of the words of texts: from how much more often than chance each
// pair of words stands close together (positive pointwise mutual information, the chance
// of a neighbour being its frequency to the power of 0.75), the directions that say most
// about it (a truncated singular value decomposition; Levy and Goldberg, 2014). The same
// texts and seed give the same vectors, whatever the number of cores.
func Learn(ctx context.Context, texts []string, o Options) (*Vectors, error) {
	if o.Width < 1 || o.Width > MaxWidth || o.Least < 1 {
		return nil, fmt.Errorf("vectors of %d numbers for words that stand %d times: want 1 to %d numbers, and once or more", o.Width, o.Least, MaxWidth)
	}
	steps := 2 + 2*rounds
	step := func(stage string, done int) {
		if o.Progress != nil {
			o.Progress(stage, done, steps)
		}
	}
	names, running := number(texts, o.Least)
	if len(names) <= o.Width+spare {
		return nil, fmt.Errorf("%d words stand %d times or more: too few for vectors of %d numbers; give more text, or ask for fewer numbers", len(names), o.Least, o.Width)
	}
	step("counted words", 1)
	pairs, err := together(ctx, running, len(names))
	if err != nil {
		return nil, err
	}
	step("counted neighbours", 2)
	places, err := pairs.directions(ctx, o.Width, o.Seed, func(round int) { step("looking for directions", 2+round) })
	if err != nil {
		return nil, err
	}
	v := &Vectors{Width: o.Width}
	for i, name := range names {
		v.place(name, places[i*o.Width:(i+1)*o.Width])
	}
	return v, nil
}

// number gives the words, most frequent first, and the texts as their numbers: -1 for
// words without one, and window times between texts.
func number(texts []string, least int) (names []string, running []int32) {
	var normalized text.Normalized
	normalizer := text.Normalizer{Lowercase: true, StripAccents: true}
	analyzer := tfidf.NewAnalyzer(weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 1}, 0)
	ids, counts := map[string]int32{}, map[string]int{}
	var word []byte
	for _, t := range texts {
		normalizer.Normalize(&normalized, t)
		analyzer.Each(normalized.Bytes, func(g tfidf.Gram) {
			word = analyzer.AppendText(word[:0], normalized.Bytes, g)
			id, known := ids[string(word)]
			if !known {
				id = int32(len(ids))
				ids[string(word)] = id
			}
			counts[string(word)]++
			running = append(running, id)
		})
		for range window {
			running = append(running, -1)
		}
	}
	maps.DeleteFunc(counts, func(word string, n int) bool { return n < least || len(word) > MaxWordBytes })
	names = slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	names = names[:min(len(names), most)]
	place := slices.Repeat([]int32{-1}, len(ids))
	for i, name := range names {
		place[ids[name]] = int32(i)
	}
	for at, id := range running {
		if id >= 0 {
			running[at] = place[id]
		}
	}
	return names, running
}

// pairs is a sparse square matrix, [words][words]: how much more often than chance a
// word's neighbour stands there, as its logarithm; 0 where not more often.
type pairs struct {
	words int
	start []int
	index []int32
	value []float32 // of the row's word, the column's its neighbour
	other []float32 // the other way around: the transposed matrix has the same places
}

// together counts, for every word, the words near it.
func together(ctx context.Context, running []int32, words int) (*pairs, error) {
	places := make([][]int32, words)
	for at, id := range running {
		if id >= 0 {
			places[id] = append(places[id], int32(at))
		}
	}
	index, near := make([][]int32, words), make([][]float32, words)
	inParallel(words, func(lo, hi int) {
		sums := make([]float32, words)
		for i := lo; i < hi && ctx.Err() == nil; i++ {
			index[i], near[i] = neighbours(running, places[i], sums)
		}
	})
	p := &pairs{words: words, start: []int{0}}
	for i := range index {
		p.index, p.value = append(p.index, index[i]...), append(p.value, near[i]...)
		p.start = append(p.start, len(p.index))
		index[i], near[i] = nil, nil
	}
	p.compare()
	return p, ctx.Err()
}

// neighbours sums what stands near the places of a word; sums is all 0 before and after.
func neighbours(running []int32, places []int32, sums []float32) (index []int32, near []float32) {
	for _, at := range places {
		for away := 1; away <= window; away++ {
			for _, other := range [2]int{int(at) - away, int(at) + away} {
				if other < 0 || other >= len(running) || running[other] < 0 {
					continue
				}
				j := running[other]
				if sums[j] == 0 {
					index = append(index, j)
				}
				sums[j] += 1 / float32(away)
			}
		}
	}
	slices.Sort(index)
	for _, j := range index {
		near, sums[j] = append(near, sums[j]), 0
	}
	return index, near
}

// compare replaces counts by how far they are above chance.
func (p *pairs) compare() {
	often, chance, total := make([]float64, p.words), make([]float64, p.words), 0.0
	for i := range p.words {
		for _, n := range p.value[p.start[i]:p.start[i+1]] {
			often[i] += float64(n)
		}
		chance[i] = math.Pow(often[i], 0.75)
		total += chance[i]
	}
	p.other = make([]float32, len(p.value))
	inParallel(p.words, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			for at := p.start[i]; at < p.start[i+1]; at++ {
				n, j := float64(p.value[at])*total, p.index[at]
				p.value[at] = float32(max(math.Log(n/(often[i]*chance[j])), 0))
				p.other[at] = float32(max(math.Log(n/(often[j]*chance[i])), 0))
			}
		}
	})
}

// inParallel splits 0 to n among the cores.
func inParallel(n int, work func(lo, hi int)) {
	var wait sync.WaitGroup
	cores := runtime.GOMAXPROCS(0)
	for c := range cores {
		wait.Go(func() { work(c*n/cores, (c+1)*n/cores) })
	}
	wait.Wait()
}
