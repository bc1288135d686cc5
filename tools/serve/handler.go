package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

const headersFile = "_headers"

// types are the media types of a site's files; the system's table differs between
// machines.
var types = map[string]string{
	".css":         "text/css; charset=utf-8",
	".html":        "text/html; charset=utf-8",
	".ico":         "image/x-icon",
	".js":          "text/javascript; charset=utf-8",
	".json":        "application/json",
	".map":         "application/json",
	".md":          "text/markdown; charset=utf-8",
	".png":         "image/png",
	".svg":         "image/svg+xml",
	".txt":         "text/plain; charset=utf-8",
	".wasm":        "application/wasm",
	".webmanifest": "application/manifest+json",
	".woff2":       "font/woff2",
}

// Handler serves the site: index.html, whatever lies beside it, and for each file
// the .br and .gz forms a client prefers. _headers is read once, now. Each request
// is logged without its query; log may be nil.
func Handler(site fs.FS, log *slog.Logger) (http.Handler, error) {
	if _, err := fs.Stat(site, "index.html"); err != nil {
		return nil, fmt.Errorf("serve: the site has no index.html (make build assembles it): %w", err)
	}
	text, err := fs.ReadFile(site, headersFile)
	if err != nil {
		return nil, fmt.Errorf("serve: the site has no security headers: %w", err)
	}
	rules, err := parseHeaders(string(text))
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	return logged(&handler{site: site, rules: rules}, log), nil
}

type handler struct {
	site  fs.FS
	rules []rule
	tags  sync.Map // file name -> tag
}

// tag is a file's strong validator, good while size and time stay.
type tag struct {
	size     int64
	modified time.Time
	value    string
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	apply(h.rules, r.URL.Path, w.Header())
	if r.ContentLength != 0 {
		// The body is not read, so the connection cannot serve another request.
		w.Header().Set("Connection", "close")
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, r, http.StatusMethodNotAllowed, "This server sends files and takes nothing.")
	case r.ContentLength != 0:
		refuse(w, r, http.StatusBadRequest, "This server takes no request body.")
	default:
		h.serveFile(w, r)
	}
}

func (h *handler) serveFile(w http.ResponseWriter, r *http.Request) {
	clean := path.Clean("/" + r.URL.Path)
	if strings.HasSuffix(r.URL.Path, "/") && clean != "/" {
		clean += "/"
	}
	if clean != r.URL.Path {
		w.Header().Set("Location", (&url.URL{Path: clean}).EscapedPath())
		refuse(w, r, http.StatusMovedPermanently, "Moved.")
		return
	}
	name := strings.TrimPrefix(clean, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	if !h.public(name) {
		refuse(w, r, http.StatusNotFound, "Not found.")
		return
	}
	if named, ok := w.(*recorder); ok {
		named.path = clean
	}
	w.Header().Add("Vary", "Accept-Encoding")
	chosen, ok := h.choose(name, r)
	if !ok {
		refuse(w, r, http.StatusNotAcceptable, "No encoding of this file is acceptable to the client.")
		return
	}
	h.send(w, r, name, chosen)
}

// public says whether name is a file that clients may ask for by name.
func (h *handler) public(name string) bool {
	ext := path.Ext(name)
	if !fs.ValidPath(name) || name == headersFile || ext == ".br" || ext == ".gz" {
		return false
	}
	for _, element := range strings.Split(name, "/") {
		if strings.HasPrefix(element, ".") {
			return false
		}
	}
	return h.isFile(name)
}

func (h *handler) isFile(name string) bool {
	info, err := fs.Stat(h.site, name)
	return err == nil && info.Mode().IsRegular()
}

// choose picks the encoding the client likes best among those the file has. Ranges
// count in the bytes of the file itself, so they are answered unencoded.
func (h *handler) choose(name string, r *http.Request) (encoding, bool) {
	weights := accepts(r.Header.Values("Accept-Encoding"))
	if r.Header.Get("Range") != "" && weights[identity.name] > 0 {
		return identity, true
	}
	var best encoding
	highest := 0.0
	for _, e := range encodings {
		if weights[e.name] > highest && h.isFile(name+e.suffix) {
			best, highest = e, weights[e.name]
		}
	}
	return best, highest > 0
}

func (h *handler) send(w http.ResponseWriter, r *http.Request, name string, e encoding) {
	content, value, size, err := h.open(name + e.suffix)
	if err != nil {
		refuse(w, r, http.StatusInternalServerError, "The file cannot be read.")
		return
	}
	defer content.Close()
	header := w.Header()
	if header.Get("Content-Type") == "" {
		kind := types[path.Ext(name)]
		if kind == "" {
			kind = "application/octet-stream"
		}
		header.Set("Content-Type", kind)
	}
	if e != identity {
		value += "-" + e.name
		header.Set("Content-Encoding", e.name)
		header.Set("Content-Length", strconv.FormatInt(size, 10))
		r.Header.Del("Range")
	}
	header.Set("Etag", `"`+value+`"`)
	http.ServeContent(w, r, name, time.Time{}, content)
}

// open opens a file with its validator and size.
func (h *handler) open(name string) (_ readSeekCloser, value string, size int64, err error) {
	f, err := h.site.Open(name)
	if err != nil {
		return nil, "", 0, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, "", 0, err
	}
	content, ok := f.(readSeekCloser)
	if !ok {
		return nil, "", 0, errors.New("the site's files cannot seek")
	}
	if known, ok := h.tags.Load(name); ok {
		if t := known.(tag); t.size == info.Size() && t.modified.Equal(info.ModTime()) {
			return content, t.value, t.size, nil
		}
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return nil, "", 0, err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return nil, "", 0, err
	}
	t := tag{info.Size(), info.ModTime(), hex.EncodeToString(sum.Sum(nil)[:16])}
	h.tags.Store(name, t)
	return content, t.value, t.size, nil
}

type readSeekCloser interface {
	io.ReadSeeker
	io.Closer
}

// refuse answers in one plain line that no cache keeps.
func refuse(w http.ResponseWriter, r *http.Request, status int, line string) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(line)+1))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, line+"\n")
	}
}
