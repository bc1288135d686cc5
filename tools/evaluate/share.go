package evaluate

import (
	"context"
	"slices"
	"sync"
	"time"

	"bedside/tools/dataset"
	"bedside/tools/metrics"
	"bedside/weights"
)

// shareNotes are taken at a time by an engine that shares the notes with others.
const shareNotes = 8

// Share is Collect by several engines of one model at once, for those that answer one note
// after another. How many they are makes no difference to the answers.
func Share(ctx context.Context, engines []Engine, m *weights.Manifest, d *dataset.Dataset, progress func(done, total int)) (metrics.Answers, []time.Duration, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var pieces [][]dataset.Example
	for piece := range slices.Chunk(d.Examples, shareNotes) {
		pieces = append(pieces, piece)
	}
	answers, times := make([]metrics.Answers, len(pieces)), make([][]time.Duration, len(pieces))
	var mu sync.Mutex
	next, done := 0, 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	step := func(int, int) {
		mu.Lock()
		defer mu.Unlock()
		if done++; progress != nil {
			progress(done, len(d.Examples))
		}
	}
	var wait sync.WaitGroup
	for _, engine := range engines {
		wait.Go(func() {
			for i := take(); i < len(pieces); i = take() {
				piece := *d
				piece.Examples = pieces[i]
				var err error
				if answers[i], times[i], err = Collect(ctx, engine, m, &piece, step); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if err := context.Cause(ctx); err != nil || len(pieces) == 0 {
		return metrics.Answers{}, nil, err
	}
	return metrics.Pool(answers), slices.Concat(times...), nil
}
