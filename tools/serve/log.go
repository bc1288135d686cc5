package serve

import (
	"log/slog"
	"net/http"
	"time"
)

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	path   string // set once it is known to name a file of the site
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// logged logs each request of next. A path that names no file of the site, or a method
// that is not served, is the client's own text and is left out, like every query.
func logged(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w, path: "(unknown)"}
		next.ServeHTTP(rec, r)
		if log != nil {
			log.LogAttrs(r.Context(), slog.LevelInfo, "request",
				slog.String("method", known(r.Method)), slog.String("path", rec.path),
				slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes),
				slog.Duration("took", time.Since(start)))
		}
	})
}

func known(method string) string {
	if method == http.MethodGet || method == http.MethodHead {
		return method
	}
	return "(other)"
}
