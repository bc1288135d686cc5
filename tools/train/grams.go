package train

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"bedside/wasm/text"
	"bedside/wasm/tfidf"
	"bedside/weights"
)

// Corpus is a set of notes taken apart into the n-grams of one block, once, so that
// the vocabulary of any subset can be fitted from it.
type Corpus struct {
	block Block
	keys  []uint64       // ascending; an n-gram's id is its place here
	notes [][]count      // per note, ids ascending
	words map[uint64]int // by key, words that have vectors; nil in other blocks

	spelling [][]byte // per key; of phrases alone
}

type count struct{ id, n int32 }

// CollisionError reports two n-grams with one key.
type CollisionError struct{ Analyzer string }

func (e *CollisionError) Error() string {
	return fmt.Sprintf("two different %s n-grams of the training notes have the same 64-bit key, so the model could not tell them apart; train without one of the notes that hold them", e.Analyzer)
}

// Analyze takes notes apart for the block at the given position in the bundle, and
// checks that no two of their n-grams share a key. Cores share the notes.
func Analyze(ctx context.Context, t weights.Text, b Block, position int, notes []string) (*Corpus, error) {
	readers := make([]*reader, runtime.GOMAXPROCS(0))
	var wait sync.WaitGroup
	for w := range readers {
		r := &reader{
			normalizer: tfidf.Normalizer(t),
			analyzer:   tfidf.NewAnalyzer(b.Block, position),
			spelling:   map[uint64][]byte{},
		}
		readers[w] = r
		wait.Go(func() {
			for i := w; i < len(notes) && ctx.Err() == nil && !r.collided; i += len(readers) {
				r.notes = append(r.notes, r.read(notes[i]))
			}
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	spelling, unique := unite(readers)
	if !unique {
		return nil, &CollisionError{b.Analyzer}
	}
	c := &Corpus{block: b, keys: slices.Sorted(maps.Keys(spelling)), notes: make([][]count, len(notes))}
	c.number(readers)
	if b.Words != nil {
		var err error
		if c.words, err = wordKeys(t, b, position, spelling); err != nil {
			return nil, err
		}
	}
	if b.Analyzer == weights.Phrase {
		for _, key := range c.keys {
			c.spelling = append(c.spelling, spelling[key])
		}
	}
	return c, nil
}

// reader lists the n-grams of notes and remembers how each is spelled.
type reader struct {
	normalizer text.Normalizer
	analyzer   *tfidf.Analyzer
	normalized text.Normalized
	spelling   map[uint64][]byte
	collided   bool
	keys       []uint64
	gram       []byte
	notes      [][]keyCount
}

type keyCount struct {
	key uint64
	n   int32
}

// read counts a note's n-grams, by ascending key.
func (r *reader) read(note string) []keyCount {
	r.normalizer.Normalize(&r.normalized, note)
	r.keys = r.keys[:0]
	r.analyzer.Each(r.normalized.Bytes, func(g tfidf.Gram) {
		r.keys = append(r.keys, g.Key)
		r.gram = r.analyzer.AppendText(r.gram[:0], r.normalized.Bytes, g)
		if known, ok := r.spelling[g.Key]; !ok {
			r.spelling[g.Key] = bytes.Clone(r.gram)
		} else if !bytes.Equal(known, r.gram) {
			r.collided = true
		}
	})
	slices.Sort(r.keys)
	var counts []keyCount
	for i, key := range r.keys {
		if i == 0 || key != r.keys[i-1] {
			counts = append(counts, keyCount{key: key})
		}
		counts[len(counts)-1].n++
	}
	return counts
}

// unite joins what the readers saw; unique says that no key has two spellings.
func unite(readers []*reader) (spelling map[uint64][]byte, unique bool) {
	spelling = readers[0].spelling
	unique = !readers[0].collided
	for _, r := range readers[1:] {
		unique = unique && !r.collided
		for key, gram := range r.spelling {
			known, ok := spelling[key]
			unique = unique && (!ok || bytes.Equal(known, gram))
			spelling[key] = gram
		}
	}
	return spelling, unique
}

// number replaces keys by ids; reader w read notes w, w+len(readers), …
func (c *Corpus) number(readers []*reader) {
	ids := make(map[uint64]int32, len(c.keys))
	for id, key := range c.keys {
		ids[key] = int32(id)
	}
	for w, r := range readers {
		for k, note := range r.notes {
			counts := make([]count, len(note))
			for i, kc := range note {
				counts[i] = count{ids[kc.key], kc.n}
			}
			c.notes[w+k*len(readers)] = counts
		}
	}
}
