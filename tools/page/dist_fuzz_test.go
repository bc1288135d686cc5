package page

import (
	"testing"
	"testing/fstest"
)

func FuzzFromDist(f *testing.F) {
	f.Add([]byte(releaseStart + `{"module":{"url":"../sw.js","size":-1,"sha256":"x"},"models":[]}` + releaseEnd))
	f.Add([]byte(releaseStart + `{"module":{},"kernels":{"url":"sw.js"},"models":[{"encoder":true}]}` + releaseEnd))
	f.Add([]byte(releaseStart + releaseEnd))
	f.Add([]byte(releaseEnd + releaseStart + "null" + releaseEnd))
	f.Fuzz(func(t *testing.T, index []byte) {
		p, err := FromDist(fstest.MapFS{"index.html": {Data: index}, "sw.js": {Data: []byte("x")}})
		if err != nil {
			return
		}
		// What is accepted has its place for the release, once.
		_, text, _, err := cutIndex(fstest.MapFS{"index.html": {Data: []byte(p.before + "{}" + p.after)}})
		if err != nil || text != "{}" {
			t.Errorf("accepted, yet the release reads %q, %v", text, err)
		}
	})
}
