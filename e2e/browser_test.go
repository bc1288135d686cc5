package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"bedside/wasm/classify"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// asThePage are the options the page classifies with.
var asThePage = classify.Options{Explain: 1, Offsets: "utf16"}

// shadow is what the element draws.
const shadow = element + `.shadowRoot`

func TestPageAnswersAsWazeroDoes(t *testing.T) {
	s, m := newServer(t), pageModel(t)
	tab := openReady(t, s)
	before := tab.settled(s)
	asked := tab.outer.asked() + tab.frame.asked()
	for _, n := range notes() {
		t.Run(n.name, func(t *testing.T) {
			defer tab.under(t)()
			want, err := m.Classify(t.Context(), n.text, asThePage)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "classify", tab.answer(n.text), want)
			tab.sameLabels(want)
			tab.marksLie(n.text, want)
		})
	}
	if late := s.since(before); len(late) > 0 {
		t.Errorf("requests after the page was ready: %v", late)
	}
	if now := tab.outer.asked() + tab.frame.asked(); now != asked {
		t.Errorf("%d requests of the browser after the page was ready", now-asked)
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// marksLie checks that every mark holds the text its offsets name and covers a span of
// the explanation.
func (tab *tab) marksLie(note string, want *classify.Result) {
	tab.frame.t.Helper()
	var marks []struct {
		Start, End int
		Text       string
	}
	tab.frame.must(`[...`+shadow+`.querySelectorAll('#reading mark')].map(m => ({start: +m.dataset.start, end: +m.dataset.end, text: m.textContent}))`, &marks)
	units := utf16.Encode([]rune(note))
	if len(want.Explanations) == 0 {
		tab.frame.t.Fatal("wazero explains nothing")
	}
	spans := 0
	inside := make([]bool, len(units))
	for _, f := range want.Explanations[0].Features {
		for _, span := range f.Spans {
			spans++
			for i := span[0]; i < span[1]; i++ {
				inside[i] = true
			}
		}
	}
	if (spans > 0) != (len(marks) > 0) {
		tab.frame.t.Errorf("%d marks for %d spans", len(marks), spans)
	}
	for _, m := range marks {
		if m.Start < 0 || m.End > len(units) || m.Start >= m.End {
			tab.frame.t.Fatalf("mark %+v lies outside the note of %d units", m, len(units))
		}
		// A NUL or a surrogate cut in two cannot be read back from the DOM as it was.
		if text := string(utf16.Decode(units[m.Start:m.End])); text != m.Text && !strings.ContainsAny(text, "\x00\r\ufffd") {
			tab.frame.t.Errorf("the mark at %d to %d holds %q, the note %q", m.Start, m.End, m.Text, text)
		}
		if slices.Contains(inside[m.Start:m.End], false) {
			tab.frame.t.Errorf("the mark at %d to %d covers text no span names", m.Start, m.End)
		}
	}
}

func TestTypedNoteIsClassified(t *testing.T) {
	s, m := newServer(t), pageModel(t)
	tab := openReady(t, s)
	const typed = "Left knee pain after a fall, MRI shows a torn meniscus."
	tab.frame.must(shadow+`.querySelector('#note').focus()`, nil)
	for _, c := range typed {
		tab.insert(string(c))
	}
	tab.frame.wait(shadow + `.querySelector('#note').value === ` + quoted(typed))
	tab.frame.wait(element + `.dataset.state === 'done'`)
	want, err := m.Classify(t.Context(), typed, asThePage)
	if err != nil {
		t.Fatal(err)
	}
	tab.frame.wait(fmt.Sprintf(shadow+`.querySelector('#labels > li')?.dataset.probability === String(%v)`, want.Labels[0].Probability))
	tab.sameLabels(want)
	tab.outer.quiet()
	tab.frame.quiet()
}

// insert types text where the focus is.
func (tab *tab) insert(text string) {
	tab.frame.t.Helper()
	if _, err := chromedp.Call(tab.frame.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		tab.frame.t.Fatal(err)
	}
}

// unplug cuts the browser's network for both documents.
func (tab *tab) unplug() {
	tab.outer.t.Helper()
	for _, d := range []*document{tab.outer, tab.frame} {
		_, err := chromedp.Call(d.ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{Offline: true, DownloadThroughput: -1, UploadThroughput: -1}},
		})
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

func TestPageWorksWithoutNetwork(t *testing.T) {
	s, m := newServer(t), pageModel(t)
	tab := openReady(t, s)
	before := tab.settled(s)
	tab.unplug()
	s.stop()
	const text = "Cough and fever for four days, crackles at the right base, chest film shows an infiltrate."
	want, err := m.Classify(t.Context(), text, asThePage)
	if err != nil {
		t.Fatal(err)
	}
	tab.write(text)
	tab.sameLabels(want)
	same(t, "unplugged", tab.answer(text), want)
	if late := s.since(before); len(late) > 0 {
		t.Errorf("requests: %v", late)
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

func TestSecondVisitNeedsNoServer(t *testing.T) {
	s, m := newServer(t), pageModel(t)
	tab := openReady(t, s)
	tab.settled(s)
	var stored string
	tab.outer.must(`document.documentElement.dataset.offline`, &stored)
	if stored != "stored" {
		t.Fatalf("offline storage is %q", stored)
	}
	s.stop()
	tab.reload()
	const text = "Colonoscopy to the cecum, two polyps removed with a snare."
	want, err := m.Classify(t.Context(), text, asThePage)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "after an offline reload", tab.answer(text), want)
	tab.frame.quiet()
}

// reload loads the page again and waits until it can classify.
func (tab *tab) reload() {
	tab.outer.t.Helper()
	old := chromedp.FromContext(tab.frame.ctx).Target.TargetID
	if _, err := chromedp.Call(tab.outer.ctx, page.Reload, page.ReloadParams{}); err != nil {
		tab.outer.t.Fatal(err)
	}
	tab.findOther(old)
	tab.ready()
}

func TestExampleOpensWithItsResult(t *testing.T) {
	tab := openTab(t, newServer(t).url()+"#example")
	tab.frame.wait(element + `?.dataset.state === 'done'`)
	if len(tab.labels()) == 0 {
		t.Error("no labels")
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// TestPickingAModel picks every shipped model in turn: each loads and answers its own question.
func TestPickingAModel(t *testing.T) {
	const cardiac = "Chest pain with exertion. Echocardiogram and cardiac catheterization."
	const allergic = "Doctor: Are you allergic to any medicine?\nPatient: Yes, penicillin gives me hives."
	tab := openTab(t, newServer(t).url())
	tab.ready()
	for i, c := range []struct{ name, note, label string }{
		{"specialty", cardiac, "Cardiovascular / Pulmonary"},
		{"section-mix", allergic, "ALLERGY"},
		{"section", allergic, "ALLERGY"},
		{"category", "Chronic heart failure with atrial fibrillation and severe aortic stenosis.", "Cardiovascular"},
		{"icd10", "She came with vomiting; no other complaint.", "R11.10 Vomiting, unspecified"},
		{"icd10-all", "The smear showed acute brucellosis.", "A23.9 Brucellosis, unspecified"},
		{"specialty-encoder", cardiac, "Cardiovascular / Pulmonary"},
		{"section-encoder", allergic, "ALLERGY"},
	} {
		name := tab.take(i)
		tab.write(c.note)
		if got := tab.labels(); name != c.name || len(got) == 0 || got[0].Label != c.label {
			t.Errorf("model %d, %q, says %v, want %q of %q", i, name, got, c.label, c.name)
		}
		if name != "icd10-all" {
			continue
		}
		var more string // of its thousands of labels
		if tab.frame.must(shadow+`.querySelector('#all').textContent.trim()`, &more); more != "Show the first 100" {
			t.Errorf("the button to more labels says %q", more)
		}
	}
	tab.outer.quiet()
	tab.frame.quiet()
}

// take has the page take another of its models, and gives its name.
func (tab *tab) take(model int) (name string) {
	tab.frame.t.Helper()
	tab.frame.must(`(() => {
		const picker = `+shadow+`.querySelector('#model')
		picker.value = '`+strconv.Itoa(model)+`'
		picker.dispatchEvent(new Event('change', {bubbles: true, composed: true}))
		return `+element+`.engine.models[`+strconv.Itoa(model)+`].name
	})()`, &name)
	tab.ready()
	tab.frame.wait(element + `.engine.models[` + strconv.Itoa(model) + `].state === 'ready'`)
	return name
}

func TestTwoTabsAtOnce(t *testing.T) {
	s, m := newServer(t), pageModel(t)
	first := openTab(t, s.url())
	second := &tab{outer: attach(t, first.outer.ctx)} // in the same profile
	second.outer.open(s.url())
	second.find()
	tabs := []*tab{first, second}
	for _, tab := range tabs {
		tab.ready()
	}
	wants := make([]*classify.Result, 40)
	for i := range wants {
		var err error
		if wants[i], err = m.Classify(t.Context(), varied(i, 800), asThePage); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	for i, tab := range tabs {
		group.Go(func() {
			for j := i; j < len(wants); j += 2 {
				same(t, fmt.Sprintf("tab %d note %d", i, j), tab.answer(varied(j, 800)), wants[j])
			}
		})
	}
	group.Wait()
	for _, tab := range tabs {
		tab.outer.quiet()
		tab.frame.quiet()
	}
}

// failure waits until the page says what went wrong, and gives its words.
func (d *document) failure() string {
	d.t.Helper()
	d.wait(`document.querySelector('#failure button') && document.querySelector('#failure').innerText.trim()`)
	var said string
	d.must(`document.querySelector('#failure').innerText`, &said)
	return strings.Join(strings.Fields(said), " ")
}

func TestSpoiledShardIsToldAndRetried(t *testing.T) {
	sound := siteFile(t, release(t).Models[0].Shards[0].URL)
	whole := func(change func([]byte) []byte) http.HandlerFunc {
		spoiled := change(slices.Clone(sound))
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
			w.Write(spoiled)
		}
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		said   string
	}{
		{"bit flipped", whole(func(b []byte) []byte { b[len(b)/3] ^= 16; return b }), "SHA-256"},
		{"truncated", whole(func(b []byte) []byte { return b[:len(b)/2] }), "ended after"},
		{"too long", whole(func(b []byte) []byte { return append(b, 0) }), "longer"},
		{"swapped for the manifest", whole(func([]byte) []byte { return siteFile(t, release(t).Models[0].Manifest.URL) }), "ended after"},
		{"missing", http.NotFound, "404"},
		{"connection cut in the middle", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(sound)))
			w.Write(sound[:len(sound)/2])
			w.(http.Flusher).Flush()
			time.Sleep(50 * time.Millisecond)
			panic(http.ErrAbortHandler)
		}, "stopped answering"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			s.answer(".shard", test.answer)
			tab := openTab(t, s.url())
			if said := tab.outer.failure(); !strings.Contains(said, test.said) {
				t.Errorf("the page says %q, want %q in it", said, test.said)
			} else {
				t.Log(said)
			}
			s.answer("", nil)
			tab.outer.must(`document.querySelector('#failure button').click()`, nil)
			tab.ready()
			tab.write("Chest pain.")
			tab.frame.quiet()
		})
	}
}

func TestServerThatDiesWhileLoading(t *testing.T) {
	s := newServer(t)
	reached, died := make(chan struct{}, 8), make(chan struct{})
	s.answer(".wasm", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3000000")
		w.Write(make([]byte, 100_000))
		w.(http.Flusher).Flush()
		reached <- struct{}{}
		<-died
		panic(http.ErrAbortHandler)
	})
	tab := &tab{outer: newDocument(t)}
	tab.outer.open(s.url())
	<-reached
	s.stop()
	close(died)
	if said := tab.outer.failure(); !strings.Contains(said, "stopped answering") {
		t.Errorf("the page says %q", said)
	}
	// Still dead: the page says so again.
	tab.outer.must(`document.querySelector('#failure button').click()`, nil)
	tab.outer.failure()
	s.answer("", nil)
	s.start()
	tab.outer.must(`document.querySelector('#failure button').click()`, nil)
	tab.find()
	tab.ready()
	tab.write("Chest pain.")
	tab.frame.quiet()
}

func siteFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(distDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStorageRefused(t *testing.T) {
	for name, script := range map[string]string{
		"no service workers": `delete Navigator.prototype.serviceWorker`,
		"no caches":          `delete globalThis.caches`,
		"caches throw":       `CacheStorage.prototype.open = () => Promise.reject(new DOMException('refused', 'SecurityError'))`,
		"quota reached":      `Cache.prototype.put = () => Promise.reject(new DOMException('full', 'QuotaExceededError'))`,
	} {
		t.Run(name, func(t *testing.T) {
			tab := &tab{outer: newDocument(t)}
			_, err := chromedp.Call(tab.outer.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
			if err != nil {
				t.Fatal(err)
			}
			tab.outer.open(newServer(t).url())
			tab.find()
			tab.ready()
			tab.write("Chest pain.")
			tab.outer.wait(`['refused', 'unsupported'].includes(document.documentElement.dataset.offline)`)
			tab.outer.quiet()
			tab.frame.quiet()
		})
	}
}

func TestOddNotesInThePage(t *testing.T) {
	s := newServer(t)
	tab := openReady(t, s)
	big := strings.Repeat("chest pain and fever, ", 10<<20/22)
	for _, test := range []struct{ name, expression string }{
		{"lone surrogates", `'knee \ud83d pain \ude00 \udfff\ud800'`},
		{"NUL", `'fever\0cough\0'`},
		{"10 MB", `'` + big[:22] + `'.repeat(` + fmt.Sprint(10<<20/22) + `)`},
		{"line separators", `'back\u2028pain\u2029fever\r\ncough\r'`},
	} {
		var terms int
		tab.frame.must(element+`.classify(`+test.expression+`).then(({result}) => result.terms)`, &terms)
		if terms == 0 {
			t.Errorf("%s: no known terms", test.name)
		}
		if len(tab.labels()) == 0 {
			t.Errorf("%s: no labels on the page", test.name)
		}
	}
	for _, test := range []struct{ name, expression, code string }{
		{"empty", `''`, "empty-note"},
		{"blank", `' \n\t\u2003'`, "empty-note"},
		{"too large", `'a '.repeat(9 << 20)`, "note-too-large"},
	} {
		var code string
		tab.frame.must(element+`.classify(`+test.expression+`).then(() => 'answered', (error) => String(error.code))`, &code)
		if code != test.code {
			t.Errorf("%s: %q, want %q", test.name, code, test.code)
		}
	}
	tab.write("Chest pain.")
	tab.outer.quiet()
	tab.frame.quiet()
}

func TestFilesInThePage(t *testing.T) {
	s := newServer(t)
	tab := openReady(t, s)
	dir := t.TempDir()
	give := func(name string, contents []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, contents, 0o600); err != nil {
			t.Fatal(err)
		}
		tab.choose(path)
	}
	give("note.txt", []byte("Knee pain after a fall."))
	tab.frame.wait(shadow + `.querySelector('#note').value === 'Knee pain after a fall.'`)
	tab.frame.wait(element + `.dataset.state === 'done'`)
	for name, contents := range map[string][]byte{
		"binary.txt": {0, 1, 2, 3, 0, 255, 254, 0, 9},
		"image.png":  []byte("\x89PNG\r\n\x1a\n0000"),
		"scan.pdf":   []byte("%PDF-1.7\n"),
		"empty.txt":  {},
		"huge.txt":   make([]byte, 17<<20),
	} {
		give(name, contents)
		tab.frame.wait(shadow + `.querySelector('[role=alert]')?.innerText.trim()`)
		var value string
		tab.frame.must(shadow+`.querySelector('#note').value`, &value)
		if value != "Knee pain after a fall." {
			t.Errorf("%s changed the note to %q", name, brief(value))
		}
		tab.write("Knee pain after a fall.")
	}
	tab.frame.quiet()
}

// choose puts a file into the page's file field.
func (tab *tab) choose(path string) {
	tab.frame.t.Helper()
	no := false
	field, err := chromedp.Call(tab.frame.ctx, runtime.Evaluate, runtime.EvaluateParams{
		Expression: shadow + `.querySelector('input[type=file]')`, ReturnByValue: &no,
	})
	if err != nil || field.Result == nil || field.Result.ObjectID == "" {
		tab.frame.t.Fatalf("no field for files: %v", err)
	}
	if err := setFiles(tab.frame, field.Result.ObjectID, path); err != nil {
		tab.frame.t.Fatal(err)
	}
}
