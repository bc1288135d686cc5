// Package page compiles the TypeScript of the site and assembles it with a module
// and bundles into a static site, reproducible byte for byte.
//
// What it writes:
//
//	index.html            the outer document, which carries the frame and its worker, and pins every file below
//	_headers              security and caching headers, as Netlify and Cloudflare Pages read them
//	sw.js                 the service worker
//	manifest.webmanifest  name and icon for installing the page
//	licences.txt          of the packages bundled in
//	assets/NAME.HASH.EXT  the module, the icon, and the kernels where a bundle needs them
//	weights/NAME.HASH/    a bundle: manifest.json and shards
//
// and beside every file that compresses a .br and a .gz form.
package page

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

// Page is a compiled site without module and bundles. Assemble adds them.
type Page struct {
	// index.html around its release.
	before, after string
	// All other files but module and bundles, by path.
	files map[string][]byte
}

// Pinned is a file of the release as the outer document demands it.
type Pinned struct {
	URL    string `json:"url"`    // relative to index.html
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}

// Model is a bundle of the release.
type Model struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Question string   `json:"question"`
	Encoder  bool     `json:"encoder,omitempty"` // it computes on a device, for which the page needs the kernels
	Manifest Pinned   `json:"manifest"`
	Shards   []Pinned `json:"shards"` // in the manifest's order
}

// Dir is the bundle's directory within the site.
func (m Model) Dir() string { return path.Dir(m.Manifest.URL) }

// Release is what index.html pins: everything the page ever fetches.
type Release struct {
	Module  Pinned  `json:"module"`
	Kernels *Pinned `json:"kernels,omitempty"` // PackKernels; absent where no model needs them
	Models  []Model `json:"models"`
}

// runtime lists the files that are of the release's making, not of a model's.
func (r *Release) runtime() []string {
	urls := []string{r.Module.URL}
	if r.Kernels != nil {
		urls = append(urls, r.Kernels.URL)
	}
	return urls
}

const hashDigits = 16 // of the SHA-256 in a file's name

// asset names a file by its contents.
func asset(name, ext string, contents []byte) Pinned {
	p := pin("", contents)
	p.URL = fmt.Sprintf("assets/%s.%s%s", name, p.SHA256[:hashDigits], ext)
	return p
}

func pin(url string, contents []byte) Pinned {
	sum := sha256.Sum256(contents)
	return Pinned{URL: url, Size: int64(len(contents)), SHA256: hex.EncodeToString(sum[:])}
}

// cspHash is the source expression that admits an inline script or style.
func cspHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// fill replaces each {{name}} of a template; every name must occur, and none may be left.
func fill(template string, values map[string]string) (string, error) {
	pairs := make([]string, 0, 2*len(values))
	for name, value := range values {
		hole := "{{" + name + "}}"
		if !strings.Contains(template, hole) {
			return "", fmt.Errorf("the template has no %s", hole)
		}
		template = strings.ReplaceAll(template, hole, "\x00"+name+"\x00")
		pairs = append(pairs, "\x00"+name+"\x00", value)
	}
	if i := strings.Index(template, "{{"); i >= 0 {
		return "", fmt.Errorf("the template has an unknown %.24q", template[i:])
	}
	return strings.NewReplacer(pairs...).Replace(template), nil
}
