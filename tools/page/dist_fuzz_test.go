package page

import (
	"testing"
	"testing/fstest"
)

func FuzzFromDist(f *testing.F) {
	release := `{"frame":{"url":"assets/frame.0.html","size":0,"sha256":""},"worker":{"url":"../sw.js","size":-1,"sha256":"x"},"module":{},"models":[]}`
	f.Add([]byte(releaseStart+release+releaseEnd), []byte("worker"))
	f.Add([]byte(releaseStart+releaseEnd), []byte(""))
	f.Add([]byte(releaseEnd+releaseStart+"null"+releaseEnd), []byte("x"))
	f.Fuzz(func(t *testing.T, index, worker []byte) {
		site := fstest.MapFS{
			"index.html":          {Data: index},
			"assets/frame.0.html": {},
			"sw.js":               {Data: worker},
		}
		p, err := FromDist(site)
		if err != nil {
			return
		}
		// What is accepted holds its own pins.
		if err := p.check(); err != nil {
			t.Errorf("accepted, yet %v", err)
		}
	})
}
