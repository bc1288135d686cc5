// Package encoder_test holds the Python of this directory to Bedside: its tokens are those
// of wasm/tokenizer, and what it trains is answered alike by the engine.
package encoder_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bedside/tools/train/invented"
	"bedside/wasm/host"
	"bedside/wasm/tokenizer"
)

const python = "/usr/bin/python3"

// script runs one of this directory's programs and gives what it prints.
func script(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	return run(t, stdin, append([]string{python}, args...)...)
}

func run(t *testing.T, stdin []byte, command ...string) string {
	t.Helper()
	var out, log bytes.Buffer
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(stdin), &out, &log
	c.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if err := c.Run(); err != nil {
		t.Fatalf("%q: %v\n%s%s", command, err, &out, &log)
	}
	return out.String()
}

// needs skips the test where Python cannot import something.
func needs(t *testing.T, module, packages string) {
	t.Helper()
	if err := exec.Command(python, "-c", "import "+module).Run(); err != nil {
		t.Skipf("%s -c 'import %s': %v (Debian: %s)", python, module, err, packages)
	}
}

func write(t *testing.T, data []byte, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, data, 0o644)); err != nil {
		t.Fatal(err)
	}
	return file
}

// lines are texts as JSON, one a line.
func lines(t *testing.T, texts []string) []byte {
	t.Helper()
	var out []byte
	for _, text := range texts {
		line, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, line...), '\n')
	}
	return out
}

// corpus is invented text, a note a paragraph.
func corpus(notes []invented.Note) []byte {
	var b bytes.Buffer
	for _, n := range notes {
		b.WriteString(n.Text + "\n\n")
	}
	return b.Bytes()
}

var hard = []string{
	"", " \t\r\n", "Murmur, 2/6; BP 120/80mmHg.", "na\u00efve caf\u00e9 Cafe\u0301 \u00c5ngstr\u00f6m",
	"tab\tand\u00a0blank\u2003and\u2028line", "a\x00b\x07c\x0bd\u00ade\u200bf\ufffdg", "a\x1cb\u0085c",
	"\u75db\u307f abc\u75dbdef \u1112\u1161\u11ab \ud55c", "[CLS] [SEP][MASK]x[UNK] [PAD [mask]", "\u00bd\u00b5g \u2265 3\u2070C \u2014 \u201cquoted\u201d",
	"\U0001f600 heart\U0001f493", "\u0130\u0131\u00df\u01c5\u03a3\u03c2", strings.Repeat("x", 100) + " " + strings.Repeat("y", 101),
	"$^`|~+<>=", "e\u0301\u0323 \u1ebfn \uf900 \u3400",
}

func TestTokens(t *testing.T) {
	needs(t, "json", "python3")
	notes := invented.Notes(300, 1)
	text := write(t, corpus(notes), t.TempDir(), "notes.txt")
	for _, c := range []struct {
		name    string
		flags   []string
		options tokenizer.Options
	}{{"cased", nil, tokenizer.Options{}}, {"uncased", []string{"--lowercase"}, tokenizer.Uncased}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			vocabulary := filepath.Join(dir, "vocab.txt")
			script(t, nil, append([]string{"vocab.py", text, "--size", "400", "--out", vocabulary}, c.flags...)...)
			write(t, []byte(`{"do_lower_case": `+strconv.FormatBool(c.options.Lowercase)+`}`), dir, "tokenizer_config.json")
			compare(t, dir, c.options, slices.Concat(hard, texts(notes)))
		})
	}
}

// TestTokensConform is for real vocabularies and the texts of the conformance cases.
func TestTokensConform(t *testing.T) {
	const shared = "../../../shared"
	data, err := os.ReadFile(filepath.Join(shared, "reference/tokenizer/conformance.jsonl"))
	if err != nil {
		t.Skipf("needs the shared data beside the repository: %v", err)
	}
	needs(t, "json", "python3")
	var cases []string
	for line := range bytes.Lines(data) {
		var c struct{ Class, Text string }
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		if c.Class != "fuzz" { // characters of all ages: Python's Unicode is younger than BERT's
			cases = append(cases, c.Text)
		}
	}
	for name, options := range map[string]tokenizer.Options{"bert-cased": {}, "bert-uncased": tokenizer.Uncased} {
		vocabulary, err := os.ReadFile(filepath.Join(shared, "data/tokenizers", name, "vocab.txt"))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		write(t, vocabulary, dir, "vocab.txt")
		write(t, []byte(`{"do_lower_case": `+strconv.FormatBool(options.Lowercase)+`}`), dir, "tokenizer_config.json")
		compare(t, dir, options, cases)
	}
}

// compare has a directory's vocabulary read texts in Python and in Go.
func compare(t *testing.T, dir string, o tokenizer.Options, texts []string) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, "vocab.txt"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := tokenizer.ReadVocabulary(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := tokenizer.NewWordPiece(v, o)
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(script(t, lines(t, texts), "wordpiece.py", dir)), "\n")
	if len(answers) != len(texts) {
		t.Fatalf("%d answers to %d texts", len(answers), len(texts))
	}
	for i, text := range texts {
		tokens, err := w.Append(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]int32, len(tokens))
		for k, token := range tokens {
			want[k] = token.ID
		}
		var got []int32
		if err := json.Unmarshal([]byte(answers[i]), &got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%.200q\n got %d\nwant %d", text, got, want)
		}
	}
}

func texts(notes []invented.Note) []string {
	var out []string
	for _, n := range notes {
		out = append(out, n.Text)
	}
	return out
}

// TestCheckpoints reads other people's files: in each format, what predict.py says is what
// the golden logits say.
func TestCheckpoints(t *testing.T) {
	needs(t, "torch, numpy", "python3-torch python3-numpy")
	files, err := filepath.Glob("../../wasm/encoder/testdata/*/golden.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d goldens, %v", len(files), err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var golden struct {
				Pool   string
				Pooler bool
				Cases  []struct {
					Text  string
					Exact []float64
				}
			}
			var config struct {
				Task   string            `json:"problem_type"`
				Labels map[string]string `json:"id2label"`
			}
			for name, into := range map[string]any{"golden.json": &golden, "config.json": &config} {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err == nil {
					err = json.Unmarshal(data, into)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			command := []string{"predict.py", dir, "--window", "48", "--overlap", "0", "--pool", golden.Pool}
			if !golden.Pooler {
				command = append(command, "--no-pooler")
			}
			var texts []string
			for _, c := range golden.Cases {
				texts = append(texts, c.Text)
			}
			answers := strings.Split(script(t, lines(t, texts), command...), "\n")
			for i, c := range golden.Cases {
				var got map[string]float64
				if err := json.Unmarshal([]byte(answers[i]), &got); err != nil {
					t.Fatal(err)
				}
				for l, want := range probabilities(c.Exact, config.Task == "multi_label_classification") {
					if p := got[config.Labels[strconv.Itoa(l)]]; !(math.Abs(p-want) < 1e-4) {
						t.Errorf("case %d, label %d: %.6f, want %.6f", i, l, p, want)
					}
				}
			}
		})
	}
}

// probabilities are sigmoids of logits, or their softmax.
func probabilities(logits []float64, multi bool) []float64 {
	out, sum := make([]float64, len(logits)), 0.0
	for i, x := range logits {
		out[i] = math.Exp(x)
		sum += out[i]
	}
	for i, e := range out {
		if out[i] = e / sum; multi {
			out[i] = e / (1 + e)
		}
	}
	return out
}

// TestChain makes a vocabulary, pre-trains, goes on after an end, fine-tunes, imports and classifies.
func TestChain(t *testing.T) {
	needs(t, "torch, numpy", "python3-torch python3-numpy")
	if _, err := host.EmbeddedModule(); err != nil {
		t.Skipf("bedside.wasm is not built (run make kernels module): %v", err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	bedside := at("bedside")
	run(t, nil, "go", "build", "-o", bedside, "bedside/tools/bedside")

	labelled := write(t, invented.CSV(invented.Single(invented.Notes(1200, 1))), at("notes.csv"))
	fresh := invented.Single(invented.Notes(200, 2))
	measured := write(t, invented.CSV(fresh), at("new.csv"))
	text := write(t, corpus(slices.Concat(invented.Notes(1500, 3), fresh[:50])), at("more.txt"))

	script(t, nil, "corpus.py", text, "--out", at("corpus"), "--validation", "0.1", "--without", measured+",note")
	leftOut(t, at("corpus/corpus.json"), 50)
	script(t, nil, "vocab.py", at("corpus/train.jsonl.gz"), "--size", "500", "--out", at("vocab.txt"))
	pretrain := []string{"pretrain.py", "--corpus", at("corpus"), "--vocab", at("vocab.txt"), "--out", at("run"), "--layers", "2", "--hidden", "32",
		"--heads", "2", "--length", "64", "--lr", "0.005", "--warmup", "20", "--validate", "40", "--device", "cpu", "--threads", "1"}
	script(t, nil, append(pretrain, "--steps", "40")...)
	script(t, nil, append(pretrain, "--steps", "120")...)
	learnt(t, at("run/log.jsonl"))

	finetune := []string{"finetune.py", "--start", at("run/model"), "--data", labelled, "--text", "note", "--label", "label", "--window", "64",
		"--overlap", "16", "--device", "cpu", "--threads", "1", "--seeds", "1"}
	mean := []string{"--pool", "mean", "--no-pooler"}
	script(t, nil, slices.Concat(finetune, mean, []string{"--out", at("mean"), "--lr", "0.004", "--layer-decay", "1", "--head-lr", "0.01",
		"--loss", "plain", "--batch", "8", "--epochs", "8", "--folds", "2"})...)
	outOfFold(t, at("mean/scores.csv"), labelled)
	run(t, nil, bedside, "train", "--data", labelled, "--text", "note", "--label", "label", "--out", at("teacher"))
	script(t, nil, slices.Concat(finetune, []string{"--out", at("first"), "--frozen", "--epochs", "2",
		"--teacher", at("teacher"), "--unlabelled", text, "--unlabelled-most", "300", "--bedside", bedside})...)

	window := []string{"--window", "64", "--overlap", "16"}
	for model, flags := range map[string][]string{"mean": slices.Concat(window, mean), "first": window} {
		run(t, nil, slices.Concat([]string{bedside, "import", at(model), "--weights", "float32", "--out", at(model + "-bundle")}, flags)...)
		alike(t, bedside, at(model+"-bundle"), at(model), flags)
	}
	small := slices.Concat([]string{bedside, "import", at("mean"), "--calibrate", labelled, "--text", "note", "--out", at("small")}, window, mean)
	run(t, nil, small...)
	var report struct {
		Accuracy float64 `json:"accuracy"`
	}
	answer := run(t, nil, bedside, "evaluate", "--bundle", at("small"), "--data", measured, "--text", "note", "--label", "label", "--json")
	if err := json.Unmarshal([]byte(answer), &report); err != nil {
		t.Fatal(err)
	}
	t.Logf("top label right: %.3f", report.Accuracy)
	if report.Accuracy < 0.5 { // always answering the commonest label gives 0.35
		t.Errorf("accuracy %.3f on new notes", report.Accuracy)
	}
}

// TestFinetuneSaysHowToImport: the command printed matches scores with notes as fine-tuning read them.
func TestFinetuneSaysHowToImport(t *testing.T) {
	needs(t, "torch, numpy", "python3-torch python3-numpy")
	got := script(t, nil, "-c", `import sys, finetune
sys.argv = ["finetune.py", "--start", "base", "--data", "my notes.csv", "--text", "note", "--label", "codes", "--label-separator", ";",
    "--group-by-text", "--split", "split.csv", "--part", "part 1", "--folds", "3", "--out", "model"]
print(finetune.importing(finetune.arguments(), 64, 16))`)
	want := "bedside import model --window 64 --overlap 16 --calibrate 'my notes.csv' --text note --scores model/scores.csv --data 'my notes.csv' --label codes" +
		" --group-by-text --label-separator ';' --split split.csv --part 'part 1' --out BUNDLE"
	if got = strings.TrimSpace(got); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestFoldsGoOnWithTheirNotes alone: a fold of three has notes to answer that one of two learnt. Nor
// does it learn them from --also.
func TestFoldsGoOnWithTheirNotes(t *testing.T) {
	needs(t, "torch, numpy", "python3-torch python3-numpy")
	dir := t.TempDir()
	file := write(t, invented.CSV(invented.Single(invented.Notes(60, 1))), dir, "notes.csv")
	write(t, []byte("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfever\ncough\nthe\nwith\n"), dir, "vocab.txt")
	got := script(t, nil, "-c", `import sys, pathlib, finetune, checkpoint, wordpiece
out, data = pathlib.Path(sys.argv[1]), sys.argv[2]
def task(folds):
    sys.argv[1:] = ["--start", str(out), "--data", data, "--text", "note", "--label", "label", "--out", str(out), "--folds", folds,
        "--also", data]
    return finetune.Task(finetune.arguments(), wordpiece.WordPiece.read(out), 64, 0)
trainer = finetune.Trainer.__new__(finetune.Trainer)
trainer.task, trainer.dir = task("2"), out / "fold-1"
checkpoint.save(trainer.dir / "checkpoint", {}, {"labels": trainer.task.labels, "learnt": trainer.task.learnt})
print(task("2").learnt == trainer.task.learnt)
print(len(trainer.task.train) == 2 * (60 - len(trainer.task.aside) - len(trainer.task.measured)))
trainer.task = task("3")
try:
    trainer.resume()
except SystemExit as refused:
    print(refused)`, dir, file)
	if !strings.HasPrefix(got, "True\nTrue\n") || !strings.Contains(got, "learnt other notes or labels") {
		t.Error(got)
	}
}

// TestFoldsNeedRows that scores can be told apart by, before anything is learnt.
func TestFoldsNeedRows(t *testing.T) {
	needs(t, "numpy", "python3-numpy")
	for column, want := range map[string]string{"3,7": "True", "3,3": "False", "A1,A2": "False", "-1,2": "False"} {
		rows := strings.Split(column, ",")
		file := write(t, []byte("row,note,label\n"+rows[0]+",fever,a\n"+rows[1]+",cough,b\n"), t.TempDir(), "notes.csv")
		got := script(t, nil, "-c", `import sys, notes; print(notes.named(notes.load(sys.argv[1], "note", "label")))`, file)
		if strings.TrimSpace(got) != want {
			t.Errorf("rows %s: %s, want %s", column, got, want)
		}
	}
}

// outOfFold checks that every note was answered by a model that did not learn it, commonly rightly.
func outOfFold(t *testing.T, file, labelled string) {
	t.Helper()
	scores, notes := table(t, file), table(t, labelled)
	if len(scores) != len(notes) {
		t.Fatalf("%s has %d lines, the notes' file %d", file, len(scores), len(notes))
	}
	label, right := slices.Index(notes[0], "label"), 0
	for i, line := range scores[1:] {
		if line[0] != strconv.Itoa(i) {
			t.Fatalf("line %d of %s is about row %s", i+2, file, line[0])
		}
		best := 1
		for l := range line[1:] {
			z, err := strconv.ParseFloat(line[1+l], 64)
			if err != nil {
				t.Fatal(err)
			}
			if most, _ := strconv.ParseFloat(line[best], 64); z > most {
				best = 1 + l
			}
		}
		if scores[0][best] == notes[i+1][label] {
			right++
		}
	}
	if share := float64(right) / float64(len(notes)-1); share < 0.5 { // always answering the commonest label gives 0.35
		t.Errorf("%.3f of the notes are answered rightly out of fold", share)
	}
}

func table(t *testing.T, file string) [][]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// leftOut checks how many texts of the corpus were left out as measured.
func leftOut(t *testing.T, file string, want int) {
	t.Helper()
	var report struct {
		Files map[string]struct{ Measured, Twice int }
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &report)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := report.Files["more"]; n.Measured+n.Twice < want {
		t.Errorf("%d texts were left out as measured and %d as seen before, want %d at least", n.Measured, n.Twice, want)
	}
}

// learnt checks that a run went on where it stopped, and that its perplexity fell.
func learnt(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	var perplexity []float64
	for line := range bytes.Lines(data) {
		var e struct {
			Event      string
			Step       int
			Perplexity float64
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Event == "resume" && e.Step != 40 {
			t.Errorf("the run went on from step %d, want 40", e.Step)
		}
		if events = append(events, e.Event); e.Event == "validate" {
			perplexity = append(perplexity, e.Perplexity)
		}
	}
	if !slices.Contains(events, "resume") || len(perplexity) != 3 || !(perplexity[2] < perplexity[0]) {
		t.Errorf("events %q, perplexities %.1f: want a resumed run, and the last of three lower than the first", events, perplexity)
	}
}

// alike checks that Bedside's answer to short and long notes is PyTorch's.
func alike(t *testing.T, bedside, bundle, model string, flags []string) {
	t.Helper()
	var long strings.Builder
	for _, n := range invented.Notes(30, 4) {
		long.WriteString(n.Text + " ")
	}
	notes := []string{invented.Notes(1, 5)[0].Text, "rash", long.String()}
	answers := strings.Split(script(t, lines(t, notes), append([]string{"predict.py", model}, flags...)...), "\n")
	for i, note := range notes {
		var want map[string]float64
		if err := json.Unmarshal([]byte(answers[i]), &want); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Windows int
			Labels  []struct {
				Name        string
				Probability float64
			}
		}
		answer := run(t, []byte(note), bedside, "classify", "--bundle", bundle, "--device", "reference", "--json")
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		for _, label := range got.Labels {
			if d := math.Abs(label.Probability - want[label.Name]); !(d < 1e-4) {
				t.Errorf("note %d in %d windows, %s: %.6f, PyTorch says %.6f", i, got.Windows, label.Name, label.Probability, want[label.Name])
			}
		}
		if len(got.Labels) != len(want) {
			t.Errorf("note %d: %d labels, want %d", i, len(got.Labels), len(want))
		}
	}
}
