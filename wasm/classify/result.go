package classify

// Options choose what a classification reports. The zero value lists every label
// and explains none.
type Options struct {
	Explain  int    `json:"explain,omitempty"`  // explain the top labels, this many
	Labels   int    `json:"labels,omitempty"`   // list the top labels, this many, and every one that clears; 0 means all
	Features int    `json:"features,omitempty"` // n-grams, and sentences, listed for each of them; 0 means 24
	Offsets  string `json:"offsets,omitempty"`  // unit of spans: "utf8" (default) or "utf16"
}

// Result is the answer for one note.
type Result struct {
	Model        string        `json:"model"`
	Task         string        `json:"task"`
	Sure         bool          `json:"sure"`              // at least one label clears its threshold
	Reason       string        `json:"reason,omitempty"`  // why not sure: NoKnownTerms or BelowThresholds
	Terms        int           `json:"terms"`             // of the note that the model knows: distinct n-grams, an encoder's tokens, or both
	Tokens       int           `json:"tokens,omitempty"`  // an encoder's: tokens of the note, known or not
	Windows      int           `json:"windows,omitempty"` // an encoder's: windows in which it read them
	Labels       []Label       `json:"labels"`            // every label, or as many as were asked for, most probable first
	Known        int           `json:"known,omitempty"`   // how many labels the model has, where not all are listed
	Explanations []Explanation `json:"explanations,omitempty"`
	Unexplained  string        `json:"unexplained,omitempty"` // why there are none though asked for: UnexplainedEncoder
}

// features is how many are listed for a label.
func (o Options) features() int {
	if o.Features == 0 {
		return defaultFeatures
	}
	return o.Features
}

// Reasons for not being sure.
const (
	NoKnownTerms    = "no-known-terms"
	BelowThresholds = "below-thresholds"
)

// UnexplainedEncoder: encoders are explained by what they say without parts of the note,
// and this one has no two words, or none that the model knows.
const UnexplainedEncoder = "encoder"

// Label is one label's standing.
type Label struct {
	Index       int     `json:"index"` // position in the manifest's labels
	Name        string  `json:"name"`
	Logit       float64 `json:"logit"`
	Probability float64 `json:"probability"`
	Threshold   float64 `json:"threshold"`
	Clears      bool    `json:"clears"` // Probability >= Threshold and the note holds known terms
}

// Explanation takes a label's logit apart: Logit = Bias + the sum of the listed
// contributions + Rest. Contributions are listed by falling magnitude, and exact.
//
// A sentence contributes what the logit loses when it alone is taken out of the note. Such
// contributions do not add up as those of a linear model do: what sentences say together is
// lost with each of them, and Rest takes the difference. An encoder's Bias is 0, for what it
// would say of a note without text is in Rest too. A model of both lists n-grams of the linear
// head and sentences of the encoder, by what either adds to the sum.
type Explanation struct {
	Index    int       `json:"index"`
	Name     string    `json:"name"`
	Logit    float64   `json:"logit"`
	Bias     float64   `json:"bias"`
	Rest     float64   `json:"rest"`
	Features []Feature `json:"features"`
}

// Feature is one n-gram's contribution, from all blocks of words that know it, or one
// sentence's, and where it stands in the original note.
type Feature struct {
	Contribution float64  `json:"contribution"`
	Analyzer     string   `json:"analyzer"` // "word", "char_wb", "phrase" of a lexicon, or Sentence
	Count        int      `json:"count"`    // occurrences in the note
	Spans        [][2]int `json:"spans"`    // [start, end) of the first occurrences, in Options.Offsets units
}
