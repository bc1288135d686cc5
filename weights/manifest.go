// Package weights reads and writes bundles: a directory with a manifest.json and
// the shards of one safetensors stream.
//
// The manifest says what the model answers, how it reads text, and where every
// tensor lies; the shards carry the numbers. Concatenating the shards gives a file
// that standard safetensors tools open. A bundle is treated as hostile: every size
// is bounded before it is allocated and every offset is checked.
package weights

// Format and Version identify the only bundle layout this package reads.
const (
	Format  = "bedside-bundle"
	Version = 1
)

// Task kinds.
const (
	MultiClass = "multi-class" // exactly one label is right; probabilities sum to 1
	MultiLabel = "multi-label" // any number of labels is right; probabilities are independent
)

// Dialogue takes a conversation's form away: NFKC, speaker tags out, white space folded.
const Dialogue = "dialogue"

// Analyzers of a TF-IDF block, named as in scikit-learn.
const (
	Word   = "word"
	CharWB = "char_wb"
)

// Phrase is the analyzer of a lexicon: words without plurals, function words left out,
// joined within a sentence.
const Phrase = "phrase"

// Manifest describes a bundle.
type Manifest struct {
	Format  string `json:"format"`
	Version int    `json:"version"`

	Name     string `json:"name"`     // directory-safe identifier: a-z, 0-9 and hyphens
	Title    string `json:"title"`    // what a person calls the model
	Question string `json:"question"` // what the model answers about a note

	Task        Task        `json:"task"`
	Text        Text        `json:"text,omitzero"`
	TFIDF       *TFIDF      `json:"tfidf,omitempty"`
	Lexicon     *Lexicon    `json:"lexicon,omitempty"` // beside tfidf, or instead of it
	Linear      *Linear     `json:"linear,omitempty"`
	Encoder     *Encoder    `json:"encoder,omitempty"` // instead of all these, or beside a linear head
	Mix         *Mix        `json:"mix,omitempty"`     // where encoder stands beside linear, and there alone
	Calibration Calibration `json:"calibration"`
	Thresholds  []float64   `json:"thresholds"` // per label: the probability from which the label is asserted

	Card Card `json:"card"`

	Tensors []Tensor `json:"tensors"`
	Shards  []Shard  `json:"shards"`
}

// Task is the question's form.
type Task struct {
	Kind   string   `json:"kind"`
	Labels []string `json:"labels"`
}

// Text is the preparation every feature block shares, with scikit-learn's meanings.
type Text struct {
	Prepare      string `json:"prepare,omitempty"` // Dialogue, before anything else; or ""
	Lowercase    bool   `json:"lowercase"`
	StripAccents string `json:"strip_accents"` // "unicode" or ""
}

// TFIDF describes the feature blocks; their columns are concatenated in order.
type TFIDF struct {
	Blocks []Block `json:"blocks"`
}

// Block is one TfidfVectorizer. Its tensors are tfidf.N.keys (U64, ascending) and
// tfidf.N.idf (F32), N being the block's position.
type Block struct {
	Analyzer    string `json:"analyzer"`
	MinN        int    `json:"min_n"`
	MaxN        int    `json:"max_n"`
	StopWords   string `json:"stop_words"` // "english" or ""; words only
	SublinearTF bool   `json:"sublinear_tf"`
	Norm        string `json:"norm"` // "l2" or ""
	Terms       int    `json:"terms"`
}

// Lexicon knows phrases that speak for concepts, each with a level from 1 to 255. A
// concept's value is Unit times the highest level among its phrases in the note, and 0
// without one. Beside tfidf, the values are the last columns of the linear head; alone,
// the concepts are the labels, and logit[l] = bias[l] + scale[l]*value[l].
//
// Its tensors are lexicon.keys (U64, ascending, a phrase each), lexicon.ends (I32, per
// phrase, where its entries end), lexicon.concepts (I32) and lexicon.levels (U8), an entry
// each, the entries of a phrase by ascending concept.
type Lexicon struct {
	MaxN     int     `json:"max_n"` // words of a phrase
	Phrases  int     `json:"phrases"`
	Entries  int     `json:"entries"`
	Concepts int     `json:"concepts"`
	Unit     float64 `json:"unit"`
}

// Block is the lexicon's analyzer as a feature block; its position among them is
// LexiconPosition.
func (x *Lexicon) Block() Block {
	return Block{Analyzer: Phrase, MinN: 1, MaxN: x.MaxN, Terms: x.Phrases}
}

// LexiconPosition seeds the keys of phrases, apart from those of every block.
const LexiconPosition = MaxBlocks

// Linear describes the head: logits[l] = bias[l] + scale[l] * sum over terms t of
// x[t] * weight[t][l]. Tensors: linear.weight (I8, or F32 where scale is all ones;
// shape [terms, labels]), linear.scale and linear.bias (F32, [labels]).
type Linear struct {
	Family string  `json:"family"` // "lr" or "svm", for the card
	C      float64 `json:"c"`      // inverse regularization strength, for the card
}

// Encoder describes a BERT-family encoder with a dense head, the shape in the words of
// Hugging Face's config.json. Its tensors are listed in encoder.go.
type Encoder struct {
	Architecture string    `json:"architecture"` // "bert"
	Layers       int       `json:"layers"`
	Hidden       int       `json:"hidden"`
	Heads        int       `json:"heads"`
	Intermediate int       `json:"intermediate"`
	Activation   string    `json:"activation"` // "gelu", "gelu_tanh" or "relu"
	Epsilon      float64   `json:"layer_norm_epsilon"`
	Positions    int       `json:"positions"`
	Types        int       `json:"types"`
	Vocabulary   int       `json:"vocabulary"` // tokens
	Pooler       bool      `json:"pooler"`     // tanh(dense(pooled)) before the head
	Pool         string    `json:"pool"`       // "first" (the [CLS] row) or "mean"
	Weights      string    `json:"weights"`    // "int8", "float16" or "float32"
	Tokenizer    Tokenizer `json:"tokenizer"`
	Window       Window    `json:"window"`
}

// Mix says how much encoder and linear head count in a model of both. Its logits are the
// sum of theirs: what it takes to weigh them is in linear.scale, linear.bias and head
// already, and this for a reader to know.
type Mix struct {
	Encoder float64 `json:"encoder"` // the encoder's share, above 0 and below 1; the linear head has the rest
}

// Tokenizer says how text becomes tokens; the vocabulary is a tensor.
type Tokenizer struct {
	Kind         string `json:"kind"` // "wordpiece"
	Lowercase    bool   `json:"lowercase"`
	StripAccents bool   `json:"strip_accents"`
	JoinCJK      bool   `json:"join_cjk"` // leave runs of Chinese characters in one word
	MaxWord      int    `json:"max_word"` // characters, above which a word is unknown
}

// Window says how a note longer than the encoder's positions is read: in windows of at
// most Tokens tokens, [CLS] and [SEP] counted, of which neighbours share Overlap.
type Window struct {
	Tokens  int    `json:"tokens"`
	Overlap int    `json:"overlap"`
	Combine string `json:"combine"` // "mean-pooled", "mean-logits" or "max-logits"
}

// Calibration maps logits to probabilities. "platt", for multi-label: ceiling *
// sigmoid(slope[l]*logit[l] + intercept[l]); "temperature", for multi-class:
// softmax(slope[0]*logits).
type Calibration struct {
	Kind      string    `json:"kind"`
	Slope     []float64 `json:"slope"`
	Intercept []float64 `json:"intercept,omitempty"`
	Ceiling   float64   `json:"ceiling,omitempty"` // 0.5 to 1; absent means 1
}

// Calibration kinds.
const (
	Platt       = "platt"
	Temperature = "temperature"
)

// Card is what a reader needs to judge the model; see the model card it becomes.
type Card struct {
	Summary     string       `json:"summary"`
	IntendedUse []string     `json:"intended_use"`
	Limits      []string     `json:"limits"`
	Data        []Data       `json:"data"`
	Training    string       `json:"training"` // how the shipped numbers were fitted, in a sentence or two
	Refitted    bool         `json:"refitted"` // fitted again on all data after the evaluations were made
	Evaluations []Evaluation `json:"evaluations"`
}

// Data is a source the model was trained on.
type Data struct {
	Name     string `json:"name"`
	Licence  string `json:"licence"`
	Rows     int    `json:"rows"`
	Examples int    `json:"examples"`
	SHA256   string `json:"sha256"`
	Part     string `json:"part,omitempty"` // of a split, that it was fitted on; absent means all
}

// Evaluation is one protocol's figures, measured on data training did not see.
type Evaluation struct {
	Protocol string        `json:"protocol"`
	N        int           `json:"n"`
	Figures  []Figure      `json:"figures"`
	PerLabel []LabelFigure `json:"per_label,omitempty"`
	Bins     []Bin         `json:"reliability,omitempty"`
	Curve    []Point       `json:"curve,omitempty"`
	Pairs    []Pair        `json:"pairs,omitempty"`
}

// Figure is a named number, and the ends of its 95 % interval where that was measured:
// both are 0 where it was not.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Low   float64 `json:"low,omitzero"`
	High  float64 `json:"high,omitzero"`
}

// LabelFigure is one label's precision, recall and F1 with the count behind them.
type LabelFigure struct {
	Label     string  `json:"label"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
	Support   int     `json:"support"`
	Predicted int     `json:"predicted"`
}

// Bin is one bin of a reliability diagram: mean confidence against share right.
type Bin struct {
	Confidence float64 `json:"confidence"`
	Accuracy   float64 `json:"accuracy"`
	Count      int     `json:"count"`
}

// Point says what answering less buys: of the share Answered of notes, whose most probable
// label has Confidence or more, that label is right for the share Accuracy.
type Point struct {
	Confidence float64 `json:"confidence"`
	Answered   float64 `json:"answered"`
	Accuracy   float64 `json:"accuracy"`
}

// Pair counts the notes for which one label was missed and another wrongly given. Chance
// is how many there would be if the two had nothing to do with each other.
type Pair struct {
	Missed string  `json:"missed"`
	Given  string  `json:"given"`
	Count  int     `json:"count"`
	Chance float64 `json:"chance"`
}

// Tensor places one tensor in the stream; Offset counts from the stream's first byte.
type Tensor struct {
	Name   string `json:"name"`
	DType  string `json:"dtype"` // safetensors name: U64, F32, I32, F16, I8, U8
	Shape  []int  `json:"shape"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"size"`
}

// Shard is one file of the stream, in order.
type Shard struct {
	File   string `json:"file"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // lower-case hex
}
