package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights/bundle"
)

// evidence is what the page shows of an explanation.
type evidence struct {
	Title string
	Marks []struct {
		Start, End int
		Text       string
		Class      string
	}
	Contributions []float64
}

func (tab *tab) evidence() (shown evidence) {
	tab.frame.t.Helper()
	tab.frame.wait(element + `.dataset.evidence === 'shown'`)
	tab.frame.must(`(() => {
		const root = `+shadow+`
		return {
			title: root.querySelector('#why').textContent,
			marks: [...root.querySelectorAll('#reading mark')].map((m) => ({start: +m.dataset.start, end: +m.dataset.end, text: m.textContent, class: m.className})),
			contributions: [...root.querySelectorAll('#features tr')].filter((r) => r.dataset.contribution).map((r) => +r.dataset.contribution),
		}
	})()`, &shown)
	return shown
}

// labelsAlone has the page ask for no evidence, where a test counts or times what is computed.
func (tab *tab) labelsAlone() {
	tab.frame.t.Helper()
	tab.frame.must(element+`.find = async () => {}; 0`, nil)
}

const parted = "No fever 😀. Mild cough, no chest pain; the left knee is well. Pain of the right knee! Fever?"

// Sentences are marked where they stand, with what the module says they contribute, on
// every device.
func TestSentencesAreTheEvidence(t *testing.T) {
	dir := encoderBundle(t, invented.Tiny())
	native, s := nativeEncoder(t, dir), encoderServer(t, dir)
	asked := asThePage
	asked.Explain = len(letters)
	for _, query := range []string{"?device=reference", "?device=simd-plain&threads=1", "?threads=2", "?device=webgpu"} {
		tab := openOnGPU(t, s.url()+query)
		tab.ready()
		for _, note := range []string{"chest pain", long(4), parted} {
			want, err := native.Classify(note, asked)
			if err != nil {
				t.Fatal(err)
			}
			tab.write(note)
			tab.explains(query, want.Explanations[0])
			if note != parted {
				continue
			}
			tab.frame.must(shadow+`.querySelector('#labels > li:nth-child(3) > button').click()`, nil)
			tab.explains(query+", third label", want.Explanations[2])
		}
		tab.outer.quiet()
		tab.frame.quiet()
	}
}

// explains holds the evidence to an explanation.
func (tab *tab) explains(what string, want classify.Explanation) {
	tab.frame.t.Helper()
	tab.frame.wait(shadow + `.querySelector('#why em')?.textContent === ` + quoted(want.Name))
	got := tab.evidence()
	if got.Title != "Sentences that led to "+want.Name {
		tab.frame.t.Errorf("%s: %q, want label %s", what, got.Title, want.Name)
	}
	listed := want.Features[:min(len(want.Features), 12)]
	if len(got.Contributions) != len(listed) {
		tab.frame.t.Fatalf("%s: %d sentences are listed, want %d", what, len(got.Contributions), len(listed))
	}
	for i, f := range listed {
		if d := math.Abs(got.Contributions[i] - f.Contribution); !(d < 1e-3) {
			tab.frame.t.Errorf("%s: sentence %d contributes %g, want %g", what, i, got.Contributions[i], f.Contribution)
		}
	}
	strongest := listed[0]
	side := "for"
	if strongest.Contribution < 0 {
		side = "against"
	}
	for _, m := range got.Marks {
		if m.Start == strongest.Spans[0][0] && strings.HasPrefix(m.Class, side) && strings.HasSuffix(m.Class, "level4") {
			return
		}
	}
	tab.frame.t.Errorf("%s: no mark at %v of the strongest sentence among %v", what, strongest.Spans[0], got.Marks)
}

// The sentence that decides is the one that a reader sees.
func TestTheSentenceThatDecides(t *testing.T) {
	m, tensors := invented.Deciding("fever", letters)
	dir := filepath.Join(t.TempDir(), "model")
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	tab := openReady(t, encoderServer(t, dir))
	tab.write("😀 Chest pain and cough. The left knee. High fever! No cough. Mild pain of the knee.")
	for _, m := range tab.evidence().Marks {
		if strings.HasPrefix(m.Class, "for") != (m.Text == "High fever!") {
			t.Errorf("%q is marked %q", m.Text, m.Class)
		}
	}
	tab.frame.quiet()
}

// A sentence longer than what the page shows of a note is marked where it begins.
func TestSentenceLongerThanThePageShows(t *testing.T) {
	m, tensors := invented.Deciding("fever", letters)
	dir := filepath.Join(t.TempDir(), "model")
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	tab := openReady(t, encoderServer(t, dir))
	note := "No cough. High fever " + strings.Repeat("x", 30_000) + ". Mild pain."
	tab.write(note)
	begins := false
	for _, m := range tab.evidence().Marks {
		if m.Text != note[m.Start:m.End] {
			t.Errorf("from %d to %d %d characters are marked", m.Start, m.End, len(m.Text))
		}
		begins = begins || strings.HasPrefix(m.Text, "High fever ") && strings.HasPrefix(m.Class, "for")
	}
	if !begins {
		t.Error("the sentence that decides is not marked")
	}
	tab.frame.quiet()
}

// Labels do not wait for the evidence, and a later note does not wait for that of the one before.
func TestEvidenceComesAfterLabelsAndGivesWay(t *testing.T) {
	if err := os.MkdirAll(screenshots, 0o777); err != nil {
		t.Fatal(err)
	}
	s := encoderServer(t, encoderBundle(t, large()))
	tab := openTab(t, s.url()+"?device=reference")
	tab.frame.patiently(element + `?.dataset.state === 'ready'`)
	var answered struct {
		Explained bool
		Evidence  string
	}
	tab.frame.must(element+`.classify(`+quoted(parted)+`).then(({result}) => ({
		explained: 'explanations' in result, evidence: `+element+`.dataset.evidence}))`, &answered)
	if answered.Explained || answered.Evidence != "finding" {
		t.Errorf("the labels come with %+v", answered)
	}
	for _, l := range looks[:2] {
		tab.wear(l)
		tab.write(parted + " " + l.name)
		tab.frame.wait(shadow + `.querySelector('progress#finding')?.value > 0`)
		tab.picture("encoder-" + l.name + "-finding")
	}
	var waited float64
	tab.frame.must(`(async () => {
		const begun = performance.now()
		await `+element+`.classify('knee')
		return performance.now() - begun
	})()`, &waited)
	t.Logf("the next note waited %.0f ms", waited)
	if waited > 5000 {
		t.Errorf("the next note waited %.0f ms", waited)
	}
	tab.frame.wait(shadow + `.querySelector('.why')?.textContent.includes('too short')`)
	tab.frame.wait(`!` + element + `.dataset.evidence`)
	// A reader hears of the evidence once it is there.
	tab.write("mild cough. no fever")
	tab.evidence()
	tab.frame.wait(fmt.Sprintf(`%s.querySelector('[role=status].hidden').textContent.endsWith(%q)`, shadow, "The sentences that matter are marked."))
	tab.outer.quiet()
	tab.frame.quiet()
}
