package train

import (
	"bytes"
	"math"
	"strings"

	"bedside/wasm/text"
	"bedside/wasm/tfidf"
)

// titles are the telling words of labels' names: those of "I10 Essential (primary)
// hypertension" are i10, essential, primary and hypertension.
type titles struct {
	words  [][][]byte // per label
	weight [][]float64
}

// generic words of code titles tell no label from another.
var generic = func() map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields("unspecified other not elsewhere classified specified without due type site organism disease disorder initial encounter subsequent sequela") {
		out[w] = true
	}
	return out
}()

func newTitles(labels []string) *titles {
	t := &titles{}
	a := tfidf.NewAnalyzer(PhraseBlock.Block, 0)
	var n text.Normalized
	labelsWith := map[string]int{}
	for _, label := range labels {
		tfidf.Normalizer(Text).Normalize(&n, label)
		var words [][]byte
		seen := map[string]bool{}
		a.Each(n.Bytes, func(g tfidf.Gram) {
			word := string(a.AppendText(nil, n.Bytes, g))
			if strings.Contains(word, " ") || generic[word] || seen[word] {
				return
			}
			seen[word] = true
			labelsWith[word]++
			words = append(words, []byte(word))
		})
		t.words = append(t.words, words)
	}
	for _, words := range t.words {
		weight := make([]float64, len(words))
		for k, w := range words {
			weight[k] = math.Log(float64(len(labels))/float64(labelsWith[string(w)])) + 0.5
		}
		t.weight = append(t.weight, weight)
	}
	return t
}

// overlap says what share of a phrase's words stand in the label's title, and what share of
// the title, rare words weighing more, stands in the phrase.
func (t *titles) overlap(phrase [][]byte, label int) (in, of float64) {
	title, weight := t.words[label], t.weight[label]
	var met uint64 // words of the title
	found := 0
	for _, p := range phrase {
		hit := false
		for k, w := range title {
			if akin(p, w) {
				hit, met = true, met|1<<min(k, 63)
			}
		}
		if hit {
			found++
		}
	}
	if found == 0 {
		return 0, 0
	}
	all := 0.0
	for k, w := range weight {
		all += w
		if met>>min(k, 63)&1 == 1 {
			of += w
		}
	}
	return float64(found) / float64(len(phrase)), of / all
}

// akin says that two words are equal or begin alike, as "anemia" and "anemic".
func akin(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n >= 5 || n == 4 && n >= min(len(a), len(b))-1
}

func splitAll(spelling [][]byte) [][][]byte {
	out := make([][][]byte, len(spelling))
	for i, s := range spelling {
		out[i] = bytes.Split(s, []byte{' '})
	}
	return out
}
