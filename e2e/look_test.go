package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bedside/wasm/encoder/invented"
	"bedside/weights"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// look is how a reader sees the page.
type look struct {
	name          string
	width, height int64
	dark          bool
	phone         bool
}

var looks = []look{
	{name: "light-1280", width: 1280, height: 900},
	{name: "dark-1280", width: 1280, height: 900, dark: true},
	{name: "phone-360", width: 360, height: 780, phone: true},
	{name: "phone-dark-360", width: 360, height: 780, phone: true, dark: true},
}

// wear gives the page a look.
func (tab *tab) wear(l look) {
	tab.outer.t.Helper()
	_, err := chromedp.Call(tab.outer.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: l.width, Height: l.height, DeviceScaleFactor: 1, Mobile: l.phone,
	})
	if err != nil {
		tab.outer.t.Fatal(err)
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	for _, d := range []*document{tab.outer, tab.frame} {
		_, err := chromedp.Call(d.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		if err != nil {
			d.t.Fatal(err)
		}
		d.wait(fmt.Sprintf(`matchMedia('(prefers-color-scheme: %s)').matches`, scheme))
	}
	var size struct{ Width, Height int64 }
	tab.outer.wait(fmt.Sprintf(`innerWidth === %d && innerHeight === %d`, l.width, l.height))
	tab.outer.must(`(({clientWidth, clientHeight}) => ({width: clientWidth, height: clientHeight}))(document.querySelector('iframe'))`, &size)
	tab.frame.wait(fmt.Sprintf(`innerWidth === %d && innerHeight === %d`, size.Width, size.Height))
	tab.frame.must(settle, nil)
}

// states are what the reader may be looking at, as JavaScript that leads there from
// the result of an example.
var states = []struct{ name, enter, leave string }{
	{"result", ``, ``},
	{"all-labels", shadow + `.querySelector('#all')?.click()`, shadow + `.querySelector('#all')?.click()`},
	{"numbers", shadow + `.querySelector('#features').open = true`, shadow + `.querySelector('#features').open = false`},
	{"card", shadow + `.querySelector('#card-open').click()`, shadow + `.querySelector('dialog#card').close()`},
	{"plots", shadow + `.querySelector('#card-open').click(); setTimeout(() => {
		const card = ` + shadow + `.querySelector('dialog#card')
		card.querySelectorAll('details').forEach((details) => { details.open = true })
		card.querySelector('.plots')?.scrollIntoView()
	}, 20)`, shadow + `.querySelector('dialog#card').close()`},
	{"proof", shadow + `.querySelector('#proof-open').click()`, shadow + `.querySelector('dialog#proof').close()`},
}

// settle lets the page draw.
const settle = `new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(true), 60)))`

func TestNoAccessibilityViolation(t *testing.T) {
	tab := openTab(t, newServer(t).url()+"#example")
	tab.frame.wait(element + `?.dataset.state === 'done'`)
	for _, d := range []*document{tab.outer, tab.frame} {
		d.must(axe(t), nil)
	}
	for _, l := range looks {
		tab.wear(l)
		for _, state := range states {
			tab.frame.must(state.enter, nil)
			tab.frame.must(settle, nil)
			tab.frame.violations(l.name + ", " + state.name)
			tab.frame.must(state.leave, nil)
			tab.frame.must(settle, nil)
		}
		tab.outer.violations(l.name + ", outer document")
		tab.sidewaysScroll(l)
	}
	tab.frame.must(element+`.classify('zzqqx vvkkj')`, nil)
	tab.frame.violations("not sure")

	// What axe is silent about would mean nothing if it never spoke.
	tab.frame.must(shadow+`.querySelector('main').append(document.createElement('button'))`, nil)
	if found := tab.frame.examine(); len(found) != 1 || found[0].ID != "button-name" {
		t.Errorf("axe finds %v in a page with a nameless button", found)
	}
}

// TestEncoderPageIsAccessible looks at what only pages with an encoder show.
func TestEncoderPageIsAccessible(t *testing.T) {
	if err := os.MkdirAll(screenshots, 0o777); err != nil {
		t.Fatal(err)
	}
	tab := openTab(t, encoderServer(t, encoderBundle(t, invented.Tiny())).url()+"?device=reference")
	tab.ready()
	tab.frame.must(axe(t), nil)
	look := func(name string) {
		tab.frame.must(settle, nil)
		tab.frame.violations("encoder, " + name)
		tab.picture("encoder-" + name)
	}
	for _, l := range looks {
		tab.wear(l)
		tab.write(long(3) + parted)
		tab.evidence()
		look(l.name + "-result")
		for _, state := range states {
			if state.name != "numbers" && state.name != "card" && state.name != "proof" {
				continue
			}
			tab.frame.must(state.enter, nil)
			look(l.name + "-" + state.name)
			tab.frame.must(state.leave, nil)
		}
		tab.frame.must(later(long(50_000)), nil)
		tab.frame.wait(shadow + `.querySelector('progress#parts')?.value > 3`)
		look(l.name + "-parts")
		tab.frame.must(shadow+`.querySelector('#clear').click()`, nil)
		tab.frame.wait(element + `.dataset.state === 'ready'`)
	}
}

func TestFailureIsAccessible(t *testing.T) {
	s := newServer(t)
	s.answer(".shard", http.NotFound)
	tab := openTab(t, s.url())
	tab.outer.failure()
	for _, d := range []*document{tab.outer, tab.frame} {
		d.must(axe(t), nil)
		d.violations("failure")
	}
}

// axe is the script of what finds fault with documents.
func axe(t testing.TB) string {
	t.Helper()
	script, err := os.ReadFile("../site/node_modules/axe-core/axe.min.js")
	if err != nil {
		missing(t, "no axe-core (cd site && npm ci)", err)
	}
	return string(script) + "; 0"
}

// violation is what axe finds fault with.
type violation struct {
	ID, Impact, Help string
	Nodes            []string
}

// examine runs axe in this document, frames inside it left out.
func (d *document) examine() []violation {
	d.t.Helper()
	var found []violation
	d.must(`axe.run(document, {iframes: false, resultTypes: ['violations']}).then(({violations}) => violations.map((v) => ({
		id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.map((n) => n.target.flat().join(' ') + ': ' + n.failureSummary)})))`, &found)
	return found
}

func (d *document) violations(where string) {
	d.t.Helper()
	for _, v := range d.examine() {
		d.t.Errorf("%s: %s (%s): %s\n\t%s", where, v.ID, v.Impact, v.Help, brief(strings.Join(v.Nodes, "\n\t")))
	}
}

func (tab *tab) sidewaysScroll(l look) {
	tab.outer.t.Helper()
	for name, d := range map[string]*document{"outer": tab.outer, "inner": tab.frame} {
		var over int
		d.must(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &over)
		if over > 0 {
			d.t.Errorf("%s: the %s document is %d px too wide", l.name, name, over)
		}
	}
}

// TestCardShowsWhatWasMeasured holds the card's plots to the manifest's numbers.
func TestCardShowsWhatWasMeasured(t *testing.T) {
	m, err := weights.ParseManifest(siteFile(t, release(t).Models[0].Dir()+"/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	e := m.Card.Evaluations[0]
	bins := slices.DeleteFunc(e.Bins, func(b weights.Bin) bool { return b.Count == 0 })
	if len(bins) == 0 || len(e.Curve) == 0 || len(e.Pairs) == 0 {
		t.Fatalf("the first model has %d bins, %d points and %d pairs", len(bins), len(e.Curve), len(e.Pairs))
	}
	tab := openReady(t, newServer(t))
	tab.frame.must(shadow+`.querySelector('#card-open').click()`, nil)
	tab.frame.must(settle, nil)
	var shown struct {
		Dots, Points, Rows int
		Named              bool
		High               string
	}
	tab.frame.must(`(() => {
		const first = `+shadow+`.querySelector('dialog#card .evaluation')
		return {
			dots: first.querySelectorAll('circle').length,
			points: first.querySelector('polyline').points.length,
			rows: first.querySelector('figure tbody').rows.length,
			named: [...first.querySelectorAll('svg')].every((svg) => svg.getAttribute('aria-label')),
			high: first.querySelector('dd small').textContent,
		}
	})()`, &shown)
	if shown.Dots != len(bins) || shown.Rows != len(bins) || shown.Points != len(e.Curve) || !shown.Named {
		t.Errorf("the card shows %+v, want %d bins and %d points", shown, len(bins), len(e.Curve))
	}
	if want := fmt.Sprintf("%.3f to %.3f", e.Figures[0].Low, e.Figures[0].High); shown.High != want {
		t.Errorf("an interval of %q, want %q", shown.High, want)
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// TestCardSaysWhatALexiconIs: a model of phrases alone has nothing else to say of its kind.
func TestCardSaysWhatALexiconIs(t *testing.T) {
	tab := openReady(t, encoderServer(t, "../weights/icd10"))
	tab.frame.must(shadow+`.querySelector('#card-open').click()`, nil)
	tab.frame.must(settle, nil)
	var said string
	tab.frame.must(shadow+`.querySelector('dialog#card').textContent`, &said)
	if !regexp.MustCompile(`A lexicon of [0-9,]+ phrases of 1 to [0-9]+ words, speaking [0-9,]+ times for 50 labels: the loudest`).MatchString(said) {
		t.Errorf("the card says %q", said)
	}
	tab.frame.quiet()
}

const screenshots = "../out/screenshots"

func TestScreenshots(t *testing.T) {
	if err := os.MkdirAll(screenshots, 0o777); err != nil {
		t.Fatal(err)
	}
	tab := openTab(t, newServer(t).url()+"#example")
	tab.frame.wait(element + `?.dataset.state === 'done'`)
	for _, l := range looks {
		tab.wear(l)
		for _, state := range states {
			tab.frame.must(state.enter, nil)
			tab.frame.must(settle, nil)
			tab.picture(l.name + "-" + state.name)
			tab.frame.must(state.leave, nil)
		}
	}
	tab.frame.must(element+`.classify('zzqqx vvkkj')`, nil)
	tab.wear(looks[0])
	tab.picture(looks[0].name + "-not-sure")
}

func (tab *tab) picture(name string) {
	tab.outer.t.Helper()
	got, err := chromedp.Call(tab.outer.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "png"})
	if err != nil {
		tab.outer.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(screenshots, name+".png"), got.Data, 0o666); err != nil {
		tab.outer.t.Fatal(err)
	}
}

// A reader without a mouse writes a note, picks another label, reads the card and the
// proof, and comes back.
func TestKeyboardAlone(t *testing.T) {
	tab := openReady(t, newServer(t))
	tab.outer.must(`document.querySelector('iframe').focus()`, nil)
	tab.tabTo(`#note`)
	for _, c := range "knee pain" {
		tab.key(string(c), string(c), 0)
	}
	tab.frame.wait(element + `.dataset.state === 'done'`)
	tab.tabTo(`#labels > li:nth-child(2) > button`)
	tab.key("Enter", "\r", 0)
	tab.frame.wait(shadow + `.querySelector('#labels > li:nth-child(2) > button').getAttribute('aria-pressed') === 'true'`)
	for _, dialog := range []string{"card", "proof"} {
		tab.tabTo(`#` + dialog + `-open`)
		tab.key("Enter", "\r", 0)
		tab.frame.wait(shadow + `.querySelector('dialog#` + dialog + `').open`)
		tab.key("Escape", "", 0)
		tab.frame.wait(`!` + shadow + `.querySelector('dialog#` + dialog + `').open`)
		tab.frame.wait(shadow + `.activeElement?.id === '` + dialog + `-open'`)
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// tabTo presses Tab until the element has the focus.
func (tab *tab) tabTo(selector string) {
	tab.frame.t.Helper()
	for range 60 {
		var there bool
		tab.frame.must(`Boolean(`+shadow+`.activeElement?.matches(`+quoted(selector)+`))`, &there)
		if there {
			return
		}
		tab.key("Tab", "", 9)
	}
	tab.frame.t.Fatalf("60 presses of Tab do not reach %s", selector)
}

// key presses and releases a key of the browser window.
func (tab *tab) key(key, text string, code int64) {
	tab.frame.t.Helper()
	codes := map[string]int64{"Enter": 13, "Escape": 27, "Tab": 9}
	if code == 0 {
		code = codes[key]
	}
	down := input.DispatchKeyEventParams{Type: "keyDown", Key: key, Text: text, WindowsVirtualKeyCode: code}
	up := input.DispatchKeyEventParams{Type: "keyUp", Key: key, WindowsVirtualKeyCode: code}
	for _, event := range []input.DispatchKeyEventParams{down, up} {
		if _, err := chromedp.Call(tab.frame.ctx, input.DispatchKeyEvent, event); err != nil {
			tab.frame.t.Fatal(err)
		}
	}
}
