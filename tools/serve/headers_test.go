package serve

import (
	"net/http"
	"strings"
	"testing"
)

func TestParseHeaders(t *testing.T) {
	tests := []struct {
		name, text, path, header, want string
		err                            string
	}{
		{name: "exact", text: "/a\n X-A: 1", path: "/a", header: "X-A", want: "1"},
		{name: "exact, other path", text: "/a\n X-A: 1", path: "/ab", header: "X-A"},
		{name: "prefix", text: "/a/*\n X-A: 1", path: "/a/b/c", header: "X-A", want: "1"},
		{name: "prefix, other path", text: "/a/*\n X-A: 1", path: "/ab", header: "X-A"},
		{name: "two rules", text: "/*\n X-A: 1\n/b\n X-A: 2", path: "/b", header: "X-A", want: "1, 2"},
		{name: "value with colons", text: "/*\n  Link: <http://x>: y ", path: "/", header: "Link", want: "<http://x>: y"},
		{name: "lower-case name", text: "/*\n\tx-a: 1", path: "/", header: "X-A", want: "1"},
		{name: "comments and blank lines", text: "# c\n\n/*\n  # c\n\n  X-A: 1\n", path: "/", header: "X-A", want: "1"},
		{name: "CRLF", text: "/*\r\n X-A: 1\r\n", path: "/", header: "X-A", want: "1"},
		{name: "header first", text: " X-A: 1", err: "line 1: a header before"},
		{name: "placeholder", text: "/a/:id\n X-A: 1", err: "line 1: path"},
		{name: "star inside", text: "/a/*/b\n X-A: 1", err: "line 1: path"},
		{name: "host", text: "https://x/*\n X-A: 1", err: "line 1: path"},
		{name: "removal", text: "/*\n ! X-A", err: "line 2: "},
		{name: "no value", text: "/*\n X-A:", err: "line 2: "},
		{name: "bad name", text: "/*\n X A: 1", err: "line 2: "},
		{name: "control character", text: "/*\n X-A: 1\x002", err: "control character"},
		{name: "carriage return inside", text: "/*\n X-A: 1\r2", err: "control character"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rules, err := parseHeaders(test.text)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			apply(rules, test.path, header)
			if got := header.Get(test.header); got != test.want {
				t.Errorf("%s is %q, want %q", test.header, got, test.want)
			}
		})
	}
}

func FuzzParseHeaders(f *testing.F) {
	f.Add("/*\n  X-A: 1\n/assets/*\n  Cache-Control: immutable\n")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := parseHeaders(text)
		if err != nil {
			return
		}
		header := http.Header{}
		apply(rules, "/assets/x", header)
		for name, values := range header {
			if !isToken(name) || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("header %q: %q can split a response", name, values)
			}
		}
	})
}

func FuzzAccepts(f *testing.F) {
	f.Add("gzip;q=0.5, br;q=1, *;q=0")
	f.Fuzz(func(t *testing.T, header string) {
		for name, w := range accepts([]string{header}) {
			if !(w >= 0 && w <= 1) {
				t.Errorf("weight %v for %s", w, name)
			}
		}
	})
}
