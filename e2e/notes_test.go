package e2e

import (
	"fmt"
	"strings"
)

// note is an invented note with a name for test output.
type note struct{ name, text string }

// notes are ordinary and odd ones; none is empty.
func notes() []note {
	plain := "Reason for visit: chest tightness on stairs.\n\nHistory: 58-year-old teacher, hypertension, former smoker. " +
		"Squeezing pressure behind the sternum for three weeks, relieved by rest. No syncope, no fever.\n" +
		"Exam: BP 148/92, lungs clear, no murmur. ECG: sinus rhythm, no ST changes.\nPlan: stress test, aspirin, recheck in a week."
	return []note{
		{"plain", plain},
		{"one word", "fracture"},
		{"knee", "Right knee arthroscopy. The meniscus was torn at its posterior horn and trimmed back; the ligaments were stable."},
		{"accents", "Überweisung: Patiënt mit Ménière-Krankheit, señor de 70 años. ÅNGSTRÖM ﬁbrillation ½ dose."},
		{"combining", "Me\u0301nie\u0300re disease with vertigo e\u0301\u0301\u0301 and hearing loss"},
		{"emoji", "Pain 😖 10/10 in the left 🦵🏽, family 👨‍👩‍👧‍👦 informed, knee swollen 🩹."},
		{"right to left", "المريض يعاني من ألم في الصدر chest pain منذ أسبوع \u202eback pain\u202c כאב ראש headache"},
		{"Han", "患者胸痛三天 chest pain，心電圖正常。ECG normal"},
		{"NUL", "chest\x00pain\x00 and fever\x00"},
		{"controls", "blood\x01pressure\x1b[31m high\x7f\u0085\u2028new line\u200bzero\ufeffwidth"},
		{"case that grows", "İSTANBUL ŞİŞLİ clinic: ẞ ŉ ǰ ﬀ ΐ Σίσυφος thyroid nodule"},
		{"no known words", "zzqqx vvkkj 0000 qqqq"},
		{"punctuation", "?!… — ''' \"\" ;;;"},
		{"one long word", strings.Repeat("cardio", 20_000)},
		{"same word", strings.Repeat("pain ", 5_000)},
		{"1 MB", varied(0, 1<<20)},
	}
}

// invalid are notes that only bytes can spell: no browser field can hold them.
func invalid() []note {
	return []note{
		{"invalid UTF-8", "chest \xff\xfe pain \xc3("},
		{"cut rune", "fever and cough \xe2\x82"},
		{"encoded surrogate", "knee \xed\xa0\xbd\xed\xb8\x80 pain"},
		{"overlong", "back \xc0\xaf pain \xf5\x80\x80\x80"},
		{"bytes only", string([]byte{0x80, 0x81, 0xfe, 0xff, 'a', 'b'})},
	}
}

var phrases = strings.Split("the patient reports|chest pain on exertion|shortness of breath at night|denies fever or chills|"+
	"blood pressure is controlled|the left knee is swollen|full range of motion|abdomen is soft and not tender|"+
	"colonoscopy was advised|sutures were removed|the wound is clean and dry|magnetic resonance imaging shows a disc bulge|"+
	"follow up in two weeks|started on metformin|the child is feeding well|vision is blurred in the right eye|"+
	"no known allergies|the catheter was withdrawn|sleep is poor and mood is low|heart sounds are regular|"+
	"a biopsy was taken|under general anesthesia|physical therapy twice a week|hearing is reduced on the left", "|")

// varied is an invented note of about the given number of bytes, another for every seed.
func varied(seed, size int) string {
	var b strings.Builder
	state := uint64(seed)*2654435761 + 88172645463325252
	for b.Len() < size {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		fmt.Fprintf(&b, "%s on day %d, ", phrases[state%uint64(len(phrases))], state>>32%90)
		if state>>20%4 == 0 {
			b.WriteString(fmt.Sprintf("visit %d.\n", seed))
		}
	}
	return b.String()[:size]
}
