package page

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Compile bundles the sources in siteDir. Their npm packages must be installed
// (npm ci).
func Compile(siteDir string) (*Page, error) {
	dir, err := filepath.Abs(siteDir)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "lit")); err != nil {
		return nil, fmt.Errorf("page: the packages of %s are not installed; run npm ci there", dir)
	}
	p, err := compile(dir)
	if err != nil {
		return nil, fmt.Errorf("page: compiling %s: %w", dir, err)
	}
	return p, nil
}

func compile(dir string) (*Page, error) {
	scripts, packages, err := bundleScripts(dir)
	if err != nil {
		return nil, err
	}
	s := sources{dir: dir, scripts: scripts, files: map[string][]byte{}}
	p := &Page{files: s.files}
	// The frame travels in index.html, and the worker in the frame: each can start while
	// the module is still on its way.
	icon := s.add("icon", ".svg", s.read("outer/icon.svg"))
	frameScript, frameStyle := s.inline("frame/main.ts"), s.style("frame/frame.css")
	frame := s.fill("frame/frame.html", map[string]string{
		"policy": framePolicy(frameScript, frameStyle),
		"style":  frameStyle,
		"worker": s.quote(scripts["worker/main.ts"]),
		"script": frameScript,
	})
	outerScript, outerStyle := s.inline("outer/main.ts"), s.style("outer/outer.css")
	policy := outerPolicy(outerScript, outerStyle, frameScript, frameStyle)
	index := s.fill("outer/index.html", map[string]string{
		"policy":  policy,
		"icon":    icon.URL,
		"style":   outerStyle,
		"frame":   s.quote(frame),
		"release": releaseHole,
		"script":  outerScript,
	})
	s.files["sw.js"] = scripts["offline/sw.ts"]
	s.files["manifest.webmanifest"] = s.fill("outer/manifest.webmanifest", map[string]string{"icon": icon.URL})
	s.files["_headers"] = []byte(headersFile(policy))
	s.files["licences.txt"] = s.licences(packages)
	if s.err != nil {
		return nil, s.err
	}
	before, after, ok := strings.Cut(string(index), releaseHole)
	if !ok {
		return nil, errors.New("outer/index.html has no place for the release")
	}
	p.before, p.after = before, after
	return p, nil
}

const releaseHole = "\x01release\x01"

var entryPoints = []string{"outer/main.ts", "frame/main.ts", "worker/main.ts", "offline/sw.ts"}

// bundleScripts answers with each entry point's script and the npm packages in them.
func bundleScripts(dir string) (map[string][]byte, []string, error) {
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     dir,
		EntryPoints:       entryPoints,
		Outbase:           ".",
		Outdir:            "out", // nothing is written there
		Bundle:            true,
		Format:            api.FormatIIFE,
		Target:            api.ES2022,
		Charset:           api.CharsetASCII,
		LegalComments:     api.LegalCommentsNone, // licences.txt has them in full
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		Tsconfig:          "tsconfig.json",
		Metafile:          true,
		LogLevel:          api.LogLevelSilent,
	})
	if len(result.Errors) > 0 {
		lines := api.FormatMessages(result.Errors, api.FormatMessagesOptions{})
		return nil, nil, errors.New(strings.TrimSpace(strings.Join(lines, "")))
	}
	scripts := map[string][]byte{}
	for _, f := range result.OutputFiles {
		rel, err := filepath.Rel(filepath.Join(dir, "out"), f.Path)
		if err != nil {
			return nil, nil, err
		}
		scripts[strings.TrimSuffix(filepath.ToSlash(rel), ".js")+".ts"] = f.Contents
	}
	packages, err := packagesIn(result.Metafile)
	return scripts, packages, err
}

// packagesIn lists the directories of the packages a build took files from.
func packagesIn(metafile string) ([]string, error) {
	var meta struct {
		Inputs map[string]json.RawMessage `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(metafile), &meta); err != nil {
		return nil, fmt.Errorf("reading the build's list of inputs: %w", err)
	}
	var packages []string
	for input := range meta.Inputs {
		i := strings.LastIndex(input, "node_modules/")
		if i < 0 {
			continue
		}
		parts := strings.Split(input[i+len("node_modules/"):], "/")
		n := 1
		if strings.HasPrefix(parts[0], "@") {
			n = 2
		}
		packages = append(packages, input[:i]+path.Join("node_modules", path.Join(parts[:n]...)))
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}

// sources reads and fills the site's files, keeping the first error.
type sources struct {
	dir     string
	scripts map[string][]byte
	files   map[string][]byte // what the page will hold
	err     error
}

func (s *sources) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *sources) read(name string) []byte {
	b, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(name)))
	if err != nil {
		s.fail(err)
	}
	return b
}

func (s *sources) add(name, ext string, contents []byte) Pinned {
	a := asset(name, ext, contents)
	s.files[a.URL] = contents
	return a
}

func (s *sources) fill(name string, values map[string]string) []byte {
	text, err := fill(string(s.read(name)), values)
	if err != nil {
		s.fail(fmt.Errorf("%s: %w", name, err))
	}
	return []byte(text)
}

func (s *sources) style(name string) string {
	result := api.Transform(string(s.read(name)), api.TransformOptions{
		Loader: api.LoaderCSS, MinifyWhitespace: true, MinifySyntax: true, Charset: api.CharsetASCII,
	})
	if len(result.Errors) > 0 {
		s.fail(fmt.Errorf("%s: %s", name, result.Errors[0].Text))
	}
	return strings.TrimSpace(string(result.Code))
}

// inline is a script that an HTML parser hands to the engine byte for byte; otherwise
// its hash in the policy would not fit.
func (s *sources) inline(name string) string {
	text := strings.TrimSpace(string(s.scripts[name]))
	lower := strings.ToLower(text)
	switch {
	case strings.ContainsAny(text, "\x00\r"):
		s.fail(fmt.Errorf("%s: the script holds NUL or CR, which HTML rewrites", name))
	case strings.Contains(lower, "</script"), strings.Contains(lower, "<!--") && strings.Contains(lower, "<script"):
		s.fail(fmt.Errorf("%s: the script holds markup that would end or extend its element", name))
	}
	return text
}

// quote makes text a JSON string that can stand in a data element: < and > are escaped.
func (s *sources) quote(text []byte) string {
	quoted, err := json.Marshal(string(text))
	if err != nil {
		s.fail(err)
	}
	return string(quoted)
}

func (s *sources) licences(packages []string) []byte {
	var b strings.Builder
	b.WriteString("Bedside's page contains the following packages.\n")
	for _, dir := range packages {
		found, err := filepath.Glob(filepath.Join(s.dir, filepath.FromSlash(dir), "LICENSE*"))
		if err != nil || len(found) == 0 {
			s.fail(fmt.Errorf("%s has no licence file", dir))
		}
		slices.Sort(found)
		fmt.Fprintf(&b, "\n\n== %s\n", strings.TrimPrefix(dir, "node_modules/"))
		for _, file := range found {
			rel, err := filepath.Rel(s.dir, file)
			if err != nil {
				s.fail(err)
			}
			fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(string(s.read(rel))))
		}
	}
	return []byte(b.String())
}
