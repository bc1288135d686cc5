package simd_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"bedside/kernels"
	"bedside/kernels/simd"
	"bedside/kernels/simd/chromium"
	"bedside/kernels/simd/headless"
)

// shared is the browser of all tests, started when the first wants it.
var shared = struct {
	once    sync.Once
	browser *chromium.Browser
	err     error
}{}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if shared.browser != nil {
		shared.browser.Close()
	}
	os.Exit(code)
}

// startBrowser answers with the browser of all tests; without one, a test is skipped, but not in CI.
func startBrowser(t *testing.T) *chromium.Browser {
	t.Helper()
	shared.once.Do(func() { shared.browser, shared.err = chromium.Start(context.Background()) })
	if errors.Is(shared.err, chromium.ErrNoBrowser) && os.Getenv("CI") == "" {
		t.Skip(shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.browser
}

// each runs a test on every variant that runs here: under wazero, and in Chromium.
func each(t *testing.T, test func(t *testing.T, d kernels.Device)) {
	t.Run("wazero", func(t *testing.T) {
		d, err := headless.NewDevice(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		test(t, d)
	})
	browser := startBrowser(t)
	for _, variant := range []string{"plain", "relaxed", "dot"} {
		for _, threads := range []int{0, 2, 3} {
			if threads == 3 && variant != "dot" {
				continue
			}
			t.Run(fmt.Sprintf("chromium/%s/%d", variant, threads), func(t *testing.T) {
				tab, err := browser.Open(variant, threads)
				if err != nil {
					t.Fatal(err)
				}
				defer tab.Close()
				test(t, simd.New(tab))
			})
		}
	}
}
