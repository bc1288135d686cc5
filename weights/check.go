package weights

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"bedside/weights/jsontext"
)

// ErrManifest is wrapped by every error about a manifest's contents.
var ErrManifest = errors.New("manifest")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrManifest}, args...)...)
}

// ParseManifest decodes and checks a manifest. Unknown fields, versions, kinds and
// sizes beyond the limits are refused by name; another version before anything else.
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > MaxManifestBytes {
		return nil, bad("%d bytes, the limit is %d", len(data), MaxManifestBytes)
	}
	text := string(data)
	r := jsontext.NewReader(text)
	format, version := readVersion(r)
	if err := r.Err(); err != nil {
		return nil, bad("not readable as JSON: %w", err)
	}
	if err := supported(format, version); err != nil {
		return nil, err
	}
	if err := r.End(); err != nil {
		return nil, bad("holds more than one JSON value: %w", err)
	}
	r = jsontext.NewReader(text)
	m := readManifest(r)
	if err := r.Err(); err != nil {
		return nil, bad("not readable: %w", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return &m, nil
}

func supported(format string, version int) error {
	if format != Format {
		return bad("format is %.64q, want %q", format, Format)
	}
	if version != Version {
		return bad("version %d is not supported, this build reads version %d", version, Version)
	}
	return nil
}

func (m *Manifest) check() error {
	for _, step := range []func() error{
		m.checkTask, m.checkSections, m.checkCalibration, m.checkShards, m.checkTensors, m.checkParts,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) checkTask() error {
	if !safeName(m.Name) {
		return bad("name %.64q must be lower-case letters, digits and hyphens", m.Name)
	}
	if m.Task.Kind != MultiClass && m.Task.Kind != MultiLabel {
		return bad("task kind %.64q is not supported", m.Task.Kind)
	}
	if n := len(m.Task.Labels); n < 1 || n > MaxLabels {
		return bad("%d labels, want 1 to %d", n, MaxLabels)
	}
	seen := make(map[string]bool, len(m.Task.Labels))
	for i, label := range m.Task.Labels {
		if label == "" || len(label) > MaxNameBytes {
			return bad("label %d is empty or longer than %d bytes", i, MaxNameBytes)
		}
		if seen[label] {
			return bad("label %q stands twice", label)
		}
		seen[label] = true
	}
	return nil
}

// checkSections checks the sections that describe the model: a linear one, an encoder, or both.
func (m *Manifest) checkSections() error {
	if (m.Mix != nil) != (m.Encoder != nil && m.Linear != nil) {
		return bad("mix stands where encoder stands beside linear, and there alone")
	}
	if m.Mix != nil && !(m.Mix.Encoder > 0 && m.Mix.Encoder < 1) {
		return bad("mix: encoder %g, want more than 0 and less than 1", m.Mix.Encoder)
	}
	if m.isLinear() {
		if err := m.checkText(); err != nil {
			return err
		}
	} else if m.Text != (Text{}) || m.TFIDF != nil || m.Lexicon != nil {
		return bad("encoder stands beside text, tfidf or lexicon without linear, which would weigh them")
	}
	if m.Encoder == nil {
		return nil
	}
	if err := m.Encoder.check(); err != nil {
		return bad("encoder: %v", err)
	}
	return nil
}

// isLinear says whether the model is linear, or has a linear part.
func (m *Manifest) isLinear() bool { return m.Encoder == nil || m.Linear != nil }

// checkParts requires exactly the tensors that the model's sections name.
func (m *Manifest) checkParts() error {
	found := newInventory(m.Tensors)
	if m.isLinear() {
		if err := m.checkLinear(); err != nil {
			return err
		}
		m.wantLinear(&found)
	}
	if m.Encoder != nil {
		m.wantEncoder(&found)
	}
	if found.err == nil && found.asked != len(m.Tensors) {
		return bad("%d tensors, this model has %d", len(m.Tensors), found.asked)
	}
	return found.err
}

func (m *Manifest) checkText() error {
	if m.Text.Prepare != "" && m.Text.Prepare != Dialogue {
		return bad("text preparation %.64q is not supported", m.Text.Prepare)
	}
	if m.Text.StripAccents != "" && m.Text.StripAccents != "unicode" {
		return bad("strip_accents %.64q is not supported", m.Text.StripAccents)
	}
	if m.Lexicon != nil {
		if err := m.Lexicon.check(); err != nil {
			return bad("lexicon: %v", err)
		}
	}
	if m.TFIDF == nil {
		if m.Lexicon == nil {
			return bad("no features: want a tfidf section, a lexicon, or an encoder")
		}
		return nil
	}
	if n := len(m.TFIDF.Blocks); n < 1 || n > MaxBlocks {
		return bad("%d tfidf blocks, want 1 to %d", n, MaxBlocks)
	}
	terms := 0
	for i, b := range m.TFIDF.Blocks {
		if err := b.check(); err != nil {
			return bad("tfidf block %d: %v", i, err)
		}
		terms += b.Terms
	}
	if terms > MaxTerms {
		return bad("%d terms, the limit is %d", terms, MaxTerms)
	}
	return nil
}

func (b Block) check() error {
	switch {
	case b.Analyzer != Word && b.Analyzer != CharWB:
		return fmt.Errorf("analyzer %.64q is not supported", b.Analyzer)
	case b.MinN < 1 || b.MaxN < b.MinN || b.MaxN > MaxNGram:
		return fmt.Errorf("n-grams of %d to %d, want 1 <= min_n <= max_n <= %d", b.MinN, b.MaxN, MaxNGram)
	case b.StopWords != "" && b.StopWords != "english":
		return fmt.Errorf("stop_words %.64q is not supported", b.StopWords)
	case b.StopWords != "" && b.Analyzer != Word:
		return errors.New("stop_words apply to words only")
	case b.Norm != "" && b.Norm != "l2":
		return fmt.Errorf("norm %.64q is not supported", b.Norm)
	case b.Terms < 1 || b.Terms > MaxTerms:
		return fmt.Errorf("%d terms, want 1 to %d", b.Terms, MaxTerms)
	}
	return nil
}

func (x *Lexicon) check() error {
	switch {
	case x.MaxN < 1 || x.MaxN > MaxNGram:
		return fmt.Errorf("phrases of %d words, want 1 to %d", x.MaxN, MaxNGram)
	case x.Phrases < 1 || x.Phrases > MaxTerms:
		return fmt.Errorf("%d phrases, want 1 to %d", x.Phrases, MaxTerms)
	case x.Entries < x.Phrases || x.Entries > MaxEntries:
		return fmt.Errorf("%d entries of %d phrases, want one for each or more, and at most %d", x.Entries, x.Phrases, MaxEntries)
	case x.Concepts < 1 || x.Concepts > MaxConcepts:
		return fmt.Errorf("%d concepts, want 1 to %d", x.Concepts, MaxConcepts)
	case !(x.Unit > 0 && x.Unit <= MaxUnit):
		return fmt.Errorf("unit %g, want more than 0 and at most %d", x.Unit, MaxUnit)
	}
	return nil
}

func (m *Manifest) checkCalibration() error {
	labels, c := len(m.Task.Labels), m.Calibration
	switch {
	case c.Kind == Platt && m.Task.Kind == MultiLabel:
		if len(c.Slope) != labels || len(c.Intercept) != labels {
			return bad("platt calibration has %d slopes and %d intercepts for %d labels", len(c.Slope), len(c.Intercept), labels)
		}
	case c.Kind == Temperature && m.Task.Kind == MultiClass:
		if len(c.Slope) != 1 || len(c.Intercept) != 0 || c.Ceiling != 0 {
			return bad("temperature calibration wants one slope, no intercepts and no ceiling")
		}
	default:
		return bad("calibration %.64q does not fit task %q", c.Kind, m.Task.Kind)
	}
	if c.Ceiling != 0 && !(c.Ceiling >= 0.5 && c.Ceiling <= 1) {
		return bad("calibration ceiling %g, want 0.5 to 1", c.Ceiling)
	}
	if len(m.Thresholds) != labels {
		return bad("%d thresholds for %d labels", len(m.Thresholds), labels)
	}
	for _, v := range slices.Concat(c.Slope, c.Intercept, m.Thresholds) {
		if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e6 {
			return bad("calibration or threshold %g is out of range", v)
		}
	}
	return nil
}

func (m *Manifest) checkShards() error {
	if n := len(m.Shards); n < 1 || n > MaxShards {
		return bad("%d shards, want 1 to %d", n, MaxShards)
	}
	seen := make(map[string]bool, len(m.Shards))
	for i, s := range m.Shards {
		switch {
		case !safeFile(s.File):
			return bad("shard %d: file name %.64q must be letters, digits, '.', '-' and '_', not beginning with '.'", i, s.File)
		case seen[s.File]:
			return bad("shard file %q stands twice", s.File)
		case s.Size < 1 || s.Size > MaxShardBytes:
			return bad("shard %q: %d bytes, want 1 to %d", s.File, s.Size, MaxShardBytes)
		case !isDigest(s.SHA256):
			return bad("shard %q: sha256 is not 64 lower-case hex digits", s.File)
		}
		seen[s.File] = true
	}
	return nil
}

// checkTensors requires the tensors to tile the stream after its header, in order.
func (m *Manifest) checkTensors() error {
	if n := len(m.Tensors); n < 1 || n > MaxTensors {
		return bad("%d tensors, want 1 to %d", n, MaxTensors)
	}
	seen := make(map[string]bool, len(m.Tensors))
	next := m.Tensors[0].Offset
	if next < 8+2 || next > 8+MaxHeaderBytes {
		return bad("first tensor at offset %d, want 10 to %d", next, 8+MaxHeaderBytes)
	}
	for i, t := range m.Tensors {
		size, err := t.bytes()
		switch {
		case t.Name == "" || len(t.Name) > MaxNameBytes:
			return bad("tensor %d: name is empty or longer than %d bytes", i, MaxNameBytes)
		case seen[t.Name]:
			return bad("tensor %q stands twice", t.Name)
		case err != nil:
			return bad("tensor %q: %v", t.Name, err)
		case t.Size != size:
			return bad("tensor %q: size %d does not fit its shape, which takes %d", t.Name, t.Size, size)
		case t.Offset != next:
			return bad("tensor %q: offset %d, want %d (tensors follow each other without gaps)", t.Name, t.Offset, next)
		}
		seen[t.Name], next = true, next+size
	}
	if total := m.StreamBytes(); next != total {
		return bad("tensors end at byte %d, the shards at %d", next, total)
	}
	return nil
}

// checkLinear checks that features and head belong together.
func (m *Manifest) checkLinear() error {
	switch {
	case m.TFIDF != nil && m.Linear == nil:
		return bad("no head: want a linear section")
	case m.TFIDF == nil && m.Linear != nil:
		return bad("linear stands beside a lexicon alone, which has no weights")
	}
	if labels := len(m.Task.Labels); m.TFIDF == nil && m.Lexicon.Concepts != labels {
		return bad("a lexicon alone has %d concepts for %d labels: want one for each", m.Lexicon.Concepts, labels)
	}
	return nil
}

// wantLinear asks for the tensors that the TF-IDF blocks, the lexicon and the linear head name.
func (m *Manifest) wantLinear(found *inventory) {
	for _, t := range m.linearTensors() {
		dtypes := []string{t.DType}
		if t.Name == LinearWeight {
			dtypes = []string{I8, F32}
		}
		found.want(t.Name, t.Shape, dtypes...)
	}
}

// linearTensors are those of a linear model; its weights may be I8 too.
func (m *Manifest) linearTensors() (want []Tensor) {
	columns := 0
	if m.TFIDF != nil {
		for i, b := range m.TFIDF.Blocks {
			columns += b.Terms
			want = append(want,
				Tensor{Name: KeysTensor(i), DType: U64, Shape: []int{b.Terms}},
				Tensor{Name: IDFTensor(i), DType: F32, Shape: []int{b.Terms}})
		}
	}
	if x := m.Lexicon; x != nil {
		columns += x.Concepts
		want = append(want,
			Tensor{Name: LexiconKeys, DType: U64, Shape: []int{x.Phrases}},
			Tensor{Name: LexiconEnds, DType: I32, Shape: []int{x.Phrases}},
			Tensor{Name: LexiconConcepts, DType: I32, Shape: []int{x.Entries}},
			Tensor{Name: LexiconLevels, DType: U8, Shape: []int{x.Entries}})
	}
	labels := len(m.Task.Labels)
	if m.TFIDF != nil {
		want = append(want, Tensor{Name: LinearWeight, DType: F32, Shape: []int{columns, labels}})
	}
	for _, name := range []string{LinearScale, LinearBias} {
		want = append(want, Tensor{Name: name, DType: F32, Shape: []int{labels}})
	}
	return want
}

func (t Tensor) is(shape []int, dtypes []string) error {
	if !slices.Equal(t.Shape, shape) || !slices.Contains(dtypes, t.DType) {
		return bad("tensor %q is %s %v, want %v %v", t.Name, t.DType, t.Shape, dtypes, shape)
	}
	return nil
}

// bytes is what the tensor's shape and type take.
func (t Tensor) bytes() (int64, error) {
	width, ok := widths[t.DType]
	if !ok {
		return 0, fmt.Errorf("dtype %.64q is not supported", t.DType)
	}
	if len(t.Shape) > MaxRank {
		return 0, fmt.Errorf("rank %d, the limit is %d", len(t.Shape), MaxRank)
	}
	size := int64(width)
	for _, n := range t.Shape {
		if n < 1 || int64(n) > MaxStreamBytes/size {
			return 0, fmt.Errorf("shape %v is empty or larger than %d bytes", t.Shape, int64(MaxStreamBytes))
		}
		size *= int64(n)
	}
	return size, nil
}

func safeName(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func safeFile(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return s != "" && s[0] != '.' && len(s) <= 64
}

func isDigest(s string) bool {
	for _, r := range s {
		if !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f') {
			return false
		}
	}
	return len(s) == 64
}
