// Package main_test looks at what the module is built of; its exports exist on
// wasip1 only and are tested through wasm/host.
package main_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// linked lists the packages of the module, standard or not.
func linked(t *testing.T, standard bool) []string {
	t.Helper()
	condition := "not .Standard"
	if standard {
		condition = ".Standard"
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{if "+condition+"}}{{.ImportPath}}{{end}}", ".")
	list.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return strings.Fields(string(out))
}

// TestLinkedPackages pins the module's packages outside the standard library: whoever
// audits the module has to read these.
func TestLinkedPackages(t *testing.T) {
	want := []string{
		"bedside/kernels",
		"bedside/kernels/reference",
		"bedside/kernels/simd",
		"bedside/kernels/webgpu",
		"bedside/wasm/classify",
		"bedside/wasm/encoder",
		"bedside/wasm/module",
		"bedside/wasm/text",
		"bedside/wasm/tfidf",
		"bedside/wasm/tokenizer",
		"bedside/weights",
		"bedside/weights/jsontext",
		"golang.org/x/text/transform",
		"golang.org/x/text/unicode/norm",
	}
	got := linked(t, false)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the module links\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestNoWayOut requires that the module cannot reach a network, start a program, draw
// secrets or talk to the page by itself: it has no such package.
func TestNoWayOut(t *testing.T) {
	forbidden := []string{"crypto", "net", "os/exec", "os/user", "os/signal", "plugin", "syscall/js", "log", "testing", "embed", "database", "html", "archive"}
	refuseLinked(t, forbidden)
}

// TestNothingSlowToOpen keeps out what costs the page tens of milliseconds when it
// opens: code at work on reflection, which browsers compile as it is first run.
func TestNothingSlowToOpen(t *testing.T) {
	refuseLinked(t, []string{"encoding/json", "encoding/gob", "encoding/xml", "text", "regexp"})
}

// refuseLinked fails for each standard package linked that is among these or below them.
func refuseLinked(t *testing.T, forbidden []string) {
	t.Helper()
	got := linked(t, true)
	if !slices.Contains(got, "strconv") {
		t.Fatalf("go list answers %v", got)
	}
	for _, p := range got {
		for _, f := range forbidden {
			if p == f || strings.HasPrefix(p, f+"/") {
				t.Errorf("the module links %s", p)
			}
		}
	}
}
