package tokenizer_test

import (
	"strings"
	"testing"

	"bedside/wasm/tokenizer"
)

// note is clinical prose and shorthand.
var note = strings.Repeat(`HISTORY: Mrs. Example, 67 y/o, c/o substernal chest pain x3 days radiating to the L arm,
worse on exertion, relieved by rest. Denies fever, chills, hemoptysis. PMH: HTN, hyperlipidemia, T2DM on metformin 1000mg BID.
Meds: lisinopril 20 mg PO qd; metoprolol succinate 50 mg; atorvastatin. Allergies: penicillin (rash).
EXAM: BP 148/92, HR 88, RR 16, SpO2 97% on RA, temp 98.6°F. Lungs clear to auscultation bilaterally. No murmurs, rubs or gallops.
PLAN: Troponin q6h, EKG, cardiac catheterization if the troponin rises. She was counselled about smoking cessation.
`, 40)

func BenchmarkWordPiece(b *testing.B) {
	for _, c := range []struct {
		name, vocabulary string
		options          tokenizer.Options
	}{{"uncased", "bert-uncased", tokenizer.Uncased}, {"cased", "bert-cased", tokenizer.Options{}}} {
		w := wordPiece(b, readShared(b, "data", "tokenizers", c.vocabulary, "vocab.txt"), c.options)
		b.Run(c.name, func(b *testing.B) { benchmark(b, w.Append, note) })
		if c.name == "uncased" {
			b.Run("accents", func(b *testing.B) {
				benchmark(b, w.Append, strings.NewReplacer("e", "é", "o", "ö").Replace(note))
			})
		}
	}
}

func BenchmarkBPE(b *testing.B) {
	benchmark(b, gpt2(b).Append, note)
}

func benchmark(b *testing.B, appendTokens func([]tokenizer.Token, string) ([]tokenizer.Token, error), text string) {
	tokens, err := appendTokens(nil, text)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		tokens, _ = appendTokens(tokens[:0], text)
	}
	b.ReportMetric(float64(len(tokens))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mtokens/s")
}

func BenchmarkReadVocabulary(b *testing.B) {
	file := readShared(b, "data", "tokenizers", "bert-uncased", "vocab.txt")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokenizer.ReadVocabulary(file); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewMerges(b *testing.B) {
	table := readShared(b, "data", "tokenizers", "gpt2", "vocab.json")
	file := readShared(b, "data", "tokenizers", "gpt2", "merges.txt")
	b.ReportAllocs()
	for b.Loop() {
		ids, _ := tokenizer.ReadTokenIDs(table)
		merges, _ := tokenizer.ReadMerges(file)
		if _, err := tokenizer.NewMerges(ids, merges); err != nil {
			b.Fatal(err)
		}
	}
}
