package e2e

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"

	"bedside/kernels/chromium"
	"bedside/tools/page"
	"bedside/wasm/host"
)

// missing skips the test, or fails it where everything must be there.
func missing(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("%s: %v", what, err)
}

func distDir() string { return cmp.Or(os.Getenv("BEDSIDE_DIST"), "../dist") }

// site is the assembled page.
func site(t testing.TB) fs.FS {
	t.Helper()
	dist := os.DirFS(distDir())
	if _, err := fs.Stat(dist, "index.html"); err != nil {
		missing(t, "the page is not assembled (run make build)", err)
	}
	return dist
}

// release is what the page pins.
func release(t testing.TB) *page.Release {
	t.Helper()
	r, err := page.ReadRelease(site(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// newHost runs a module with a compilation cache that outlives the test.
func newHost(t testing.TB, module []byte, instances int) *host.Host {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	h, err := host.New(t.Context(), host.Options{Module: module, Instances: instances, CacheDir: dir + "/bedside-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// pageModel is the model of the page, in the module of the page, under wazero.
func pageModel(t testing.TB) *host.Model {
	t.Helper()
	files, r := site(t), release(t)
	module, err := fs.ReadFile(files, r.Module.URL)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := fs.Sub(files, r.Models[0].Dir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := newHost(t, module, 1).Load(t.Context(), bundle)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shared is a Chromium that tests share; each opens its own profile in it.
type shared struct {
	flags []string
	once  sync.Once
	ctx   context.Context
	stop  func()
	err   error
}

var (
	ordinary shared
	withGPU  = shared{flags: []string{"enable-unsafe-webgpu"}}
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range []*shared{&ordinary, &withGPU} {
		if s.stop != nil {
			s.stop()
		}
	}
	os.Exit(code)
}

// browser is the Chromium of most tests.
func browser(t testing.TB) context.Context {
	t.Helper()
	return ordinary.get(t)
}

func (s *shared) get(t testing.TB) context.Context {
	t.Helper()
	s.once.Do(func() { s.ctx, s.stop, s.err = chromium.Launch(context.Background(), s.flags...) })
	launched(t, s.err)
	return s.ctx
}

// ownBrowser is a Chromium of this test alone, with further flags if any, which the test stops.
func ownBrowser(t testing.TB, flags ...string) (ctx context.Context, stop func()) {
	t.Helper()
	ctx, stop, err := chromium.Launch(context.Background(), flags...)
	launched(t, err)
	return ctx, stop
}

func launched(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, chromium.ErrNoBrowser) {
		missing(t, "the page needs a browser", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
