package page

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bedside/kernels/simd/built"
	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/shaders"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"

	"github.com/andybalholm/brotli"
)

const site = "../../site"

// The smallest WebAssembly module.
var emptyModule = []byte("\x00asm\x01\x00\x00\x00")

// compiled is the page from its sources, or a skipped test where npm has not run.
func compiled(t *testing.T) *Page {
	t.Helper()
	if _, err := os.Stat(filepath.Join(site, "node_modules", "lit")); err != nil {
		t.Skip("the site's npm packages are not installed: run npm ci in site/")
	}
	p, err := Compile(site)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// writeBundle makes a bundle with two labels and two terms.
func writeBundle(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	m := weights.Manifest{
		Name: name, Title: "A </script> title", Question: "Which?",
		Task: weights.Task{Kind: weights.MultiLabel, Labels: []string{"a", "b"}},
		TFIDF: &weights.TFIDF{Blocks: []weights.Block{
			{Analyzer: weights.Word, MinN: 1, MaxN: 1, Norm: "l2", Terms: 2},
		}},
		Linear:      &weights.Linear{Family: "lr", C: 1},
		Calibration: weights.Calibration{Kind: weights.Platt, Slope: []float64{1, 1}, Intercept: []float64{0, 0}},
		Thresholds:  []float64{0.5, 0.5},
	}
	err := bundle.Write(dir, m, []weights.Values{
		weights.Uint64s(weights.KeysTensor(0), []uint64{1, 2}),
		weights.Float32s(weights.IDFTensor(0), []float32{1, 1}, 2),
		weights.Int8s(weights.LinearWeight, []int8{1, 2, 3, 4}, 2, 2),
		weights.Float32s(weights.LinearScale, []float32{1, 1}, 2),
		weights.Float32s(weights.LinearBias, []float32{0, 0}, 2),
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeEncoder makes a bundle with a tiny encoder.
func writeEncoder(t *testing.T, name string) string {
	t.Helper()
	m, tensors := invented.Model(invented.Tiny(), weights.MultiLabel, []string{"a", "b"}, 1)
	m.Name = name
	dir := filepath.Join(t.TempDir(), name)
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	return dir
}

// kernels skips the test where they have not been emitted.
func kernels(t *testing.T) []byte {
	t.Helper()
	pack, err := PackKernels()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the kernels are not built: run make kernels")
	}
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

func assemble(t *testing.T, p *Page, bundles ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "dist")
	var systems []fs.FS
	for _, dir := range bundles {
		systems = append(systems, os.DirFS(dir))
	}
	if err := p.Assemble(out, emptyModule, systems, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

// tree reads all files below dir.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	inline  = regexp.MustCompile(`(?s)<(script|style)>(.*?)</(?:script|style)>`)
	metaCSP = regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`)
	address = regexp.MustCompile(`\b(https?|wss?)://[^\s"'` + "`" + `)]*`)
)

func policyOf(t *testing.T, html string) string {
	t.Helper()
	m := metaCSP.FindStringSubmatch(html)
	if m == nil {
		t.Fatal("no policy in the document")
	}
	return m[1]
}

func TestPoliciesNameEveryInlineElementAndNothingElse(t *testing.T) {
	files := tree(t, assemble(t, compiled(t), writeBundle(t, "one")))
	var frame string
	if err := json.Unmarshal([]byte(between(t, files["index.html"], `<script type="application/json" id="frame">`, "</script>")), &frame); err != nil {
		t.Fatal(err)
	}
	outerCSP, frameCSP := policyOf(t, files["index.html"]), policyOf(t, frame)
	for _, doc := range []struct{ name, html, policies string }{
		{"index.html", files["index.html"], outerCSP},
		{"frame, its own policy", frame, frameCSP},
		{"frame, the inherited policy", frame, outerCSP},
	} {
		elements := inline.FindAllStringSubmatch(doc.html, -1)
		if len(elements) != 2 {
			t.Errorf("%s: %d inline elements, want a script and a style", doc.name, len(elements))
		}
		for _, e := range elements {
			if !strings.Contains(doc.policies, cspHash(e[2])) {
				t.Errorf("%s: the policy lacks the hash of its %s", doc.name, e[1])
			}
		}
	}
	for _, csp := range []string{outerCSP, frameCSP} {
		if bare := strings.ReplaceAll(csp, "'wasm-unsafe-eval'", ""); strings.Contains(bare, "unsafe") || strings.Contains(bare, "*") || strings.Contains(bare, "//") {
			t.Errorf("policy admits too much: %s", csp)
		}
	}
	if strings.Contains(frameCSP, "'self'") || !strings.HasPrefix(frameCSP, "default-src 'none'") {
		t.Errorf("the frame may reach its server: %s", frameCSP)
	}
	if !strings.Contains(files["_headers"], "Content-Security-Policy: "+outerCSP+"; frame-ancestors 'none'\n") {
		t.Error("_headers and index.html disagree on the policy")
	}
}

func between(t *testing.T, s, start, end string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, start)
	middle, _, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%q and %q not found", start, end)
	}
	return middle
}

func TestEveryFileIsPinnedByContents(t *testing.T) {
	out := assemble(t, compiled(t), writeBundle(t, "one"), writeBundle(t, "two"))
	files := tree(t, out)
	release, err := ReadRelease(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	pinned := []Pinned{release.Module}
	for _, m := range release.Models {
		pinned = append(append(pinned, m.Manifest), m.Shards...)
	}
	if len(release.Models) != 2 || len(pinned) != 5 {
		t.Fatalf("%d models, %d pinned files, want 2 and 5", len(release.Models), len(pinned))
	}
	for _, want := range pinned {
		contents, ok := files[want.URL]
		if !ok {
			t.Errorf("%s is not in the site", want.URL)
		} else if got := pin(want.URL, []byte(contents)); got != want {
			t.Errorf("%s: pinned %+v, is %+v", want.URL, want, got)
		}
	}
	if got := release.Models[1].Dir(); !strings.HasPrefix(got, "weights/two.") {
		t.Errorf("Dir of the second model = %q", got)
	}
}

func TestKernelsGoWhereTheyAreNeeded(t *testing.T) {
	want := kernels(t)
	linear, encoder := writeBundle(t, "linear"), writeEncoder(t, "encoder")
	out := assemble(t, compiled(t), linear, encoder)
	release, err := ReadRelease(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	if release.Kernels == nil || tree(t, out)[release.Kernels.URL] != string(want) || pin(release.Kernels.URL, want) != *release.Kernels {
		t.Errorf("the release pins the kernels as %+v", release.Kernels)
	}
	if release.Models[0].Encoder || !release.Models[1].Encoder {
		t.Errorf("encoders: %v, %v", release.Models[0].Encoder, release.Models[1].Encoder)
	}
	p, err := FromDist(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(tree(t, out), tree(t, assemble(t, p, linear, encoder))) {
		t.Error("assembling again from a site with kernels gives another site")
	}
	for name := range tree(t, assemble(t, p, linear)) {
		if strings.Contains(name, "kernels") {
			t.Errorf("%s is in a site that needs no kernels", name)
		}
	}
}

// TestPackHoldsEveryBuild takes the pack apart as the specification says.
func TestPackHoldsEveryBuild(t *testing.T) {
	pack, found := kernels(t), map[string][]byte{}
	rest, ok := bytes.CutPrefix(pack, emptyModule)
	if !ok {
		t.Fatalf("the pack begins with %x", pack[:8])
	}
	number := func(b []byte) (int, []byte) {
		n, width := binary.Uvarint(b)
		if width <= 0 || n > uint64(len(b)-width) {
			t.Fatalf("a size of %d with %d bytes left", n, len(b))
		}
		return int(n), b[width:]
	}
	for len(rest) > 0 {
		if rest[0] != 0 {
			t.Fatalf("a section of kind %d", rest[0])
		}
		size, body := number(rest[1:])
		rest = body[size:]
		name, text := number(body[:size])
		found[string(text[:name])] = text[name:]
	}
	for _, name := range []string{"plain-single", "plain-shared", "relaxed-single", "relaxed-shared", "dot-single", "dot-shared"} {
		want, err := built.Kernels(name + ".wasm")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(found[name], want) {
			t.Errorf("%s: %d bytes, want %d", name, len(found[name]), len(want))
		}
	}
	texts := shaders.All()
	for name, want := range texts {
		if got := string(found[name+".wgsl"]); got != want {
			t.Errorf("%s.wgsl: %d bytes, want %d", name, len(got), len(want))
		}
	}
	kinds := webgpu.Kinds()
	for kind, limits := range kinds {
		names := strings.Split(string(found[kind+".pipelines"]), "\n")
		for i, p := range webgpu.Wanted(limits) {
			if i >= len(names) || names[i] != p.String() {
				t.Errorf("%s.pipelines: %q, which lacks %s", kind, names, p)
			}
		}
	}
	if len(found) != 6+len(texts)+len(kinds) {
		t.Errorf("%d builds, shaders and pipelines in the pack", len(found))
	}
}

func TestNoForeignAddress(t *testing.T) {
	namespaces := []string{"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/1998/Math/MathML"}
	for name, contents := range tree(t, assemble(t, compiled(t), writeBundle(t, "one"))) {
		if ext := filepath.Ext(name); name == "licences.txt" || ext == ".br" || ext == ".gz" {
			continue
		}
		for _, found := range address.FindAllString(contents, -1) {
			if !slices.Contains(namespaces, found) {
				t.Errorf("%s names %s", name, found)
			}
		}
	}
}

func TestAssemblyIsReproducible(t *testing.T) {
	one := writeBundle(t, "one")
	first := tree(t, assemble(t, compiled(t), one))
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // the second run compresses anew
	second := tree(t, assemble(t, compiled(t), one))
	if !maps.Equal(first, second) {
		for name := range first {
			if first[name] != second[name] {
				t.Errorf("%s differs", name)
			}
		}
	}
	for name, contents := range first {
		if strings.Contains(contents, "/site/") || strings.Contains(contents, os.TempDir()+"/") {
			t.Errorf("%s holds a path of this machine", name)
		}
	}
}

func TestFromDistAssemblesTheSameSite(t *testing.T) {
	one, two := writeBundle(t, "one"), writeBundle(t, "two")
	out := assemble(t, compiled(t), one)
	p, err := FromDist(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(tree(t, out), tree(t, assemble(t, p, one))) {
		t.Error("assembling again from a site gives another site")
	}
	for name := range tree(t, assemble(t, p, two)) {
		if strings.Contains(name, "weights/one") {
			t.Errorf("%s of the former bundle is still there", name)
		}
	}
}

func TestFromDistRefuses(t *testing.T) {
	out := assemble(t, compiled(t), writeBundle(t, "one"))
	for _, c := range []struct {
		name, file, contents, want string
	}{
		{"no index", "index.html", "", "not assembled"},
		{"an index without a release", "index.html", "<!doctype html>", "names no release"},
		{"a release that is not JSON", "index.html", releaseStart + "{" + releaseEnd, "release"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(dir, os.DirFS(out)); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, c.file)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if c.contents != "" {
				if err := os.WriteFile(file, []byte(c.contents), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := FromDist(os.DirFS(dir)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestAssembleRefuses(t *testing.T) {
	p := compiled(t)
	good := os.DirFS(writeBundle(t, "one"))
	damaged := writeBundle(t, "damaged")
	shard := filepath.Join(damaged, "00000.shard")
	b, err := os.ReadFile(shard)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(shard, b, 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	former := assemble(t, p, writeBundle(t, "former"))
	for _, c := range []struct {
		name    string
		out     string
		module  []byte
		bundles []fs.FS
		want    string
		is      error
	}{
		{"no bundle", former, emptyModule, nil, "at least one", ErrNoBundle},
		{"an empty directory as bundle", former, emptyModule, []fs.FS{os.DirFS(t.TempDir())}, "manifest.json", ErrNoBundle},
		{"a damaged shard", former, emptyModule, []fs.FS{os.DirFS(damaged)}, "00000.shard", bundle.ErrShard},
		{"the same bundle twice", former, emptyModule, []fs.FS{good, good}, "twice", nil},
		{"a module that is none", former, []byte("#!/bin/sh"), []fs.FS{good}, "not WebAssembly", nil},
		{"an output directory with other things", foreign, emptyModule, []fs.FS{good}, "not a site", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := tree(t, c.out)
			err := p.Assemble(c.out, c.module, c.bundles, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v is not %v", err, c.is)
			}
			if !maps.Equal(before, tree(t, c.out)) {
				t.Error("the failure changed what was there")
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(c.out), ".site-*")); len(left) > 0 {
				t.Errorf("the failure left %v behind", left)
			}
		})
	}
}

func TestAssembleReplacesAndKeepsThePlaceholder(t *testing.T) {
	p := compiled(t)
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, keepFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var heard int
	for _, name := range []string{"one", "two"} {
		progress := func(file string, done, total int) { heard = total - done }
		if err := p.Assemble(out, emptyModule, []fs.FS{os.DirFS(writeBundle(t, name))}, progress); err != nil {
			t.Fatal(err)
		}
		if heard != 0 {
			t.Errorf("progress ended %d files short", heard)
		}
	}
	files := tree(t, out)
	if _, ok := files[keepFile]; !ok {
		t.Error("the placeholder is gone")
	}
	for name := range files {
		if strings.Contains(name, "weights/one") {
			t.Errorf("%s is left from the site before", name)
		}
	}
}

func TestCompressedFormsUnpackToTheFile(t *testing.T) {
	files := tree(t, assemble(t, compiled(t), writeBundle(t, "one")))
	forms := map[string]func([]byte) (io.Reader, error){
		".br": func(b []byte) (io.Reader, error) { return brotli.NewReader(bytes.NewReader(b)), nil },
		".gz": func(b []byte) (io.Reader, error) { return gzip.NewReader(bytes.NewReader(b)) },
	}
	seen := 0
	for name, contents := range files {
		unpack, ok := forms[filepath.Ext(name)]
		if !ok {
			continue
		}
		seen++
		r, err := unpack([]byte(contents))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := files[strings.TrimSuffix(name, filepath.Ext(name))]; string(got) != want {
			t.Errorf("%s does not unpack to its file", name)
		}
	}
	if seen < 6 {
		t.Errorf("%d compressed files, want both forms of index, icon, manifest and more", seen)
	}
}

func TestDenseWeightsAreNotCompressed(t *testing.T) {
	dense := make([]byte, 2<<20)
	rand.NewChaCha8([32]byte{}).Read(dense)
	sparse := make([]byte, len(dense))
	for i := 0; i < len(sparse); i += 16 {
		sparse[i] = dense[i]
	}
	for _, c := range []struct {
		name     string
		contents []byte
		want     bool
	}{
		{"dense", dense, false},
		{"sparse", sparse, true},
		{"dense but small", dense[:1<<20-1], true},
		{"large enough to be looked at", sparse[:1<<20], true},
	} {
		if got := worthwhile(c.contents); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestDamagedCacheIsNotUsed(t *testing.T) {
	c := cache{t.TempDir()}
	contents := bytes.Repeat([]byte("note "), 1000)
	for _, f := range forms {
		first, err := c.compress(f, contents)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(c.dir, pin("", contents).SHA256+f.ext)
		if err := os.WriteFile(file, first[:len(first)/2], 0o644); err != nil {
			t.Fatal(err)
		}
		again, err := c.compress(f, contents)
		if err != nil || !bytes.Equal(first, again) {
			t.Errorf("%s: a damaged cache changed the answer (%v)", f.ext, err)
		}
	}
}

func TestCompileNeedsItsPackages(t *testing.T) {
	if _, err := Compile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "npm ci") {
		t.Errorf("error %v, want one that names npm ci", err)
	}
}

func TestFill(t *testing.T) {
	for _, c := range []struct {
		name, template string
		values         map[string]string
		want, err      string
	}{
		{"plain", "a {{x}} b", map[string]string{"x": "1"}, "a 1 b", ""},
		{"a value with braces", "{{x}}{{y}}", map[string]string{"x": "{{y}}", "y": "2"}, "{{y}}2", ""},
		{"a missing hole", "a", map[string]string{"x": "1"}, "", "{{x}}"},
		{"an unknown hole", "{{x}}{{z}}", map[string]string{"x": "1"}, "", "{{z}}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := fill(c.template, c.values)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("fill = %q, %v; want %q, error %q", got, err, c.want, c.err)
			}
		})
	}
}
