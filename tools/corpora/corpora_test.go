package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestChapters(t *testing.T) {
	for codes, want := range map[string][]string{
		"A23.9; i83.90":           {"Cardiovascular", "Infectious Disease"},
		"C7A.00;D3A.01;D49.9;D50": {"Blood Disorders", "Neoplasms"},
		"H95;G00;":                {"Nervous System"},
		"U07.1;V00;Z20.818":       {"Supplementary"},
		"O80;P00;Q62.11;R31.9":    {"Congenital Anomalies", "Perinatal Conditions", "Pregnancy Complications", "Symptoms/Ill-defined"},
	} {
		if got, err := chapters(codes); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", codes, got, err, want)
		}
	}
	for _, code := range []string{"A1", "1A0", "QQQ", "fever"} {
		if c, err := chapters(code); err == nil {
			t.Errorf("%s stands in %q", code, c)
		}
	}
}

func TestTitlesOfCodes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "codes.csv.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	packed := gzip.NewWriter(f)
	fmt.Fprint(packed, "code,long\nW19,Unspecified fall\nW19XXXA,\"Unspecified fall, initial encounter\"\nR52,Pain\n")
	if err := errors.Join(packed.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	titles, err := titleOf(path)
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{"R52": "Pain", "W19.XXXA": "Unspecified fall, initial encounter", "W19.XXX": "Unspecified fall", "Q1": ""} {
		if got := titles(code); got != want {
			t.Errorf("%s has the title %q, want %q", code, got, want)
		}
	}
}

func TestMostCommonCodes(t *testing.T) {
	got := mostCommon(map[string]int{"A": 1, "B": 2, "C": 2, "D": 3}, 2)
	if want := map[string]bool{"D": true, "B": true}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := distinct(" r52;;I10;R52 "); !slices.Equal(got, []string{"I10", "R52"}) {
		t.Errorf("%q", got)
	}
}

func TestSplit(t *testing.T) {
	report := "CHIEF COMPLAINT:, Hiccups for a week.,ALLERGIES: None known.,SHOE SIZE: 43.,PLAN:"
	want := []part{{"CC", "Hiccups for a week."}, {"ALLERGY", "None known."}}
	if got := split(report); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReportsThatDialoguesCameFromAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reports.csv")
	const known = "the invented patient hiccups every single morning before tea"
	reports := "transcription\n" +
		"\"PLAN: The Invented patient, hiccups every single morning - before tea.\"\n" +
		"PLAN: drink water upside down.\nPLAN:  drink water upside down.\n"
	if err := os.WriteFile(path, []byte(reports), 0o600); err != nil {
		t.Fatal(err)
	}
	kept := shingles{}
	kept.add(known)
	got, err := reportSections(path, kept)
	if want := [][]string{{"text", "section"}, {"drink water upside down.", "PLAN"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestPlainTextsThatShareAPassageAreLeftOut(t *testing.T) {
	dir, kept := t.TempDir(), shingles{}
	kept.add("Doctor: so the hiccups began every morning before tea?")
	for _, name := range plainCorpora {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		fmt.Fprintf(w, "{\"text\": \"An invented page of %s.\"}\n", name)
		fmt.Fprintln(w, `{"text": "She said: so the hiccups began every morning before tea, and left.", "id": 2}`)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".jsonl.gz"), packed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := plain(dir, kept)
	if err != nil || len(got) != 1+len(plainCorpora) || got[1][0] != "An invented page of "+plainCorpora[0]+"." {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, plainCorpora[0]+".jsonl.gz"), []byte("plain"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := plain(dir, kept); err == nil || !strings.Contains(err.Error(), plainCorpora[0]) {
		t.Errorf("a file that is not compressed: %v", err)
	}
}

// TestShared runs on the corpora beside the checkout.
func TestShared(t *testing.T) {
	data := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(data); err != nil {
		t.Skipf("needs the shared data beside the repository: %v", err)
	}
	for model, files := range map[string]map[string]int{
		"section":  {"dialogues.csv": 1501, "texts.csv": 1501, "parts.csv": 1501, "fitted.csv": 1501},
		"category": {"cases.csv": 750, "titles.csv": 239},
		"icd10":    {"cases.csv": 750},
	} {
		out := t.TempDir()
		if err := run([]string{model, data, out}); err != nil {
			t.Fatal(err)
		}
		for file, want := range files {
			rows, err := readFile(filepath.Join(out, file))
			if err != nil || len(rows) != want {
				t.Errorf("%s has %d rows, want %d (%v)", file, len(rows), want, err)
			}
		}
	}
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"section"}, {"poems", "a", t.TempDir()}} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), "section") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
