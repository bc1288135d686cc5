package fit

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls work on consecutive ranges of at most size that cover 0 to n, on all
// cores. Ranges do not depend on the number of cores, so work that writes each
// range's result to its own place is reproducible.
func parallel(n, size int, work func(lo, hi int)) {
	ranges := (n + size - 1) / size
	workers := min(runtime.GOMAXPROCS(0), ranges)
	var next atomic.Int64
	drain := func() {
		for {
			lo := (int(next.Add(1)) - 1) * size
			if lo >= n {
				return
			}
			work(lo, min(lo+size, n))
		}
	}
	var done sync.WaitGroup
	for range workers - 1 {
		done.Go(drain)
	}
	drain()
	done.Wait()
}
