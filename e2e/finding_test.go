package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"
)

// holding has the engine answer no note until `release()` is called in the frame, nor ever
// after `refuse()`; `asked` counts the notes.
const holding = `globalThis.asked = 0
	{
		const engine = ` + element + `.engine, classify = engine.classify.bind(engine)
		const held = new Promise((release, refuse) => Object.assign(globalThis, { release, refuse: () => refuse(new Error('a test')) }))
		engine.classify = (...given) => { asked++; return held.then(() => classify(...given)) }
	}
	0`

// chooses clicks on labels by their rank, all at once.
func (tab *tab) chooses(ranks ...int) {
	tab.frame.t.Helper()
	for _, rank := range ranks {
		tab.frame.must(fmt.Sprintf(`%s.querySelector('#labels > li:nth-child(%d) > button').click()`, shadow, rank), nil)
	}
}

// manyLabels shows the evidence of a model with more labels than are explained at once.
func manyLabels(t *testing.T) *tab {
	m, tensors := invented.Model(invented.Tiny(), weights.MultiLabel, strings.Split("abcdefghijklmnop", ""), 7)
	dir := filepath.Join(t.TempDir(), "model")
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	tab := openReady(t, encoderServer(t, dir))
	tab.write(parted)
	tab.evidence()
	tab.frame.must(`void `+shadow+`.querySelector('#all')?.click(); 0`, nil)
	tab.frame.must(settle, nil)
	return tab
}

// Who leafs through labels waits for the evidence of one of them, not of each.
func TestLeafingThroughLabels(t *testing.T) {
	tab := manyLabels(t)
	tab.frame.must(holding, nil)
	tab.chooses(9, 10, 12, 11, 13)
	tab.frame.must(`release(); 0`, nil)
	var name string
	tab.frame.must(shadow+`.querySelector('#labels > li:nth-child(13)').dataset.label`, &name)
	tab.frame.wait(shadow + `.querySelector('#why em')?.textContent === ` + quoted(name))
	tab.evidence()
	var asked int
	tab.frame.must(`asked`, &asked)
	if asked != 2 {
		t.Errorf("the note was read %d times, want one for the first label and one for the last", asked)
	}
	tab.frame.quiet()
}

// Evidence that is there stays, whatever becomes of the search for more.
func TestEvidenceThatCannotBeFound(t *testing.T) {
	tab := manyLabels(t)
	tab.frame.must(axe(t), nil)
	tab.frame.must(holding, nil)
	tab.chooses(13)
	tab.frame.wait(shadow + `.querySelector('progress#finding')`)
	tab.frame.violations("finding")
	tab.chooses(1)
	tab.frame.wait(shadow + `.querySelector('#reading')`)
	tab.chooses(13)
	tab.frame.must(`refuse(); 0`, nil)
	tab.frame.wait(element + `.dataset.evidence === 'failed'`)
	tab.frame.wait(shadow + `.querySelector('.why')?.textContent.includes('could not be found')`)
	tab.frame.wait(shadow + `.querySelector('[role=status].hidden').textContent.includes('could not be found')`)
	tab.frame.violations("not found")
	tab.chooses(1)
	tab.frame.wait(shadow + `.querySelector('#reading')`)
	tab.frame.quiet()
}

// A note that is gone is not searched.
func TestNoEvidenceOfNoNote(t *testing.T) {
	tab := manyLabels(t)
	tab.frame.must(holding, nil)
	tab.chooses(13)
	tab.frame.wait(element + `.dataset.evidence === 'finding'`)
	tab.frame.must(shadow+`.querySelector('#clear').click()`, nil)
	tab.frame.wait(element + `.dataset.state === 'ready'`)
	var evidence string
	tab.frame.must(element+`.dataset.evidence ?? ''`, &evidence)
	if evidence != "" {
		t.Errorf("an empty field has its evidence %q", evidence)
	}
	tab.frame.quiet()
}

// A note of which the model knows nothing is not called short.
func TestNoEvidenceInUnknownWords(t *testing.T) {
	tab := openReady(t, encoderServer(t, encoderBundle(t, invented.Tiny())))
	tab.write(strings.Repeat("患者。胸痛。", 50))
	tab.frame.wait(shadow + `.querySelector('#not-sure')?.textContent.includes('no words')`)
	tab.frame.wait(`!` + element + `.dataset.evidence`)
	var why string
	tab.frame.must(shadow+`.querySelector('.why')?.textContent ?? ''`, &why)
	if why != "" {
		t.Errorf("beside a long note stands %q", why)
	}
	tab.frame.quiet()
}
