package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bedside/tools/page"
	"bedside/weights"
	"bedside/weights/bundle"

	"github.com/evanw/esbuild/pkg/api"
)

// module is what make module writes.
const module = "wasm/host/built/bedside.wasm"

// serveEngines puts the page, both engines and the models on a server.
func serveEngines(m models, names []string) (*server, error) {
	const runtime = source + "/node_modules/onnxruntime-web/dist"
	if _, err := os.Stat(runtime); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("onnxruntime-web is not installed: run npm ci in %s", source)
	}
	s, err := serve(map[string]string{"/peer/": runtime, "/models/": m.dir}, filepath.Join(m.dir, "packed"))
	if err != nil {
		return nil, err
	}
	files, err := pageFiles(m, names)
	if err != nil {
		s.stop()
		return nil, err
	}
	for path, contents := range files {
		s.put(path, contents)
	}
	return s, nil
}

// peerVersion is the installed onnxruntime-web.
func peerVersion() string {
	var about struct{ Version string }
	text, err := os.ReadFile(source + "/node_modules/onnxruntime-web/package.json")
	if err != nil || json.Unmarshal(text, &about) != nil {
		return "of unknown version"
	}
	return about.Version
}

func pageFiles(m models, names []string) (map[string][]byte, error) {
	files, err := scripts(filepath.Join(source, "page"), api.FormatESModule, "main.ts", "peer-worker.ts", "tokens-worker.ts")
	if err != nil {
		return nil, err
	}
	worker, err := scripts("site", api.FormatIIFE, "worker/main.ts")
	if err != nil {
		return nil, err
	}
	files["/own-worker.js"] = worker["/main.js"]
	if files["/index.html"], err = os.ReadFile(filepath.Join(source, "page", "index.html")); err != nil {
		return nil, err
	}
	if files["/bedside.wasm"], err = os.ReadFile(module); err != nil {
		return nil, fmt.Errorf("%w (make module writes it)", err)
	}
	if files["/kernels.wasm"], err = page.PackKernels(); err != nil {
		return nil, err
	}
	releases := map[string]release{}
	for _, name := range names {
		r := release{Module: pin("bedside.wasm", files["/bedside.wasm"]), Kernels: pin("kernels.wasm", files["/kernels.wasm"])}
		if r.Manifest, r.Shards, err = pinBundle(m, name); err != nil {
			return nil, fmt.Errorf("bundle of %s: %w", name, err)
		}
		releases[name] = r
	}
	text, err := json.Marshal(releases)
	files["/releases.js"] = []byte("releases = " + string(text) + "\n")
	return files, err
}

// release is what a page with one model pins.
type release struct {
	Module   page.Pinned   `json:"module"`
	Kernels  page.Pinned   `json:"kernels"`
	Manifest page.Pinned   `json:"manifest"`
	Shards   []page.Pinned `json:"shards"`
}

func pin(url string, contents []byte) page.Pinned {
	sum := sha256.Sum256(contents)
	return page.Pinned{URL: url, Size: int64(len(contents)), SHA256: hex.EncodeToString(sum[:])}
}

func pinBundle(m models, name string) (manifest page.Pinned, shards []page.Pinned, err error) {
	text, err := os.ReadFile(filepath.Join(m.dir, name, "bundle", bundle.ManifestFile))
	if err != nil {
		return manifest, nil, err
	}
	var read struct{ Shards []weights.Shard }
	if err := json.Unmarshal(text, &read); err != nil {
		return manifest, nil, err
	}
	url := "models/" + name + "/bundle/"
	for _, shard := range read.Shards {
		shards = append(shards, page.Pinned{URL: url + shard.File, Size: shard.Size, SHA256: shard.SHA256})
	}
	return pin(url+bundle.ManifestFile, text), shards, nil
}

// scripts bundles entry points of a directory, as the site's are bundled; answers with
// each by its base name.
func scripts(dir string, format api.Format, entryPoints ...string) (map[string][]byte, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     abs,
		EntryPoints:       entryPoints,
		Outdir:            "out", // nothing is written there
		Bundle:            true,
		Format:            format,
		Target:            api.ES2022,
		Charset:           api.CharsetASCII,
		LegalComments:     api.LegalCommentsNone,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		Tsconfig:          "tsconfig.json",
		LogLevel:          api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		lines := api.FormatMessages(result.Errors, api.FormatMessagesOptions{})
		return nil, fmt.Errorf("compiling %s: %s", dir, strings.TrimSpace(strings.Join(lines, "")))
	}
	out := map[string][]byte{}
	for _, f := range result.OutputFiles {
		out["/"+filepath.Base(f.Path)] = f.Contents
	}
	return out, nil
}
