package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bedside/weights/bundle"
)

// TestMeasureEncoders times the encoders among the shipped bundles in the page, on notes of
// 600 words: labels alone, and the search for the sentences that matter.
func TestMeasureEncoders(t *testing.T) {
	if os.Getenv("BEDSIDE_BENCH") != "1" {
		t.Skip("BEDSIDE_BENCH=1 runs the measurements")
	}
	const words, warm, timed, explained = 600, 10, 100, 10
	manifests, err := filepath.Glob("../weights/*/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range manifests {
		dir := filepath.Dir(file)
		b, err := bundle.Open(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		if b.Manifest.Encoder == nil {
			continue
		}
		tab := openReady(t, encoderServer(t, dir))
		tab.frame.wait(element + `.dataset.device`)
		tab.labelsAlone()
		device, threads := tab.serving()
		ask := func(notes, explain int) (took []float64) {
			for i := range notes {
				note := strings.Join(strings.Fields(varied(i, 12*words))[:words], " ")
				var ms float64
				tab.frame.must(fmt.Sprintf(`%s.engine.classify(0, %s, %d, () => {}).then(({ms}) => ms)`, element, quoted(note), explain), &ms)
				took = append(took, ms)
			}
			return took
		}
		alone := ask(warm+timed, 0)[warm:]
		fmt.Printf("| %s, a note of %d words in Chromium (%s, %s threads), labels | median %.0f ms, p99 %.0f ms, quickest %.0f ms (n=%d) |\n",
			b.Manifest.Name, words, device, threads, quantile(alone, .5), quantile(alone, .99), quantile(alone, 0), timed)
		found := ask(explained, 1)
		fmt.Printf("| the same with its sentences | median %.0f ms, worst %.0f ms, quickest %.0f ms (n=%d) |\n", quantile(found, .5), quantile(found, 1), quantile(found, 0), explained)
		tab.outer.quiet()
		tab.frame.quiet()
		tab.outer.stop()
	}
}
