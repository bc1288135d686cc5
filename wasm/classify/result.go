package classify

// Options choose what a classification reports. The zero value lists every label
// and explains none.
type Options struct {
	Explain  int    `json:"explain,omitempty"`  // explain the top labels, this many
	Labels   int    `json:"labels,omitempty"`   // list the top labels, this many, and every one that clears; 0 means all
	Features int    `json:"features,omitempty"` // n-grams listed for each of them; 0 means 24
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

// Reasons for not being sure.
const (
	NoKnownTerms    = "no-known-terms"
	BelowThresholds = "below-thresholds"
)

// UnexplainedEncoder: encoders alone give no explanations yet.
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
// contributions + Rest. Contributions are exact, listed by falling magnitude. Of a model of
// both they are the linear head's; what the encoder adds is of the rest.
type Explanation struct {
	Index    int       `json:"index"`
	Name     string    `json:"name"`
	Logit    float64   `json:"logit"`
	Bias     float64   `json:"bias"`
	Rest     float64   `json:"rest"`
	Features []Feature `json:"features"`
}

// Feature is one n-gram's contribution, from all blocks of words that know it, and where it
// stands in the original note.
type Feature struct {
	Contribution float64  `json:"contribution"`
	Analyzer     string   `json:"analyzer"` // "word", "char_wb", or "phrase" of a lexicon
	Count        int      `json:"count"`    // occurrences in the note
	Spans        [][2]int `json:"spans"`    // [start, end) of the first occurrences, in Options.Offsets units
}
