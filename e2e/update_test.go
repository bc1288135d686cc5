package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"bedside/tools/page"
	"bedside/tools/serve"
)

const anotherQuestion = "What is this report about?"

// TestANewReleaseReplacesTheStoredOne visits, publishes another release, visits again,
// and then finds the new one without a server.
func TestANewReleaseReplacesTheStoredOne(t *testing.T) {
	s := newServer(t)
	tab := openReady(t, s)
	tab.settled(s)
	handler, err := serve.Handler(os.DirFS(anotherRelease(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.handler = handler
	s.start()
	tab.reload()
	tab.outer.wait(`document.documentElement.dataset.offline === 'stored'`)
	tab.settled(s)
	s.stop()
	tab.reload()
	tab.frame.wait(element + `.shadowRoot.textContent.includes(` + quoted(anotherQuestion) + `)`)
	tab.outer.quiet()
	tab.frame.quiet()
}

// anotherRelease assembles the page anew around a model that asks something else.
func anotherRelease(t *testing.T) string {
	t.Helper()
	dist, old := site(t), release(t)
	module, err := fs.ReadFile(dist, old.Module.URL)
	if err != nil {
		t.Fatal(err)
	}
	model := t.TempDir()
	for _, file := range append(old.Models[0].Shards, old.Models[0].Manifest) {
		contents, err := fs.ReadFile(dist, file.URL)
		if err != nil {
			t.Fatal(err)
		}
		contents = bytes.ReplaceAll(contents, []byte(old.Models[0].Question), []byte(anotherQuestion))
		if err := os.WriteFile(filepath.Join(model, path.Base(file.URL)), contents, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	compiled, err := page.FromDist(dist)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "dist")
	if err := compiled.Assemble(out, module, []fs.FS{os.DirFS(model)}, nil); err != nil {
		t.Fatal(err)
	}
	return out
}
