package serve

import (
	"strconv"
	"strings"
)

// encoding is a content coding with the suffix of the files that hold it. The order
// is the server's preference among what a client likes equally.
type encoding struct{ name, suffix string }

var encodings = []encoding{{"br", ".br"}, {"gzip", ".gz"}, identity}

var identity = encoding{"identity", ""}

// accepts reads an Accept-Encoding header (RFC 9110, 12.5.3) and gives the weight of
// each coding of encodings, 0 for those that must not be sent. A weight that cannot
// be read counts as 0.
func accepts(header []string) map[string]float64 {
	named, wildcard := map[string]float64{}, -1.0
	for _, part := range strings.Split(strings.Join(header, ","), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		weight := 1.0
		if key, value, ok := strings.Cut(strings.TrimSpace(parameters), "="); ok && strings.EqualFold(strings.TrimSpace(key), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || !(q >= 0 && q <= 1) {
				q = 0
			}
			weight = q
		}
		switch name {
		case "":
		case "*":
			wildcard = weight
		default:
			named[name] = weight
		}
	}
	weights := map[string]float64{}
	for _, e := range encodings {
		w, ok := named[e.name]
		switch {
		case ok:
			weights[e.name] = w
		case wildcard >= 0:
			weights[e.name] = wildcard
		case e == identity:
			// Always acceptable unless excluded, yet behind anything asked for.
			weights[e.name] = 0.0001
		}
	}
	return weights
}
