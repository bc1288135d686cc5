package checkpoint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bedside/tools/quantize/clinical"
	"bedside/weights"
)

const tinyTokenizer = `{
 "added_tokens": [{"id": 1, "content": "[UNK]"}],
 "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": LOWER},
 "pre_tokenizer": {"type": "BertPreTokenizer"},
 "post_processor": {"type": "TemplateProcessing"},
 "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 50,
  "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "fever": 5, "cough": 6, "##s": 7}}}`

func lower(yes string) []byte { return []byte(strings.Replace(tinyTokenizer, "LOWER", yes, 1)) }

func replaced(old, new string) []byte {
	return []byte(strings.Replace(string(lower("true")), old, new, 1))
}

func TestParseTokenizer(t *testing.T) {
	uncased := weights.Tokenizer{Kind: weights.WordPiece, Lowercase: true, StripAccents: true, MaxWord: 100}
	short := uncased
	short.MaxWord = 50
	cased := weights.Tokenizer{Kind: weights.WordPiece, MaxWord: 100}
	capitals := strings.Replace(tinyVocabulary, "fever", "Fever", 1)
	text := []byte(tinyVocabulary)
	tests := []struct {
		name    string
		files   TokenizerFiles
		letters string
		want    weights.Tokenizer
		warning string // part of the only one; "" for none
		err     string
	}{
		{"vocab.txt alone is in lower case", TokenizerFiles{Vocabulary: text}, "", uncased, "", ""},
		{"tokenizer.json alone", TokenizerFiles{Tokenizer: lower("true")}, "", short, "", ""},
		{"as transformers 5 saves it", TokenizerFiles{Tokenizer: lower("true"), Config: []byte(`{"backend": "tokenizers", "tokenizer_class": "TokenizersBackend"}`)}, "", short, "", ""},
		{"both", TokenizerFiles{Vocabulary: text, Tokenizer: lower("true")}, "", short, "", ""},
		{"a cased configuration", TokenizerFiles{Vocabulary: []byte(capitals), Config: []byte(`{"do_lower_case": false}`)}, "", cased, "", ""},
		{"accents kept", TokenizerFiles{Vocabulary: text, Config: []byte(`{"strip_accents": false}`)}, "",
			weights.Tokenizer{Kind: weights.WordPiece, Lowercase: true, MaxWord: 100}, "", ""},
		{"Chinese characters not apart", TokenizerFiles{Vocabulary: text, Config: []byte(`{"tokenize_chinese_chars": false}`)}, "",
			weights.Tokenizer{Kind: weights.WordPiece, Lowercase: true, StripAccents: true, JoinCJK: true, MaxWord: 100}, "", ""},
		{"roles as objects", TokenizerFiles{Vocabulary: text, Config: []byte(`{"unk_token": {"content": "[UNK]"}}`)}, "", uncased, "", ""},

		{"nothing said, but capitals", TokenizerFiles{Vocabulary: []byte(capitals)}, "", uncased, "since no file says otherwise", ""},
		{"lower case said, but capitals", TokenizerFiles{Vocabulary: []byte(capitals), Config: []byte(`{"do_lower_case": true}`)}, "", uncased, "as its files say", ""},
		{"nothing said, capitals, and the user knows", TokenizerFiles{Vocabulary: []byte(capitals)}, Cased, cased, "", ""},
		{"cased, but no capitals", TokenizerFiles{Vocabulary: text}, Cased, cased, "no token of the vocabulary has any", ""},
		{"files that disagree", TokenizerFiles{Tokenizer: lower("false"), Config: []byte(`{"do_lower_case": true}`)}, "", short, "sets do_lower_case to true", ""},
		{"added tokens", TokenizerFiles{Vocabulary: text, Added: []byte(`{"[DRUG]": 8}`)}, "", uncased, `not recognized in texts: ["[DRUG]"]`, ""},

		{"no vocabulary", TokenizerFiles{Config: []byte(`{}`)}, "", uncased, "", "no vocabulary: want vocab.txt"},
		{"special tokens missing", TokenizerFiles{Vocabulary: []byte("[PAD]\n[UNK]\n[CLS]\nfever\n")}, "", uncased, "", `"[SEP] [MASK]"`},
		{"a token twice", TokenizerFiles{Vocabulary: []byte(tinyVocabulary + "fever\n")}, "", uncased, "", "stands already in line 6"},
		{"vocabularies that differ", TokenizerFiles{Vocabulary: []byte(capitals), Tokenizer: lower("true")}, "", uncased, "", `token 5 is "Fever" in vocab.txt`},
		{"a longer vocab.txt", TokenizerFiles{Vocabulary: []byte(tinyVocabulary + "pain\n"), Tokenizer: lower("true")}, "", uncased, "", "has 9 tokens, tokenizer.json 8"},
		{"a gap in the numbers", TokenizerFiles{Tokenizer: replaced(`"##s": 7`, `"##s": 9`)}, "", uncased, "", "none with number 7"},
		{"a number below 0", TokenizerFiles{Tokenizer: replaced(`"##s": 7`, `"##s": -7`)}, "", uncased, "", "none with number 7"},
		{"a number twice", TokenizerFiles{Tokenizer: replaced(`"##s": 7`, `"##s": 5`)}, "", uncased, "", "have the same number, 5"},
		{"a space behind a token", TokenizerFiles{Tokenizer: replaced(`"##s": 7`, `"##s ": 7`)}, "", uncased, "", `token 7 of the vocabulary, "##s ", does not fit`},
		{"a line end in a token", TokenizerFiles{Tokenizer: replaced(`"##s": 7`, `"##\n": 7`)}, "", uncased, "", "line 9: the entry is empty"},
		{"another model", TokenizerFiles{Tokenizer: replaced(`"WordPiece"`, `"BPE"`)}, "", uncased, "", `model "BPE" is not supported`},
		{"another prefix", TokenizerFiles{Tokenizer: replaced(`"##",`, `"@@",`)}, "", uncased, "", `continuing_subword_prefix "@@"`},
		{"another normalizer", TokenizerFiles{Tokenizer: replaced(`"BertNormalizer"`, `"NFC"`)}, "", uncased, "", `normalizer "NFC" is not supported`},
		{"another pre-tokenizer", TokenizerFiles{Tokenizer: replaced(`"BertPreTokenizer"`, `"ByteLevel"`)}, "", uncased, "", `pre_tokenizer "ByteLevel"`},
		{"another post-processor", TokenizerFiles{Tokenizer: replaced(`"TemplateProcessing"`, `"RobertaProcessing"`)}, "", uncased, "", `post_processor "RobertaProcessing"`},
		{"words without end", TokenizerFiles{Tokenizer: replaced(`"max_input_chars_per_word": 50`, `"max_input_chars_per_word": 1000000`)}, "", uncased, "", "want 1 to 10000"},
		{"another class", TokenizerFiles{Vocabulary: text, Config: []byte(`{"tokenizer_class": "RobertaTokenizer"}`)}, "", uncased, "", `tokenizer_class "RobertaTokenizer"`},
		{"another role", TokenizerFiles{Vocabulary: text, Roles: []byte(`{"cls_token": "<s>"}`)}, "", uncased, "", `cls_token "<s>" is not supported`},
		{"no JSON", TokenizerFiles{Vocabulary: text, Config: []byte(`do_lower_case`)}, "", uncased, "", "tokenizer_config.json: not readable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, warnings, err := ParseTokenizer(test.files, test.letters)
			wants(t, err, test.err)
			if test.err != "" {
				return
			}
			if got.Tokenizer != test.want {
				t.Errorf("got %+v\nwant %+v", got.Tokenizer, test.want)
			}
			if test.warning == "" && len(warnings) > 0 || test.warning != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], test.warning)) {
				t.Errorf("warnings %q, want one with %q", warnings, test.warning)
			}
		})
	}
}

func TestTheVocabularyOfTokenizerJSON(t *testing.T) {
	got, _, err := ParseTokenizer(TokenizerFiles{Tokenizer: lower("true")}, "")
	if err != nil || string(got.Vocabulary) != tinyVocabulary || got.Tokens != 8 {
		t.Errorf("got %q, %d tokens, error %v", got.Vocabulary, got.Tokens, err)
	}
}

// shared is where vocabularies of BERT lie beside the checkout.
const shared = "../../../shared/data/tokenizers"

// TestCrossCheck compares WordPiece with another library on clinical text of our own, in both
// vocabularies of BERT.
func TestCrossCheck(t *testing.T) {
	for _, test := range []struct{ folder, letters string }{{"bert-uncased", ""}, {"bert-cased", Cased}} {
		t.Run(test.folder, func(t *testing.T) {
			read := func(name string) []byte {
				text, err := os.ReadFile(filepath.Join(shared, test.folder, name))
				if err != nil && name == "vocab.txt" {
					t.Skip(err)
				}
				return text
			}
			tokenizer, warnings, err := ParseTokenizer(TokenizerFiles{
				Vocabulary: read("vocab.txt"), Tokenizer: read("tokenizer.json"), Config: read("tokenizer_config.json"), Roles: read("special_tokens_map.json"),
			}, test.letters)
			if err != nil || len(warnings) > 0 {
				t.Fatal(err, warnings)
			}
			texts := slices.Concat(clinical.Calibration, clinical.Probes)
			c, err := tokenizer.CrossCheck(append(texts, "a\ttab", "caf\u00e9", "[CLS]"))
			if err != nil || c.Texts != len(texts) || c.Skipped != 3 || c.Differing != 0 {
				t.Errorf("%+v, error %v", c, err)
			}
		})
	}
}

// TestCrossCheckSeesDifferences holds a cased tokenizer against texts cut without case.
func TestCrossCheckSeesDifferences(t *testing.T) {
	tokenizer, _, err := ParseTokenizer(TokenizerFiles{Vocabulary: []byte(tinyVocabulary)}, "")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := Tokenizer{Tokenizer: weights.Tokenizer{MaxWord: 100}, Vocabulary: tokenizer.Vocabulary}.sugarme()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := tokenizer.New()
	if err != nil {
		t.Fatal(err)
	}
	for text, same := range map[string]bool{"fevers": true, "Fever, coughs": false} {
		want, _ := ours.Append(nil, text)
		got, err := encode(theirs, text)
		if err != nil || slices.Equal(got, want) != same {
			t.Errorf("%q: %v and %v, error %v", text, got, want, err)
		}
	}
}

func FuzzTokenizer(f *testing.F) {
	f.Add([]byte(tinyVocabulary), []byte(`{"do_lower_case": false}`), lower("true"))
	f.Add([]byte(tinyVocabulary), []byte(`{"unk_token": {"content": "[UNK]"}}`), []byte{})
	f.Fuzz(func(t *testing.T, vocabulary, config, tokenizer []byte) {
		files := TokenizerFiles{Vocabulary: vocabulary, Config: config, Tokenizer: tokenizer}
		if len(tokenizer) == 0 {
			files.Tokenizer = nil
		}
		if len(vocabulary) == 0 {
			files.Vocabulary = nil
		}
		got, _, err := ParseTokenizer(files, "")
		if err != nil {
			return
		}
		w, err := got.New()
		if err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		tokens, err := w.Append(nil, "Fever and caf\u00e9, no coughs.")
		for _, token := range tokens {
			if err != nil || token.ID < 0 || int(token.ID) >= got.Tokens {
				t.Errorf("token %d of %d, error %v", token.ID, got.Tokens, err)
			}
		}
	})
}
