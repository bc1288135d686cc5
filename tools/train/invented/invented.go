// Package invented makes up labelled notes for tests. No patient, clinic or corpus
// stands behind them: every note is drawn from the word lists below.
package invented

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Note is an invented note and its labels, the main one first.
type Note struct {
	Text   string
	Labels []string
}

// Separator stands between the labels of a cell in CSV.
const Separator = ";"

// Labels are the labels that notes are drawn from, sorted.
var Labels = []string{"Cardiology", "Dermatology", "Neurology", "Ophthalmology", "Orthopedics"}

// shares are how often each of Labels is the main one, in twentieths.
var shares = []int{7, 2, 5, 2, 4}

var findings = map[string][]string{
	"Cardiology":    strings.Fields("palpitations murmur angina edema troponin stent tachycardia ejection atrial orthopnea valve statin"),
	"Dermatology":   strings.Fields("rash plaque eczema pruritus nevus scaling erythema vesicles acne hydrocortisone lichen biopsy"),
	"Neurology":     strings.Fields("seizure tremor aphasia migraine gait reflexes neuropathy ataxia vertigo levetiracetam paresthesia stroke"),
	"Ophthalmology": strings.Fields("cataract retina glaucoma conjunctiva acuity floaters tonometry macula cornea drops photophobia fundus"),
	"Orthopedics":   strings.Fields("fracture knee cast meniscus shoulder cartilage splint hip sprain ligament arthroscopy femur"),
}

var common = strings.Fields("stable chronic mild moderate follow review medication daily exam history weeks family sleep appetite discussed plan advised return clinic visit")

var sentences = []string{
	"The patient reports %s and %s.", "Exam shows %s with %s today.", "No %s; some %s noted.",
	"We discussed %s, then %s.", "Plan: recheck %s and %s in 6 weeks.", "History of %s, less %s.",
}

// Notes draws n notes; about a third have a second label, and the same seed gives the
// same notes. Few are equal.
func Notes(n int, seed uint64) []Note {
	random := rand.New(rand.NewPCG(seed, 0x107e5))
	notes := make([]Note, n)
	for i := range notes {
		labels := []string{draw(random)}
		if second := draw(random); second != labels[0] && random.IntN(5) < 2 {
			labels = append(labels, second)
		}
		notes[i] = Note{text(random, labels), labels}
	}
	return notes
}

func draw(random *rand.Rand) string {
	at := random.IntN(20)
	for l, share := range shares {
		if at -= share; at < 0 {
			return Labels[l]
		}
	}
	panic("shares do not add up to 20")
}

func text(random *rand.Rand, labels []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d-year-old seen in clinic.", 20+random.IntN(70))
	for k := range 6 + random.IntN(5) {
		fmt.Fprintf(&b, " "+sentences[random.IntN(len(sentences))], word(random, labels[k%len(labels)]), word(random, labels[k%len(labels)]))
	}
	return b.String()
}

// word is a finding of the label, a common word, or, seldom, a finding of any label.
func word(random *rand.Rand, label string) string {
	switch chance := random.IntN(10); {
	case chance < 5:
		return common[random.IntN(len(common))]
	case chance < 7:
		label = Labels[random.IntN(len(Labels))]
	}
	return findings[label][random.IntN(len(findings[label]))]
}

// Single keeps the main label of each note.
func Single(notes []Note) []Note {
	out := make([]Note, len(notes))
	for i, n := range notes {
		out[i] = Note{n.Text, n.Labels[:1]}
	}
	return out
}

// CSV is the notes as a file with the columns note and label.
func CSV(notes []Note) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"note", "label"}) // a buffer takes every write
	for _, n := range notes {
		_ = w.Write([]string{n.Text, strings.Join(n.Labels, Separator)})
	}
	w.Flush()
	return b.Bytes()
}
