package chromium

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/chromedp/chromedp"
)

// ErrNoBrowser: there is no Chromium here.
var ErrNoBrowser = errors.New("chromium: no browser: install Debian's chromium, or name one in BEDSIDE_CHROMIUM")

// flags are every Chromium's here: it asks nobody for anything, and tabs that lie behind others go on working.
var flags = []string{
	"disable-gpu", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage",
	"disable-background-timer-throttling", "disable-backgrounding-occluded-windows", "disable-renderer-backgrounding",
}

// WebGPU are the flags of a Chromium with WebGPU, whose GPUs have exact clocks and say what they are:
// SwiftShader, or with real the machine's GPU by way of Vulkan.
func WebGPU(real bool) []string {
	all := []string{"enable-unsafe-webgpu", "enable-webgpu-developer-features"}
	if real {
		all = append(all, "disable-gpu=", "ignore-gpu-blocklist", "use-angle=vulkan", "enable-features=Vulkan")
	}
	return all
}

// Launch starts a headless Chromium with a fresh profile. To every Chromium's flags come those given, such as
// "enable-unsafe-webgpu" or "js-flags=--no-enable-avx-vnni"; "disable-gpu=" takes one away. The context answered is its first tab's.
func Launch(ctx context.Context, further ...string) (tab context.Context, stop func(), err error) {
	path, err := find()
	if err != nil {
		return nil, nil, err
	}
	profile, err := os.MkdirTemp("", "bedside-chromium-*")
	if err != nil {
		return nil, nil, err
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun,
	}
	for _, f := range append(flags[:len(flags):len(flags)], further...) {
		options = append(options, option(f))
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	tab, stopTab := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	stop = func() {
		stopTab()
		stopAllocator()
		os.RemoveAll(profile)
	}
	if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
		stop()
		return nil, nil, fmt.Errorf("chromium: starting %s: %w", path, err)
	}
	return tab, stop, nil
}

func option(flag string) chromedp.ExecAllocatorOption {
	name, value, given := strings.Cut(flag, "=")
	switch {
	case !given:
		return chromedp.Flag(name, true)
	case value == "":
		return chromedp.Flag(name, false)
	}
	return chromedp.Flag(name, value)
}

// find answers with the path of a browser.
func find() (string, error) {
	if path := os.Getenv("BEDSIDE_CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoBrowser
}
