package serve

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// rule is one path of a _headers file with the headers it sets.
type rule struct {
	path   string // without the trailing *
	prefix bool   // the path had a trailing *
	lines  []headerLine
}

type headerLine struct{ name, value string }

// parseHeaders reads a _headers file as Netlify and Cloudflare Pages do: a path in
// the first column, then indented "Name: value" lines; # begins a comment. What
// those hosts know beyond that (placeholders, * inside a path, removal) is refused,
// lest a header be silently missing.
func parseHeaders(text string) ([]rule, error) {
	var rules []rule
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		content := strings.TrimLeft(line, " \t")
		switch {
		case content == "" || content[0] == '#':
		case content == line:
			r, err := parsePath(content)
			if err != nil {
				return nil, fmt.Errorf("_headers line %d: %w", i+1, err)
			}
			rules = append(rules, r)
		case len(rules) == 0:
			return nil, fmt.Errorf("_headers line %d: a header before the first path", i+1)
		default:
			h, err := parseLine(content)
			if err != nil {
				return nil, fmt.Errorf("_headers line %d: %w", i+1, err)
			}
			last := &rules[len(rules)-1]
			last.lines = append(last.lines, h)
		}
	}
	return rules, nil
}

func parsePath(s string) (rule, error) {
	path, prefix := strings.CutSuffix(s, "*")
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "*: \t") {
		return rule{}, fmt.Errorf("path %q: want one that begins with /, with at most one * at its end", s)
	}
	return rule{path: path, prefix: prefix}, nil
}

func parseLine(s string) (headerLine, error) {
	name, value, ok := strings.Cut(s, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || !isToken(name) || value == "" {
		return headerLine{}, fmt.Errorf("%q: want Name: value", s)
	}
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return headerLine{}, fmt.Errorf("the value of %s holds a control character", name)
		}
	}
	return headerLine{textproto.CanonicalMIMEHeaderKey(name), value}, nil
}

// isToken says whether s can name a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// apply sets what the rules say for a path. A header that several rules set gets
// their values joined by commas, as those hosts do.
func apply(rules []rule, path string, header http.Header) {
	for _, r := range rules {
		if path != r.path && !(r.prefix && strings.HasPrefix(path, r.path)) {
			continue
		}
		for _, h := range r.lines {
			if before := header.Get(h.name); before != "" {
				header.Set(h.name, before+", "+h.value)
			} else {
				header.Set(h.name, h.value)
			}
		}
	}
}
