package train

import (
	"fmt"
	"slices"
	"strings"

	"bedside/weights"
)

// FeatureSet is a named choice of feature blocks.
type FeatureSet struct {
	Name    string
	Blocks  []Block
	Lexicon bool // phrases that speak for labels, beside the blocks or alone
}

// Text is the preparation that every feature set shares.
var Text = weights.Text{Lowercase: true, StripAccents: "unicode"}

// Features are the feature sets that can be asked for by name.
func Features() []FeatureSet {
	notebook := Block{
		Block: weights.Block{Analyzer: weights.Word, MinN: 1, MaxN: 2, StopWords: "english", Norm: "l2"},
		MinDF: 5, MaxDF: 0.8,
	}
	word := notebook
	word.SublinearTF, word.MinDF = true, 3
	char := Block{
		Block: weights.Block{Analyzer: weights.CharWB, MinN: 3, MaxN: 5, SublinearTF: true, Norm: "l2"},
		MinDF: 10, MaxDF: 0.8,
	}
	frequent := word
	frequent.MinDF = 5
	// In talk, words such as "you" and "had" tell questions apart; little text wants rare n-grams.
	phrase := word
	phrase.StopWords, phrase.MinDF, phrase.MaxDF = "", 2, 1
	rare, rareChar := word, char
	rare.MinDF, rareChar.MinDF, rareChar.MaxDF = 2, 3, 1
	return []FeatureSet{
		{"notebook", []Block{notebook}, false},
		{"word", []Block{word}, false},
		{"char", []Block{char}, false},
		{"word+char", []Block{frequent, char}, false},
		{"rare", []Block{rare}, false},
		{"rare+char", []Block{rare, rareChar}, false},
		{"phrase", []Block{phrase}, false},
		{"phrase+char", []Block{phrase, rareChar}, false},
		{"lexicon", nil, true},
		{"lexicon+rare+char", []Block{rare, rareChar}, true},
	}
}

// FindFeatures looks feature sets up by name.
func FindFeatures(names []string) ([]FeatureSet, error) {
	all := Features()
	var found []FeatureSet
	for _, name := range names {
		i := slices.IndexFunc(all, func(f FeatureSet) bool { return f.Name == name })
		if i < 0 {
			var known []string
			for _, f := range all {
				known = append(known, f.Name)
			}
			return nil, fmt.Errorf("features %q: want one of %s", name, strings.Join(known, ", "))
		}
		found = append(found, all[i])
	}
	return found, nil
}
