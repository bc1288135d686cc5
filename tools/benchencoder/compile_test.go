package main

import (
	"os"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// The page is compiled against the site's own sources, and must not fall behind them.
func TestScripts(t *testing.T) {
	if _, err := os.Stat("../../site/node_modules"); err != nil {
		t.Skip("the site's packages are not installed (npm ci in site)")
	}
	page, err := scripts("page", api.FormatESModule, "main.ts", "peer-worker.ts")
	if err != nil {
		t.Fatal(err)
	}
	worker, err := scripts("../../site", api.FormatIIFE, "worker/main.ts")
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"the page":          string(page["/main.js"]),
		"the peer's worker": string(page["/peer-worker.js"]),
		"our worker":        string(worker["/main.js"]),
	} {
		if len(text) < 500 {
			t.Errorf("%s is %d bytes", what, len(text))
		}
	}
	if text := string(page["/main.js"]); !strings.Contains(text, "own-worker.js") || !strings.Contains(text, "peer-worker.js") {
		t.Error("the page starts no workers")
	}
}
