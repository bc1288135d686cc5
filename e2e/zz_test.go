package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bedside/tools/serve"
)

func TestTimeline(t *testing.T) {
	handler, err := serve.Handler(os.DirFS(os.Getenv("BASE_DIST")), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, handler: handler, address: "127.0.0.1:0", sent: map[string]int64{}}
	s.start()
	t.Cleanup(s.stop)
	path, _ := chromiumPath()
	ctx, stop, err := startChromium(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for i := range 5 {
		tab := openLeft(t, ctx, s.url()+os.Getenv("QUERY"))
		tab.frame.wait(`performance.getEntriesByName('bedside:model').length`)
		fmt.Printf("visit %d: frame %.0f model %.0f\n", i, tab.mark("bedside:frame"), tab.mark("bedside:model"))
		var asked []string
		tab.outer.must(`performance.getEntriesByType('resource').map(r => r.name.slice(-12) + ' ' + Math.round(r.startTime) + '-' + Math.round(r.responseStart) + '-' + Math.round(r.responseEnd))`, &asked)
		if os.Getenv("V") != "" { fmt.Println(strings.Join(asked, "\n")) }
		tab.close()
	}
}
