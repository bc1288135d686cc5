package webgpu_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"sync"
	"testing"

	"bedside/kernels"
	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/chromium"
	"bedside/kernels/webgpu/native"
)

// shared are the GPUs of all tests, started when the first wants them.
var shared struct {
	nativeOnce, browserOnce sync.Once
	gpu                     *native.GPU
	gpuErr                  error
	browser                 *chromium.Browser
	browserErr              error
	devices                 []device
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	for _, d := range shared.devices {
		d.host.Close()
	}
	if shared.browser != nil {
		shared.browser.Close()
	}
	if shared.gpu != nil {
		shared.gpu.Close()
	}
	os.Exit(code)
}

// startNative answers with this machine's Vulkan driver; without one, a test is skipped.
func startNative(t *testing.T) *native.GPU {
	t.Helper()
	shared.nativeOnce.Do(func() { shared.gpu, shared.gpuErr = native.Start() })
	if errors.Is(shared.gpuErr, native.ErrNoGPU) {
		t.Skip(shared.gpuErr)
	}
	if shared.gpuErr != nil {
		t.Fatal(shared.gpuErr)
	}
	return shared.gpu
}

// startBrowser answers with the browser of all tests; without one, a test is skipped, but not in CI.
func startBrowser(t *testing.T) *chromium.Browser {
	t.Helper()
	shared.browserOnce.Do(func() { shared.browser, shared.browserErr = chromium.Start(context.Background()) })
	if errors.Is(shared.browserErr, chromium.ErrNoBrowser) && os.Getenv("CI") == "" {
		t.Skip(shared.browserErr)
	}
	if shared.browserErr != nil {
		t.Fatal(shared.browserErr)
	}
	return shared.browser
}

// host is a webgpu.Host whose GPU can be waited for.
type host interface {
	webgpu.Host
	Settle() error
	Close()
}

// hosts are all that shaders must agree on: another compiler and another driver each, with
// packed dots and without, and with lanes that read one another.
var hosts = []struct {
	name string
	open func(t *testing.T) host
}{
	{"native/packed", func(t *testing.T) host { return startNative(t).Open(true) }},
	{"native/unpacked", func(t *testing.T) host { return startNative(t).Open(false) }},
	{"chromium/packed", func(t *testing.T) host { return openTab(t, chromium.Options{}) }},
	{"chromium/unpacked", func(t *testing.T) host { return openTab(t, chromium.Options{Unpacked: true, Minimum: true}) }},
	{"chromium/apart", func(t *testing.T) host { return openTab(t, chromium.Options{Unpacked: true, Apart: true}) }},
	{"chromium/quads", func(t *testing.T) host { return openTab(t, chromium.Options{Unpacked: true}) }},
}

func openTab(t *testing.T, o chromium.Options) host {
	t.Helper()
	tab, err := startBrowser(t).Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// device is a webgpu.Device with the host that it waits for.
type device struct {
	*webgpu.Device
	host host
	name string
}

func (d device) Settle() error { return d.host.Settle() }

// each runs a test on every host that runs here. All tests share a host's device, for its pipelines
// take seconds to compile; one that was lost is replaced.
func each(t *testing.T, test func(t *testing.T, d kernels.Device)) {
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			i := slices.IndexFunc(shared.devices, func(d device) bool { return d.name == h.name })
			if i < 0 {
				host := h.open(t)
				d, err := webgpu.New(host)
				if err != nil {
					t.Fatal(err)
				}
				i = len(shared.devices)
				shared.devices = append(shared.devices, device{d, host, h.name})
			}
			d := shared.devices[i]
			test(t, d)
			if t.Failed() {
				d.host.Close()
				shared.devices = slices.Delete(shared.devices, i, i+1)
			}
		})
	}
}
