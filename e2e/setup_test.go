package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"testing"

	"bedside/tools/page"
	"bedside/wasm/host"

	"github.com/chromedp/chromedp"
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
	flags []chromedp.ExecAllocatorOption
	once  sync.Once
	ctx   context.Context
	stop  func()
	err   error
}

var (
	chromium    shared
	chromiumGPU = shared{flags: []chromedp.ExecAllocatorOption{chromedp.Flag("enable-unsafe-webgpu", true)}}
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range []*shared{&chromium, &chromiumGPU} {
		if s.stop != nil {
			s.stop()
		}
	}
	os.Exit(code)
}

// browser is the Chromium of most tests.
func browser(t testing.TB) context.Context {
	t.Helper()
	return chromium.get(t)
}

func (s *shared) get(t testing.TB) context.Context {
	t.Helper()
	path, err := chromiumPath()
	if err != nil {
		missing(t, "no Chromium (Debian: apt-get install chromium)", err)
	}
	s.once.Do(func() {
		s.ctx, s.stop, s.err = startChromium(path, s.flags...)
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.ctx
}

func chromiumPath() (string, error) {
	if path := os.Getenv("BEDSIDE_CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("none of chromium, chromium-browser, google-chrome in PATH")
}

// startChromium starts a browser, with further flags if any.
func startChromium(path string, flags ...chromedp.ExecAllocatorOption) (context.Context, func(), error) {
	profile, err := os.MkdirTemp("", "bedside-chromium-*")
	if err != nil {
		return nil, nil, err
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun,
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		// Tabs that lie behind others must go on working.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	end := func() {
		cancel()
		stop()
		os.RemoveAll(profile)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		end()
		return nil, nil, fmt.Errorf("starting %s: %w", path, err)
	}
	return ctx, end, nil
}
