package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bedside/tools/checkpoint"
	"bedside/tools/dataset"
	"bedside/tools/evaluate"
	"bedside/tools/metrics"
	"bedside/tools/scores"
	"bedside/tools/train"
	"bedside/weights"
	"bedside/weights/bundle"
)

// checkpoints holds tiny models in all file formats that checkpoints come in.
const checkpoints = "../../wasm/encoder/testdata"

// bedside runs a command line.
func bedside(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(""), &stdout, &stderr, false})
	return code, stdout.String(), stderr.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestImport(t *testing.T) {
	for _, test := range []struct {
		model, weights string
		flags          []string
		task           string
		labels         int
		cosine         float64
	}{
		{"whole", weights.Int8, nil, weights.MultiClass, 5, 0.999},
		{"whole", weights.Float16, nil, weights.MultiClass, 5, 0.99999},
		{"whole", weights.Float32, nil, weights.MultiClass, 5, 0.9999999},
		{"sharded", weights.Int8, nil, weights.MultiLabel, 3, 0.999},
		{"zip", weights.Int8, nil, weights.MultiClass, 2, 0.999},
		{"legacy", weights.Int8, nil, weights.MultiLabel, 9, 0.999},
		{"half", weights.Int8, nil, weights.MultiClass, 4, 0.999},
		{"brain", weights.Int8, nil, weights.MultiClass, 2, 0.999},
		{"mean", weights.Int8, []string{"--pool", "mean", "--no-pooler"}, weights.MultiClass, 3, 0.999},
		{"first", weights.Int8, []string{"--no-pooler"}, weights.MultiClass, 3, 0.999},
	} {
		t.Run(test.model+"/"+test.weights, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "my-model")
			code, text, errs := bedside(t, append([]string{"import", filepath.Join(checkpoints, test.model), "--out", out, "--weights", test.weights, "--json"}, test.flags...)...)
			if code != exitOK || errs != "" {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			var o imported
			if err := json.Unmarshal([]byte(text), &o); err != nil {
				t.Fatal(err)
			}
			if o.Kept == nil || o.Dropped == nil || o.Warnings == nil {
				t.Errorf("lists are null: %s", text)
			}
			k := o.Comparison
			if k.Texts != 8 || !(k.Cosine >= test.cosine) || k.SameTop < k.Texts && k.ChangedMargin > 2*k.Logit {
				t.Errorf("comparison %+v", k)
			}
			if o.Tokenizer.Differing > 0 || o.Tokenizer.Texts < 8 {
				t.Errorf("tokenizer %+v", o.Tokenizer)
			}
			if o.Before == 0 || o.After == 0 || len(o.Kept) == 0 || o.Labels != test.labels || o.Task != test.task {
				t.Errorf("outcome %+v", o)
			}
			b, err := bundle.Open(os.DirFS(out))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			m := b.Manifest
			if m.Name != "my-model" || m.Task.Kind != test.task || len(m.Task.Labels) != test.labels || m.Encoder.Weights != test.weights {
				t.Errorf("manifest %+v, encoder %+v", m.Task, m.Encoder)
			}
			if len(m.Card.Evaluations) > 0 || !strings.Contains(strings.Join(m.Card.Limits, " "), "made no evaluation") || !strings.Contains(strings.Join(m.Card.Limits, " "), "uncalibrated") {
				t.Errorf("card %+v", m.Card)
			}
		})
	}
}

func TestImportPrints(t *testing.T) {
	out := filepath.Join(t.TempDir(), "my-model")
	code, text, errs := bedside(t, "import", filepath.Join(checkpoints, "whole"), "--out", out, "--device", "reference")
	if code != exitOK || errs != "" {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{
		"BERT of 2 layers of 32; one of 5 labels is right\n",
		"kept     41 tensors\n",
		"dropped  4 tensors that a classifier does not use: bert.embeddings.position_ids, cls.predictions.bias, cls.seq_relationship.bias, cls.seq_relationship.weight\n",
		" with int8 weights\n",
		"fitted   to invented notes: ",
		"8 invented notes, int8 weights on the device reference against float32:\n",
		"same top label", "largest logit difference", "smallest cosine",
		"32 of 32 texts",
		"nothing was measured on labelled notes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	card, err := os.ReadFile(filepath.Join(out, bundle.CardFile))
	if err != nil || !bytes.Contains(card, []byte("made no evaluation")) {
		t.Errorf("card %s, error %v", card, err)
	}
}

// TestImportWithoutHead imports the encoder of a classifier alone.
func TestImportWithoutHead(t *testing.T) {
	out := filepath.Join(t.TempDir(), "my-encoder")
	code, text, errs := bedside(t, "import", filepath.Join(checkpoints, "whole"), "--no-head", "--out", out, "--device", "reference")
	if code != exitOK || errs != "" {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{"BERT of 2 layers of 32; no head\n", "classifier.weight", "smallest cosine", `"bedside train --family head --encoder`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "same top label") {
		t.Errorf("labels are compared:\n%s", text)
	}
	b, err := bundle.Open(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	if m := b.Manifest; !slices.Equal(m.Task.Labels, []string{checkpoint.StandIn}) || m.Thresholds[0] <= 1 || !strings.Contains(m.Card.Summary, "answers nothing") {
		t.Errorf("task %+v, thresholds %v, card %+v", m.Task, m.Thresholds, m.Card)
	}
}

// TestImportFlags looks at what flags make of the manifest.
func TestImportFlags(t *testing.T) {
	out := filepath.Join(t.TempDir(), "m")
	about := write(t, "card.json", `{"name": "wards", "title": "Wards", "question": "Which ward?", "summary": "A test.", "limits": ["Invented."], "data_name": "Notes", "data_licence": "CC0"}`)
	labels := write(t, "labels.txt", "north\r\n\r\nsouth\neast\nwest\nattic\n")
	code, _, errs := bedside(t, "import", filepath.Join(checkpoints, "whole"), "--out", out, "--window", "20", "--overlap", "3", "--combine", "max-logits",
		"--multi-label", "--labels", labels, "--card", about, "--title", "Wards 2", "--case", "cased", "--device", "reference")
	if code != exitOK || !strings.Contains(errs, "no token of the vocabulary has any") {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	b, err := bundle.Open(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	m := b.Manifest
	if m.Name != "wards" || m.Title != "Wards 2" || m.Question != "Which ward?" || m.Card.Data[0].Licence != "CC0" || m.Card.Summary != "A test." || len(m.Card.Limits) != 3 {
		t.Errorf("%q, %q, %q, %+v", m.Name, m.Title, m.Question, m.Card)
	}
	if m.Task.Kind != weights.MultiLabel || !slices.Equal(m.Task.Labels, []string{"north", "south", "east", "west", "attic"}) {
		t.Errorf("task %+v", m.Task)
	}
	if c := m.Calibration; c.Kind != weights.Platt || len(c.Slope) != 5 || c.Slope[4] != 1 || c.Intercept[4] != 0 || m.Thresholds[4] != 0.5 {
		t.Errorf("calibration %+v, thresholds %v", c, m.Thresholds)
	}
	if want := (weights.Window{Tokens: 20, Overlap: 3, Combine: weights.MaxLogits}); m.Encoder.Window != want {
		t.Errorf("window %+v", m.Encoder.Window)
	}
	if m.Encoder.Tokenizer.Lowercase || m.Encoder.Tokenizer.StripAccents {
		t.Errorf("tokenizer %+v", m.Encoder.Tokenizer)
	}
}

// TestImportCalibrates gives notes in each form that is read, and looks that none of them is
// repeated.
func TestImportCalibrates(t *testing.T) {
	const secret = "The patient in bed nine denies everything"
	for _, test := range []struct {
		name, file, text string
		flags            []string
		notes            int
		err              string
	}{
		{"a note a line", "n.txt", secret + "\nfever and cough\nknee pain\n", nil, 3, ""},
		{"notes between blank lines", "n.txt", secret + "\nand has fever\n\n\ncough\r\n \r\nknee pain", nil, 3, ""},
		{"a CSV", "n.csv", "id,note\n1,\"" + secret + "\nfever\"\n2,\n3,cough\n", []string{"--text", "note"}, 2, ""},
		{"nothing", "n.txt", " \n\n", nil, 0, "there is no text to calibrate on"},
		{"a CSV without text", "n.csv", "id,note\n1,\n", []string{"--text", "note"}, 0, `column "note" has no text`},
		{"another column", "n.csv", "id,note\n1,x\n", []string{"--text", "text"}, 0, `there is no column "text"`},
		{"no text file", "n.txt", "\x00\x01\x02" + secret, nil, 0, "not a text file"},
		{"no letters", "n.txt", "\u200b\n", nil, 0, "has no tokens"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "m")
			code, text, errs := bedside(t, append([]string{"import", filepath.Join(checkpoints, "whole"), "--out", out, "--json", "--calibrate", write(t, test.file, test.text), "--device", "reference"}, test.flags...)...)
			if strings.Contains(text+errs, "bed nine") {
				t.Errorf("a note is repeated: %s%s", text, errs)
			}
			if test.err != "" {
				if code != exitFailed || !strings.Contains(errs, test.err) {
					t.Errorf("exit code %d: %s", code, errs)
				}
				return
			}
			var o imported
			if err := json.Unmarshal([]byte(text), &o); err != nil || code != exitOK || o.Calibration.Notes != test.notes {
				t.Errorf("exit code %d, %+v: %s", code, o.Calibration, errs)
			}
		})
	}
}

// rooms are invented notes of the five labels of the model "whole", two parts of a split, and
// logits that somebody gave them, the labels in another order.
func rooms(t *testing.T) (notes, split, logits string) {
	words := []string{"chest pain and cough", "fever after days", "knee pain, severe", "normal blood pressure", "arthritis, mild"}
	var data, parts, scored strings.Builder
	data.WriteString("note,room\n")
	parts.WriteString("row,part\n")
	scored.WriteString("row,label 4,label 3,label 2,label 1,label 0\n")
	for i := range 40 {
		l := i % 5
		fmt.Fprintf(&data, "\"%s, %d of %d\",label %d\n", words[l], i, 3*i, l)
		if i >= 30 {
			fmt.Fprintf(&parts, "%d,kept\n", i)
			continue
		}
		fmt.Fprintf(&parts, "%d,train\n", i)
		z := make([]string, 5)
		for k := range z {
			z[4-k] = strconv.Itoa((i*k)%7 - 3)
		}
		if i%4 > 0 { // three in four are right
			z[4-l] = "5"
		}
		fmt.Fprintf(&scored, "%d,%s\n", i, strings.Join(z, ","))
	}
	return write(t, "notes.csv", data.String()), write(t, "split.csv", parts.String()), write(t, "scores.csv", scored.String())
}

// importRooms imports the model with flags about these notes.
func importRooms(t *testing.T, flags ...string) (*weights.Manifest, imported, string, string) {
	t.Helper()
	notes, split, _ := rooms(t)
	out := filepath.Join(t.TempDir(), "m")
	code, text, errs := bedside(t, append([]string{"import", filepath.Join(checkpoints, "whole"), "--out", out, "--json", "--device", "reference",
		"--data", notes, "--text", "note", "--label", "room", "--split", split}, flags...)...)
	var o imported
	if err := json.Unmarshal([]byte(text), &o); err != nil || code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	b, err := bundle.Open(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	return b.Manifest, o, out, errs
}

// TestImportScores wants calibration and thresholds to be what train makes of the logits.
func TestImportScores(t *testing.T) {
	notes, split, logits := rooms(t)
	table, err := scores.Load(logits)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Load(notes, split, dataset.Options{Text: "note", Label: "room", Part: "train"})
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{}, {"--multi-label"}} {
		m, o, _, _ := importRooms(t, append(flags, "--scores", logits)...)
		z, err := table.Match(d, m.Task.Labels)
		if err != nil {
			t.Fatal(err)
		}
		targets, err := train.Targets(d, m.Task.Labels, len(flags) > 0)
		if err != nil {
			t.Fatal(err)
		}
		c, thresholds := train.Settle(z, targets)
		if !reflect.DeepEqual(m.Calibration, c) || !slices.Equal(m.Thresholds, thresholds) || c.Slope[0] == 1 {
			t.Errorf("calibration %+v, thresholds %v; want %+v, %v", m.Calibration, m.Thresholds, c, thresholds)
		}
		limits := strings.Join(m.Card.Limits, " ")
		if o.Fitted != 30 || strings.Contains(limits, "uncalibrated") || !strings.Contains(limits, "made no evaluation") ||
			!strings.Contains(m.Card.Training, `fitted on 30 notes of notes.csv, part "train": on logits`) {
			t.Errorf("fitted on %d; card %+v", o.Fitted, m.Card)
		}
		if s := m.Card.Data[0]; s.Rows != 40 || s.Examples != 30 || s.Part != "train" || s.SHA256 != d.SHA256 {
			t.Errorf("data %+v", s)
		}
	}
}

// TestImportScoresOfRareLabels: what no note has is never asserted, and the card says so.
func TestImportScoresOfRareLabels(t *testing.T) {
	notes := write(t, "notes.csv", "note,room\nchest pain,label 0\nfever,label 1;label 0\nknee pain,label 1\nno fever,\n")
	logits := write(t, "scores.csv", "row,label 0,label 1,label 2\n0,3,-2,-30\n1,1,2,-1\n2,-3,1,-2\n3,-2,-3,-2\n")
	out := filepath.Join(t.TempDir(), "m")
	args := []string{"import", filepath.Join(checkpoints, "sharded"), "--out", out, "--device", "reference",
		"--scores", logits, "--data", notes, "--text", "note", "--label", "room", "--label-separator", ";"}
	if code, _, errs := bedside(t, args...); code != exitFailed || !strings.Contains(errs, "row 3 (line 5): the label") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if code, _, errs := bedside(t, append(args, "--none")...); code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	b, err := bundle.Open(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	m := b.Manifest
	if m.Thresholds[2] != train.Never || m.Thresholds[0] > 1 || !slices.Contains(m.Card.Limits, "Labels that none of the notes has by which thresholds were chosen are never asserted: label 2.") {
		t.Errorf("thresholds %v, limits %q", m.Thresholds, m.Card.Limits)
	}
}

// TestImportMeasures wants import to measure what evaluate does.
func TestImportMeasures(t *testing.T) {
	notes, split, logits := rooms(t)
	for _, format := range []string{weights.Int8, weights.Float16, weights.Float32} {
		m, o, out, errs := importRooms(t, "--weights", format, "--measure", "kept", "--scores", logits)
		if errs != "" {
			t.Error(errs)
		}
		code, text, errs := bedside(t, "evaluate", "--bundle", out, "--data", notes, "--text", "note", "--label", "room", "--split", split, "--part", "kept", "--device", "reference", "--json")
		var want metrics.Report
		if err := json.Unmarshal([]byte(text), &want); err != nil || code != exitOK || errs != "" {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		v := o.Measured
		if v.Bundle.LatencyMS <= 0 || v.Float32.LatencyMS <= 0 {
			t.Errorf("latencies %g and %g", v.Bundle.LatencyMS, v.Float32.LatencyMS)
		}
		want.LatencyMS, v.Bundle.LatencyMS = 0, 0
		if !reflect.DeepEqual(v.Bundle, want) || v.Bundle.N != 10 || v.Part != "kept" {
			t.Errorf("import measured\n%+v, evaluate\n%+v", v.Bundle, want)
		}
		e := m.Card.Evaluations
		if len(e) != 1 || e[0].Protocol != `part "kept" of the split, unseen by training, calibration and thresholds` || !reflect.DeepEqual(e[0].Figures, evaluate.Figures(want)) {
			t.Errorf("evaluations %+v", e)
		}
		if len(m.Card.Limits) > 0 || m.Card.Data[0].Part != "train" {
			t.Errorf("limits %q, data %+v", m.Card.Limits, m.Card.Data)
		}
		if v.BundleBytes > v.Float32Bytes || (v.BundleBytes == v.Float32Bytes) != (format == weights.Float32) || v.Changed > 1 || format == weights.Float32 && v.Changed > 0 {
			t.Errorf("%d of %d bytes, %d changed", v.BundleBytes, v.Float32Bytes, v.Changed)
		}
		if told := strings.Contains(m.Card.Training, `On part "kept" macro-F1 is 0.`); told == (format == weights.Float32) {
			t.Errorf("training %q", m.Card.Training)
		}
	}
}

// TestImportKeepsMeasuredNotesFromCalibration counts what is left to calibrate on.
func TestImportKeepsMeasuredNotesFromCalibration(t *testing.T) {
	notes, _, _ := rooms(t)
	m, o, _, errs := importRooms(t, "--measure", "kept", "--calibrate", notes)
	if o.Calibration.Notes != 30 || len(o.Calibration.Layers) != 8+1 || o.Calibration.Layers[0].Name != "encoder.0.qkv" || errs != "" {
		t.Errorf("calibration %+v, messages %q", o.Calibration, errs)
	}
	if o.Fitted != 0 || !strings.Contains(strings.Join(m.Card.Limits, " "), "uncalibrated") || m.Calibration.Slope[0] != 1 || m.Card.Data != nil {
		t.Errorf("fitted on %d, card %+v", o.Fitted, m.Card)
	}
	text, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	all := "row,part\n"
	for i := range bytes.Count(text, []byte("\n")) - 1 {
		all += fmt.Sprintf("%d,kept\n", i)
	}
	code, _, errs := bedside(t, "import", filepath.Join(checkpoints, "whole"), "--out", filepath.Join(t.TempDir(), "m"), "--calibrate", notes,
		"--data", notes, "--text", "note", "--label", "room", "--split", write(t, "all.csv", all), "--measure", "kept")
	if code != exitFailed || !strings.Contains(errs, "every calibration note is also one to measure on") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// TestImportWarnsOfSharedNotes measures on a note that was trained on.
func TestImportWarnsOfSharedNotes(t *testing.T) {
	notes := write(t, "notes.csv", "note,room\nchest pain,label 0\nfever,label 1\nchest  pain,label 0\n")
	split := write(t, "split.csv", "row,part\n0,train\n1,train\n2,kept\n")
	out := filepath.Join(t.TempDir(), "m")
	code, text, errs := bedside(t, "import", filepath.Join(checkpoints, "whole"), "--out", out, "--device", "reference",
		"--data", notes, "--text", "note", "--label", "room", "--split", split, "--part", "train", "--measure", "kept")
	if code != exitOK || !strings.Contains(errs, `1 of the 1 notes of part "kept" also stand in part "train"`) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	for _, want := range []string{"measured on part \"kept\": 1 notes\n", "  macro-F1 ", "  another top label ", " of 1 notes, "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	card, err := os.ReadFile(filepath.Join(out, bundle.CardFile))
	if err != nil || !bytes.Contains(card, []byte("1 of whose notes also stand in the part trained on")) {
		t.Errorf("card %s, error %v", card, err)
	}
}

func TestFirst(t *testing.T) {
	texts := []string{"ab", "cd", "ef"}
	for _, test := range []struct{ most, bytes, want int }{{9, 9, 3}, {2, 9, 2}, {0, 9, 0}, {9, 0, 0}, {9, 1, 1}, {9, 2, 1}, {9, 3, 2}, {9, 6, 3}} {
		if got := first(texts, test.most, test.bytes); len(got) != test.want {
			t.Errorf("%d texts of %d bytes: %q", test.most, test.bytes, got)
		}
	}
}

func TestReadStart(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int64
		want  string
	}{
		{"fever", 9, "fever"}, {"fever", 5, "fever"}, {"fever", 3, "fev"}, {"", 4, ""},
		{"f\u00e9v", 2, "f"}, {"f\u00e9v", 3, "f\u00e9"}, {"\u96ea\u96ea", 5, "\u96ea"}, {"a\U0001f600", 4, "a"},
		{"\xe9", 9, "\xe9"},
	} {
		if got, err := readStart(write(t, "n.txt", test.text), test.limit); err != nil || string(got) != test.want {
			t.Errorf("%d bytes of %q: %q, error %v", test.limit, test.text, got, err)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	whole := filepath.Join(checkpoints, "whole")
	notes, split, logits := rooms(t)
	labelled := slices.Clip([]string{whole, "--data", notes, "--text", "note", "--label", "room", "--split", split})
	occupied := filepath.Dir(write(t, "notes.csv", "a,b\n"))
	spoilt := func(file, old, new string) string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(text, []byte(old), []byte(new), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("%s has no %q", file, old)
		}
		if err := os.WriteFile(filepath.Join(dir, file), changed, 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	tests := []struct {
		name string
		args []string
		code int
		err  string
	}{
		{"no model", []string{occupied}, exitFailed, "has no config.json"},
		{"no directory", []string{filepath.Join(occupied, "none")}, exitFailed, "there is no directory "},
		{"a file", []string{filepath.Join(whole, "config.json")}, exitFailed, "config.json is not a directory"},
		{"another architecture", []string{spoilt("config.json", "BertForSequenceClassification", "RobertaForSequenceClassification")}, exitFailed, `architecture "RobertaForSequenceClassification" is not supported`},
		{"a tensor missing", []string{spoilt("model.safetensors", "bert.pooler.dense.bias", "bert.pooler.dense.gone")}, exitFailed, "1 tensors are missing: pooler.dense.bias"},
		{"a header of 2^60 bytes", []string{spoilt("model.safetensors", "\x00\x00\x00\x00\x00{", "\x00\x00\x00\x00\x10{")}, exitFailed, "the header has 1152921504606851"},
		{"a wrong shape", []string{spoilt("config.json", `"intermediate_size": 50`, `"intermediate_size": 51`)}, exitFailed, "want [51 32]"},
		{"no special tokens", []string{spoilt("vocab.txt", "[SEP]", "<sep>")}, exitFailed, `"[SEP]"`},
		{"no labels", []string{whole, "--labels", write(t, "labels.txt", "\n\n")}, exitFailed, "there are no labels"},
		{"too few labels", []string{whole, "--labels", write(t, "labels.txt", "a\nb\n")}, exitFailed, "2 labels for a model of 5 outputs"},
		{"a directory that is taken", []string{whole, "--out", occupied}, exitFailed, "is not a bundle; choose another directory"},
		{"a window too wide", []string{whole, "--window", "49"}, exitUsage, "--window 49: want 8 to the model's 48 positions"},
		{"a window too narrow", []string{whole, "--window", "7"}, exitUsage, "--window 7: want 8"},
		{"an overlap too wide", []string{whole, "--window", "20", "--overlap", "10"}, exitUsage, "--overlap 10: want 0 to 9"},
		{"an overlap below nothing", []string{whole, "--overlap=-1"}, exitUsage, "--overlap -1"},
		{"a column without a file", []string{whole, "--text", "note"}, exitUsage, "--text needs --calibrate or --data"},
		{"notes for nothing", []string{whole, "--data", notes, "--text", "note", "--label", "room"}, exitUsage, "are for --scores and --measure"},
		{"a split for nothing", []string{whole, "--split", split}, exitUsage, "are for --scores and --measure"},
		{"scores without notes", []string{whole, "--scores", logits}, exitUsage, "need --data, --text and --label"},
		{"scores without a head", []string{whole, "--scores", logits, "--no-head"}, exitUsage, "not with --no-head"},
		{"measuring without a split", []string{whole, "--data", notes, "--text", "note", "--label", "room", "--measure", "kept"}, exitUsage, "--part and --measure need --split"},
		{"measuring what was trained on", append(labelled, "--scores", logits, "--measure", "train"), exitUsage, "measure on another"},
		{"an unknown part", append(labelled, "--measure", "attic"), exitFailed, `the split has no part "attic"`},
		{"scores of another part", append(labelled, "--scores", logits, "--part", "kept"), exitFailed, "scores.csv: row 30 of the data has no logits"},
		{"damaged scores", append(labelled, "--scores", notes), exitFailed, `notes.csv: the first column is not "row"`},
		{"scores of other labels", append(labelled, "--scores", logits, "--labels", write(t, "labels.txt", "a\nb\nc\nd\ne\n")), exitFailed, `no logits of label "a"`},
		{"a CSV without its column", []string{whole, "--calibrate", write(t, "n.CSV", "id,note\n1,fever\n")}, exitUsage, "--calibrate with a CSV needs --text"},
		{"calibration of floats", []string{whole, "--weights", "float32", "--calibrate", write(t, "n.txt", "fever")}, exitUsage, "--calibrate is for --weights int8"},
		{"a name that cannot be", []string{whole, "--name", "My Model"}, exitUsage, `--name "My Model"`},
		{"labels without a head", []string{whole, "--no-head", "--multi-label"}, exitUsage, "not with --no-head"},
		{"unknown weights", []string{whole, "--weights", "int4"}, exitUsage, "must be one of"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"import"}, test.args...)
			out := filepath.Join(t.TempDir(), "m")
			if !slices.Contains(args, "--out") {
				args = append(args, "--out", out)
			}
			code, text, errs := bedside(t, args...)
			if code != test.code || !strings.Contains(errs, test.err) || text != "" && test.code != exitUsage {
				t.Errorf("exit code %d, want %d with %q: %s%s", code, test.code, test.err, text, errs)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("something was written")
			}
		})
	}
}

func TestImportInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := filepath.Join(t.TempDir(), "m")
	stderr := &stopper{stop: stop}
	var stdout bytes.Buffer
	code := run(ctx, []string{"import", filepath.Join(checkpoints, "whole"), "--out", out}, streams{strings.NewReader(""), &stdout, stderr, true})
	if code != exitInterrupted || !strings.HasSuffix(stderr.text.String(), "bedside: interrupted\n") || stdout.Len() > 0 {
		t.Errorf("exit code %d, message %q, printed %q", code, stderr.text.String(), stdout.String())
	}
	if left := list(t, filepath.Dir(out)); strings.Contains(left, out) {
		t.Errorf("left behind:\n%s", left)
	}
}
