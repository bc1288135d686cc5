package serve

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	policy    = "default-src 'none'"
	immutable = "public, max-age=31536000, immutable"
)

func site() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"_headers": file("# security\n/*\n  Content-Security-Policy: " + policy + "\n  X-Content-Type-Options: nosniff\n\n" +
			"/assets/*\n\tCache-Control: " + immutable + "\r\n/sw.js\n  Cache-Control: no-cache\n"),
		"index.html":             file("<!doctype html><p>identity"),
		"index.html.br":          file("brotli of index"),
		"index.html.gz":          file("gzip of index"),
		"sw.js":                  file("// worker"),
		"assets/bedside.wasm":    file("\x00asm\x01\x00\x00\x00"),
		"assets/bedside.wasm.br": file("brotli of wasm"),
		"assets/plain.js":        file("0123456789"),
		"assets/.gitkeep":        file(""),
		"weights/m/00000.shard":  file("abcdefghij"),
		"card/index.html":        file("<!doctype html><p>card"),
		"sp ace.txt":             file("space"),
	}
}

func handle(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	h, err := Handler(site(), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func request(method, target string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestFiles(t *testing.T) {
	tests := []struct {
		name   string
		target string
		status int
		kind   string
		body   string
	}{
		{"root", "/", 200, "text/html; charset=utf-8", "<!doctype html><p>identity"},
		{"index by name", "/index.html", 200, "text/html; charset=utf-8", "<!doctype html><p>identity"},
		{"query is ignored", "/?note=secret", 200, "text/html; charset=utf-8", "<!doctype html><p>identity"},
		{"module", "/assets/bedside.wasm", 200, "application/wasm", "\x00asm\x01\x00\x00\x00"},
		{"script", "/assets/plain.js", 200, "text/javascript; charset=utf-8", "0123456789"},
		{"shard", "/weights/m/00000.shard", 200, "application/octet-stream", "abcdefghij"},
		{"folder with an index", "/card/", 200, "text/html; charset=utf-8", "<!doctype html><p>card"},
		{"escaped name", "/sp%20ace.txt", 200, "text/plain; charset=utf-8", "space"},
		{"folder", "/assets/", 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"folder without slash", "/assets", 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"absent", "/nothing", 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"the headers file", "/_headers", 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"raw brotli", "/index.html.br", 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"raw gzip", "/index.html.gz", 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"hidden file", "/assets/.gitkeep", 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"backslash", `/..%5c..%5cetc%5cpasswd`, 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"NUL", "/%00", 404, "text/plain; charset=utf-8", "Not found.\n"},
		{"invalid UTF-8", "/%ff", 404, "text/plain; charset=utf-8", "Not found.\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				r := handle(t, request(method, test.target))
				want := test.body
				if method == "HEAD" {
					want = ""
				}
				if got := body(t, r); r.StatusCode != test.status || got != want {
					t.Errorf("%s: %d %q, want %d %q", method, r.StatusCode, got, test.status, want)
				}
				if got := r.Header.Get("Content-Type"); got != test.kind {
					t.Errorf("%s: Content-Type %q, want %q", method, got, test.kind)
				}
				if got := r.Header.Get("Content-Security-Policy"); got != policy {
					t.Errorf("%s: policy %q, want %q", method, got, policy)
				}
			}
		})
	}
}

func TestPathsAreCleaned(t *testing.T) {
	for target, location := range map[string]string{
		"/assets/../index.html?q=secret": "/index.html",
		"//example.org/x":                "/example.org/x",
		"/./assets//plain.js":            "/assets/plain.js",
		"/../../etc/passwd":              "/etc/passwd",
		"/assets/%2e%2e/%2e%2e/etc/x":    "/etc/x",
		"/a/../sp%20ace.txt":             "/sp%20ace.txt",
		"/card/./":                       "/card/",
		"/%2f%2fexample.org":             "/example.org",
	} {
		r := request("GET", "/")
		parsed, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = parsed
		got := handle(t, r)
		if got.StatusCode != http.StatusMovedPermanently || got.Header.Get("Location") != location {
			t.Errorf("%s: %d to %q, want 301 to %q", target, got.StatusCode, got.Header.Get("Location"), location)
		}
	}
}

func TestEncodings(t *testing.T) {
	tests := []struct {
		target, accept string
		status         int
		encoding       string
	}{
		{"/", "", 200, ""},
		{"/", "br", 200, "br"},
		{"/", "gzip", 200, "gzip"},
		{"/", "gzip, deflate, br, zstd", 200, "br"},
		{"/", "gzip;q=1.0, br;q=0.5", 200, "gzip"},
		{"/", "GZIP ; Q=0.9 , BR;q=0.1", 200, "gzip"},
		{"/", "br;q=0", 200, ""},
		{"/", "br;q=0, *", 200, "gzip"},
		{"/", "*", 200, "br"},
		{"/", "*;q=0", 406, ""},
		{"/", "identity;q=0, br", 200, "br"},
		{"/", "identity;q=0", 406, ""},
		{"/", "identity, br;q=0.5", 200, ""},
		{"/", "br;q=nonsense", 200, ""},
		{"/", "br;q=NaN, gzip", 200, "gzip"},
		{"/", "br;q=7, gzip", 200, "gzip"},
		{"/", ";;;,,q=1,", 200, ""},
		{"/assets/bedside.wasm", "gzip", 200, ""},
		{"/assets/bedside.wasm", "gzip, br;q=0.1", 200, "br"},
		{"/assets/plain.js", "br, gzip", 200, ""},
		{"/assets/plain.js", "br, identity;q=0", 406, ""},
	}
	for _, test := range tests {
		r := handle(t, request("GET", test.target, "Accept-Encoding", test.accept))
		if r.StatusCode != test.status || r.Header.Get("Content-Encoding") != test.encoding {
			t.Errorf("%s accepting %q: %d in %q, want %d in %q", test.target, test.accept,
				r.StatusCode, r.Header.Get("Content-Encoding"), test.status, test.encoding)
		}
		if r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s accepting %q: Vary %q", test.target, test.accept, r.Header.Get("Vary"))
		}
		if r.StatusCode == 200 && int64(len(body(t, r))) != r.ContentLength {
			t.Errorf("%s accepting %q: Content-Length %d is not the body's", test.target, test.accept, r.ContentLength)
		}
	}
}

func TestValidators(t *testing.T) {
	tagOf := func(accept string) string {
		return handle(t, request("GET", "/", "Accept-Encoding", accept)).Header.Get("Etag")
	}
	plain, brotli := tagOf(""), tagOf("br")
	if plain == brotli || !strings.HasPrefix(plain, `"`) || !strings.HasPrefix(brotli, `"`) {
		t.Fatalf("validators %s and %s, want two strong ones", plain, brotli)
	}
	for _, test := range []struct {
		accept, match string
		status        int
	}{
		{"", plain, 304},
		{"br", brotli, 304},
		{"br", plain, 200},
		{"", brotli, 200},
		{"", `"other", ` + plain, 304},
		{"", "W/" + plain, 304},
		{"", "*", 304},
		{"", `"other"`, 200},
		{"", "not a validator", 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := handle(t, request(method, "/", "Accept-Encoding", test.accept, "If-None-Match", test.match))
			if r.StatusCode != test.status {
				t.Errorf("%s accepting %q, If-None-Match %s: %d, want %d", method, test.accept, test.match, r.StatusCode, test.status)
			}
			if r.StatusCode == 304 && (body(t, r) != "" || r.Header.Get("Etag") == "" || r.Header.Get("Vary") == "") {
				t.Errorf("304 with a body or without its headers: %v", r.Header)
			}
		}
	}
}

func TestValidatorFollowsTheFile(t *testing.T) {
	files := site()
	h, err := Handler(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	tag := func() string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("GET", "/sw.js"))
		return w.Result().Header.Get("Etag")
	}
	before := tag()
	files["sw.js"] = &fstest.MapFile{Data: []byte("// another worker")}
	if tag() == before {
		t.Error("the validator stayed though the file changed")
	}
}

func TestRanges(t *testing.T) {
	tag := handle(t, request("GET", "/assets/bedside.wasm")).Header.Get("Etag")
	tests := []struct {
		target, value, ifRange string
		status                 int
		body, contentRange     string
	}{
		{"/assets/plain.js", "bytes=2-4", "", 206, "234", "bytes 2-4/10"},
		{"/assets/plain.js", "bytes=7-", "", 206, "789", "bytes 7-9/10"},
		{"/assets/plain.js", "bytes=-2", "", 206, "89", "bytes 8-9/10"},
		{"/assets/plain.js", "bytes=10-", "", 416, "", "bytes */10"},
		{"/assets/plain.js", "bytes=4-2", "", 416, "", ""},
		{"/assets/bedside.wasm", "bytes=1-3", "", 206, "asm", "bytes 1-3/8"},
		{"/assets/bedside.wasm", "bytes=1-3", tag, 206, "asm", "bytes 1-3/8"},
		{"/assets/bedside.wasm", "bytes=1-3", `"old"`, 200, "\x00asm\x01\x00\x00\x00", ""},
	}
	for _, test := range tests {
		r := request("GET", test.target, "Range", test.value, "Accept-Encoding", "br")
		if test.ifRange != "" {
			r.Header.Set("If-Range", test.ifRange)
		}
		got := handle(t, r)
		text := body(t, got)
		if got.StatusCode != test.status || got.StatusCode < 300 && text != test.body || got.Header.Get("Content-Range") != test.contentRange {
			t.Errorf("%s of %s: %d %q %q, want %d %q %q", test.value, test.target,
				got.StatusCode, text, got.Header.Get("Content-Range"), test.status, test.body, test.contentRange)
		}
		if e := got.Header.Get("Content-Encoding"); e != "" {
			t.Errorf("%s of %s: encoded as %s", test.value, test.target, e)
		}
	}
}

func TestCaching(t *testing.T) {
	for target, want := range map[string]string{
		"/assets/plain.js": immutable,
		"/sw.js":           "no-cache",
		"/":                "",
		"/assets/absent":   "no-store",
		"/absent":          "no-store",
	} {
		if got := handle(t, request("GET", target)).Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", target, got, want)
		}
	}
}

// unreadable fails the test when anyone reads it.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the request's body was read")
	return 0, errors.New("unreadable")
}

func TestNoRequestBodyIsRead(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "NOTE"} {
		r := httptest.NewRequest(method, "http://kiosk/", unreadable{t})
		r.ContentLength = -1
		got := handle(t, r)
		want := http.StatusMethodNotAllowed
		if method == "GET" || method == "HEAD" {
			want = http.StatusBadRequest
		} else if got.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow %q", method, got.Header.Get("Allow"))
		}
		if got.StatusCode != want {
			t.Errorf("%s: %d, want %d", method, got.StatusCode, want)
		}
		if got.Header.Get("Connection") != "close" {
			t.Errorf("%s: the connection stays open before an unread body", method)
		}
	}
}

func TestLogHoldsNoTextOfTheClient(t *testing.T) {
	const secret = "chestpain"
	var log bytes.Buffer
	h, err := Handler(site(), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/sw.js?q=" + secret, "/" + secret, "/a/../" + secret + "?" + secret, "/assets/plain.js"} {
		h.ServeHTTP(httptest.NewRecorder(), request("GET", target, "Referer", "http://kiosk/"+secret, "User-Agent", secret, "Cookie", secret))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/sw.js?"+secret, strings.NewReader(secret)))
	if strings.Contains(log.String(), secret) {
		t.Errorf("the log holds the client's text:\n%s", &log)
	}
	for _, want := range []string{
		"msg=request method=GET path=/sw.js status=200 bytes=9 took=",
		"method=GET path=(unknown) status=404 bytes=11 took=",
		"method=GET path=/assets/plain.js status=200 bytes=10 took=",
		"method=(other) path=(unknown) status=405",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, &log)
		}
	}
}

func TestIncompleteSiteIsRefused(t *testing.T) {
	for name, want := range map[string]string{
		"index.html": "make build",
		"_headers":   "no security headers",
	} {
		files := site()
		delete(files, name)
		if _, err := Handler(files, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v, want %q", name, err, want)
		}
	}
	files := site()
	files["_headers"].Data = []byte("/*\n  Content-Security-Policy\n")
	if _, err := Handler(files, nil); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("bad _headers: %v, want its line", err)
	}
}
