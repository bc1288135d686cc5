package page

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// compressible are the kinds of files that may get compressed forms. Shards are: int8
// weights of rare n-grams are mostly zero. An encoder's are not, see worthwhile.
var compressible = map[string]bool{
	".html": true, ".js": true, ".json": true, ".shard": true, ".svg": true,
	".txt": true, ".wasm": true, ".webmanifest": true,
}

// write writes all files and their compressed forms below dir, on all cores.
func write(dir string, files map[string][]byte, progress Progress) error {
	names := slices.SortedFunc(maps.Keys(files), func(a, b string) int {
		return len(files[b]) - len(files[a]) // the largest first, so that no core waits for it at the end
	})
	var (
		mu    sync.Mutex
		done  int
		first error
		next  = make(chan string)
		wait  sync.WaitGroup
	)
	finish := func(name string, err error) {
		mu.Lock()
		defer mu.Unlock()
		done++
		if err != nil && first == nil {
			first = fmt.Errorf("%s: %w", name, err)
		}
		if progress != nil {
			progress(name, done, len(names))
		}
	}
	cache := openCache()
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for name := range next {
				finish(name, writeOne(dir, name, files[name], cache))
			}
		})
	}
	for _, name := range names {
		next <- name
	}
	close(next)
	wait.Wait()
	return first
}

func writeOne(dir, name string, contents []byte, cache cache) error {
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, contents, 0o644); err != nil {
		return err
	}
	if !compressible[path.Ext(name)] || !worthwhile(contents) {
		return nil
	}
	for _, f := range forms {
		packed, err := cache.compress(f, contents)
		if err != nil {
			return err
		}
		if len(packed) >= len(contents) {
			continue
		}
		if err := os.WriteFile(file+f.ext, packed, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// worthwhile says whether a large file shrinks by a quarter: a browser unpacks it each time
// it reads it from its cache, which for dense weights takes longer than their last tenth
// takes to arrive. A piece from the middle speaks for the whole.
func worthwhile(contents []byte) bool {
	const large, piece = 1 << 20, 256 << 10
	if len(contents) < large {
		return true
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(contents[len(contents)/2:][:piece]) // a buffer takes all
	w.Close()
	return packed.Len() < piece*3/4
}
