package checkpoint

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"bedside/wasm/tokenizer"
	"bedside/weights"
)

// Tokenizer is how a model reads text.
type Tokenizer struct {
	weights.Tokenizer
	Vocabulary []byte // a token a line, by id, as vocab.txt
	Tokens     int

	// Added are tokens that transformers recognizes in texts and Bedside does not, beyond the
	// five with a role.
	Added []string
}

// New makes the tokenizer that runs.
func (t Tokenizer) New() (*tokenizer.WordPiece, error) {
	v, err := tokenizer.ReadVocabulary(t.Vocabulary)
	if err != nil {
		return nil, err
	}
	return tokenizer.NewWordPiece(v, tokenizer.Options{
		Lowercase: t.Lowercase, StripAccents: t.StripAccents, JoinCJK: t.JoinCJK, MaxWord: t.MaxWord,
	})
}

// TokenizerFiles are the contents of a tokenizer's files; nil where there is none. One of
// Vocabulary and Tokenizer must be there.
type TokenizerFiles struct {
	Vocabulary []byte // vocab.txt
	Tokenizer  []byte // tokenizer.json
	Config     []byte // tokenizer_config.json
	Roles      []byte // special_tokens_map.json
	Added      []byte // added_tokens.json
}

// Values of a letter case given by the user.
const (
	Cased   = "cased"
	Uncased = "uncased"
)

// ParseTokenizer reads a tokenizer's files. As in transformers, tokenizer_config.json has the
// last word and what no file says is BERT's: lower case, without accents, characters of
// Chinese apart. letterCase, Cased or Uncased, stands above the files; "" leaves it to them.
// What the files disagree about, and what Bedside will do otherwise, comes as warnings.
func ParseTokenizer(files TokenizerFiles, letterCase string) (Tokenizer, []string, error) {
	s := settings{maxWord: 100}
	for _, step := range []struct {
		file string
		text []byte
		read func(*settings, object) error
	}{
		{"tokenizer.json", files.Tokenizer, (*settings).readTokenizer},
		{"added_tokens.json", files.Added, (*settings).readAdded},
		{"special_tokens_map.json", files.Roles, (*settings).readRoles},
		{"tokenizer_config.json", files.Config, (*settings).readConfig},
	} {
		if step.text == nil {
			continue
		}
		o, err := parseObject(step.text)
		if err == nil {
			err = step.read(&s, o)
		}
		if err != nil {
			return Tokenizer{}, nil, fmt.Errorf("%s: %w", step.file, err)
		}
	}
	t := Tokenizer{Tokenizer: weights.Tokenizer{Kind: weights.WordPiece, MaxWord: s.maxWord, JoinCJK: s.apart != nil && !*s.apart}}
	if err := t.setVocabulary(s.tokens, s.added, files.Vocabulary); err != nil {
		return Tokenizer{}, nil, err
	}
	t.setCase(&s, letterCase)
	if _, err := t.New(); err != nil {
		return Tokenizer{}, nil, err
	}
	return t, s.warnings, nil
}

// settings gathers what the files say; nil is silence.
type settings struct {
	lowercase, stripAccents, apart *bool

	maxWord  int
	tokens   map[string]int // of tokenizer.json
	added    map[string]int
	warnings []string
}

// readTokenizer reads a tokenizer.json, https://huggingface.co/docs/tokenizers.
func (s *settings) readTokenizer(o object) error {
	f := &fields{object: o}
	model := f.within("model")
	if kind := model.text("type", "WordPiece"); model.err == nil && kind != "WordPiece" {
		return fmt.Errorf("model %.80q is not supported, only WordPiece", kind)
	}
	if mark := model.text("continuing_subword_prefix", "##"); model.err == nil && mark != "##" {
		return fmt.Errorf("continuing_subword_prefix %.80q is not supported, only \"##\"", mark)
	}
	if unknown := model.text("unk_token", "[UNK]"); model.err == nil && unknown != "[UNK]" {
		return fmt.Errorf("unk_token %.80q is not supported, only \"[UNK]\"", unknown)
	}
	s.maxWord = model.count("max_input_chars_per_word", 100, tokenizer.MaxWordLimit)
	model.decode("vocab", &s.tokens, "an object of tokens and numbers")
	var added []struct {
		ID      int    `json:"id"`
		Content string `json:"content"`
	}
	f.decode("added_tokens", &added, "a list of tokens")
	s.added = map[string]int{}
	for _, a := range added {
		s.added[a.Content] = a.ID
	}
	return cmp.Or(f.err, model.err, s.readSteps(f))
}

// readSteps reads what tokenizer.json does before and after the model.
func (s *settings) readSteps(f *fields) error {
	for _, step := range []struct {
		name  string
		known []string
	}{
		{"normalizer", []string{"BertNormalizer"}},
		{"pre_tokenizer", []string{"BertPreTokenizer"}},
		{"post_processor", []string{"TemplateProcessing", "BertProcessing"}},
	} {
		is := f.within(step.name).text("type", step.known[0])
		if f.err == nil && !slices.Contains(step.known, is) {
			return fmt.Errorf("%s %.80q is not supported, only %s", step.name, is, strings.Join(step.known, " and "))
		}
	}
	normalizer := f.within("normalizer")
	if !normalizer.flag("clean_text", true) {
		return errors.New("normalizer without clean_text is not supported")
	}
	s.lowercase = normalizer.choice("lowercase")
	s.stripAccents = normalizer.choice("strip_accents")
	s.apart = normalizer.choice("handle_chinese_chars")
	return cmp.Or(f.err, normalizer.err)
}

// readAdded reads an added_tokens.json: ids by token.
func (s *settings) readAdded(o object) error {
	if s.added == nil {
		s.added = map[string]int{}
	}
	f := &fields{object: o}
	for token := range o {
		id := -1
		f.decode(token, &id, "a whole number")
		s.added[token] = id
	}
	return f.err
}

// roles are the tokens with a role, which Bedside knows by these names alone.
var roles = []struct{ field, token string }{
	{"unk_token", "[UNK]"}, {"cls_token", "[CLS]"}, {"sep_token", "[SEP]"}, {"pad_token", "[PAD]"}, {"mask_token", "[MASK]"},
}

func (s *settings) readRoles(o object) error {
	for _, role := range roles {
		if !o.has(role.field) {
			continue
		}
		f := &fields{object: o}
		token := ""
		if o[role.field][0] == '{' {
			token = f.within(role.field).text("content", "")
		} else {
			token = f.text(role.field, "")
		}
		if f.err != nil {
			return f.err
		}
		if token != role.token {
			return fmt.Errorf("%s %.80q is not supported, only %q", role.field, token, role.token)
		}
	}
	return nil
}

// tokenizerClasses are those that cut text as BERT does, or as tokenizer.json says.
var tokenizerClasses = []string{"BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend", ""}

func (s *settings) readConfig(o object) error {
	if err := s.readRoles(o); err != nil {
		return err
	}
	f := &fields{object: o}
	if class := f.text("tokenizer_class", ""); f.err == nil && !slices.Contains(tokenizerClasses, class) {
		return fmt.Errorf("tokenizer_class %.80q is not supported, only BertTokenizer and BertTokenizerFast", class)
	}
	if !f.flag("do_basic_tokenize", true) {
		return errors.New("do_basic_tokenize false is not supported")
	}
	for _, x := range []struct {
		name string
		of   **bool
	}{
		{"do_lower_case", &s.lowercase}, {"strip_accents", &s.stripAccents}, {"tokenize_chinese_chars", &s.apart},
	} {
		is := f.choice(x.name)
		if is == nil {
			continue
		}
		if *x.of != nil && **x.of != *is {
			s.warn("tokenizer_config.json sets %s to %t, tokenizer.json says otherwise; as transformers does, the former is followed", x.name, *is)
		}
		*x.of = is
	}
	return f.err
}

func (s *settings) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// setVocabulary makes the list of tokens of tokenizer.json, or else of vocab.txt, with the
// added ones.
func (t *Tokenizer) setVocabulary(tokens, added map[string]int, file []byte) error {
	if tokens == nil && file == nil {
		return errors.New("no vocabulary: want vocab.txt, or tokenizer.json with one")
	}
	byID := map[int]string{}
	if tokens == nil {
		listed, err := tokenizer.ReadVocabulary(file)
		if err != nil {
			return fmt.Errorf("vocab.txt: %w", err)
		}
		for id := range listed.Len() {
			byID[id] = listed.Token(int32(id))
		}
	}
	for _, from := range []map[string]int{tokens, added} {
		for token, id := range from {
			if had, ok := byID[id]; ok && had != token {
				return fmt.Errorf("tokens %.40q and %.40q have the same number, %d", had, token, id)
			}
			byID[id] = token
		}
	}
	if err := t.join(byID); err != nil {
		return err
	}
	for _, token := range slices.Sorted(maps.Keys(added)) {
		if !slices.ContainsFunc(roles, func(r struct{ field, token string }) bool { return r.token == token }) {
			t.Added = append(t.Added, token)
		}
	}
	if tokens != nil && file != nil {
		return t.compare(file)
	}
	return nil
}

// join writes the tokens as vocab.txt has them.
func (t *Tokenizer) join(byID map[int]string) error {
	t.Tokens = len(byID)
	for id := range t.Tokens {
		token, ok := byID[id]
		if !ok {
			return fmt.Errorf("the vocabulary has %d tokens, but none with number %d", t.Tokens, id)
		}
		t.Vocabulary = append(append(t.Vocabulary, token...), '\n')
	}
	v, err := tokenizer.ReadVocabulary(t.Vocabulary)
	if err != nil {
		return err
	}
	for id := range t.Tokens {
		if v.Len() != t.Tokens || v.Token(int32(id)) != byID[id] {
			return fmt.Errorf("token %d of the vocabulary, %.40q, does not fit on a line of its own", id, byID[id])
		}
	}
	return nil
}

// compare holds vocab.txt against the vocabulary of tokenizer.json.
func (t *Tokenizer) compare(file []byte) error {
	listed, err := tokenizer.ReadVocabulary(file)
	if err != nil {
		return fmt.Errorf("vocab.txt: %w", err)
	}
	lines := bytes.Split(t.Vocabulary, []byte("\n"))
	for id := range min(listed.Len(), t.Tokens) {
		if is := listed.Token(int32(id)); is != string(lines[id]) {
			return fmt.Errorf("token %d is %.40q in vocab.txt and %.40q in tokenizer.json; remove the file that the model was not trained with", id, is, lines[id])
		}
	}
	if listed.Len() > t.Tokens {
		return fmt.Errorf("vocab.txt has %d tokens, tokenizer.json %d; remove the file that the model was not trained with", listed.Len(), t.Tokens)
	}
	return nil
}

// setCase decides about capitals and accents, and warns where that does not fit the
// vocabulary.
func (t *Tokenizer) setCase(s *settings, letterCase string) {
	why := "as asked"
	switch {
	case letterCase != "":
		t.Lowercase = letterCase == Uncased
	case s.lowercase != nil:
		t.Lowercase, why = *s.lowercase, "as its files say"
	default:
		t.Lowercase, why = true, "since no file says otherwise"
	}
	t.StripAccents = t.Lowercase
	if s.stripAccents != nil {
		t.StripAccents = *s.stripAccents
	}
	switch capitals := t.capitals(); {
	case t.Lowercase && capitals > t.Tokens/50:
		s.warn("text is put into lower case, %s, but %d tokens of the vocabulary have capitals and will never be found; if the model was trained on text as it stands, give --case cased", why, capitals)
	case !t.Lowercase && capitals == 0:
		s.warn("text keeps its capitals, but no token of the vocabulary has any; if the model was trained on text in lower case, give --case uncased")
	}
	if len(t.Added) > 0 {
		s.warn("%d added tokens are not recognized in texts: %.200q", len(t.Added), t.Added)
	}
}

// capitals counts the tokens with capital letters, but for [CLS] and the like.
func (t *Tokenizer) capitals() int {
	n := 0
	for line := range bytes.Lines(t.Vocabulary) {
		if line[0] != '[' && bytes.ContainsFunc(line, unicode.IsUpper) {
			n++
		}
	}
	return n
}
