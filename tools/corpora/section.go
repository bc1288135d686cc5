package main

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The parts of MTS-Dialog that section.csv joins, and what the two splits call each.
var dialogueParts = []struct{ file, part, fitted string }{
	{"MTS-Dialog-TrainingSet.csv", "training", "train"},
	{"MTS-Dialog-ValidationSet.csv", "validation", "train"},
	{"MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv", "test 1", "test 1"},
}

// section writes dialogues.csv, MTS-Dialog; texts.csv, the section that each dialogue became,
// under its row; reports.csv, sections of other reports; plain.csv, texts without labels that
// share no passage with any of MTS-Dialog; and two splits: parts.csv, and fitted.csv, where
// training and validation are one part.
func section(data, out string) error {
	dialogues := [][]string{{"row", "text", "section"}}
	texts := [][]string{{"row", "text", "section"}}
	parts, fitted := [][]string{{"row", "part"}}, [][]string{{"row", "part"}}
	kept, spoken := shingles{}, shingles{}
	for _, p := range dialogueParts {
		rows, err := readFile(filepath.Join(data, "mts-dialog", p.file), "section_header", "section_text", "dialogue")
		if err != nil {
			return err
		}
		for _, r := range rows {
			id := strconv.Itoa(len(dialogues) - 1)
			dialogues = append(dialogues, []string{id, r["dialogue"], r["section_header"]})
			texts = append(texts, []string{id, r["section_text"], r["section_header"]})
			parts, fitted = append(parts, []string{id, p.part}), append(fitted, []string{id, p.fitted})
			kept.add(r["section_text"])
			spoken.add(r["dialogue"])
		}
	}
	reports, err := reportSections(filepath.Join(data, "mtsamples", "mtsamples.csv"), kept)
	if err != nil {
		return err
	}
	maps.Copy(spoken, kept)
	unlabelled, err := plain(filepath.Join(data, "corpus"), spoken)
	if err != nil {
		return err
	}
	for name, rows := range map[string][][]string{
		"dialogues.csv": dialogues, "texts.csv": texts, "parts.csv": parts, "fitted.csv": fitted, "reports.csv": reports, "plain.csv": unlabelled,
	} {
		if err := write(out, name, rows); err != nil {
			return err
		}
	}
	return nil
}

// Bounds on what is taken from other reports: as many sections of a kind as the most
// common kinds have dialogues, and of each no more words than dialogues have.
const (
	maxSections = 250
	maxWords    = 250
)

// reportSections takes reports apart at their headings. MTS-Dialog was made from reports of
// the same collection: those that share a passage with it are left out whole.
func reportSections(path string, kept shingles) ([][]string, error) {
	rows, err := readFile(path, "transcription")
	if err != nil {
		return nil, err
	}
	out, seen, taken := [][]string{{"text", "section"}}, map[string]bool{}, map[string]int{}
	for _, r := range rows {
		report := strings.Join(strings.Fields(r["transcription"]), " ")
		if seen[report] || kept.sharesWith(report) {
			continue
		}
		seen[report] = true
		for _, s := range split(report) {
			if key := s.label + "\n" + strings.ToLower(s.text); !seen[key] && taken[s.label] < maxSections {
				seen[key] = true
				taken[s.label]++
				out = append(out, []string{s.text, s.label})
			}
		}
	}
	return out, nil
}

type part struct{ label, text string }

var heading = regexp.MustCompile(`(?:^|[,.\s])([A-Z][A-Z0-9 /&'()-]{2,60}):[,\s]`)

// split gives the sections of a report whose headings tell their kind.
func split(report string) []part {
	var out []part
	found := heading.FindAllStringSubmatchIndex(report, -1)
	for i, at := range found {
		label, known := headings[strings.TrimSpace(report[at[2]:at[3]])]
		end := len(report)
		if i+1 < len(found) {
			end = found[i+1][2]
		}
		words := strings.Fields(strings.Trim(report[at[3]+1:end], " ,"))
		if known && len(words) > 0 {
			out = append(out, part{label, strings.Join(words[:min(len(words), maxWords)], " ")})
		}
	}
	return out
}

// headings of reports, by the section of MTS-Dialog that they open.
var headings = func() map[string]string {
	out := map[string]string{}
	for label, list := range map[string]string{
		"FAM/SOCHX":     "FAMILY HISTORY,SOCIAL HISTORY,FHX,SHX,SHX/FHX,FAMILY SOCIAL HISTORY,FAMILY MEDICAL HISTORY,PERSONAL HISTORY,HABITS,FAMILY AND SOCIAL HISTORY",
		"GENHX":         "HISTORY OF PRESENT ILLNESS,HISTORY,BRIEF HISTORY,HPI,HISTORY OF PRESENTING ILLNESS,INTERVAL HISTORY,SUBJECTIVE",
		"PASTMEDICALHX": "PAST MEDICAL HISTORY,PMH,MEDICAL HISTORY,PAST HISTORY",
		"CC":            "CHIEF COMPLAINT,CHIEF COMPLAINTS,REASON FOR VISIT,REASON FOR CONSULTATION,REASON FOR CONSULT",
		"PASTSURGICAL":  "PAST SURGICAL HISTORY,PSH,SURGICAL HISTORY",
		"ALLERGY":       "ALLERGIES,ALLERGIES TO MEDICATIONS,DRUG ALLERGIES",
		"ROS":           "REVIEW OF SYSTEMS,REVIEW OF SYSTEM,ROS",
		"MEDICATIONS":   "MEDICATIONS,CURRENT MEDICATIONS,MEDS,MEDICATION,HOME MEDICATIONS,MEDICATIONS AT HOME,DISCHARGE MEDICATIONS,PRESENT MEDICATIONS",
		"ASSESSMENT":    "ASSESSMENT,IMPRESSION,ASSESSMENT AND PLAN,IMPRESSION AND PLAN,ASSESSMENT/PLAN,IMPRESSION/PLAN",
		"EXAM":          "PHYSICAL EXAMINATION,PHYSICAL EXAM,EXAM,OBJECTIVE,VITAL SIGNS",
		"DIAGNOSIS":     "DIAGNOSIS,DIAGNOSES,DISCHARGE DIAGNOSES,DISCHARGE DIAGNOSIS,FINAL DIAGNOSIS,FINAL DIAGNOSES,ADMISSION DIAGNOSIS,ADMITTING DIAGNOSIS",
		"DISPOSITION":   "DISPOSITION,CONDITION,DISCHARGE CONDITION,CONDITION ON DISCHARGE",
		"PLAN":          "PLAN,PLANS,RECOMMENDATIONS,RECOMMENDATION,TREATMENT PLAN,FOLLOWUP",
		"EDCOURSE":      "EMERGENCY DEPARTMENT COURSE,ED COURSE,EMERGENCY ROOM COURSE,HOSPITAL COURSE,COURSE IN THE HOSPITAL,COURSE IN THE EMERGENCY DEPARTMENT",
		"IMMUNIZATIONS": "IMMUNIZATIONS,IMMUNIZATION",
		"IMAGING":       "IMAGING,IMAGING STUDIES,RADIOLOGY,RADIOLOGIC STUDIES,RADIOLOGICAL DATA,X-RAY,X-RAYS,DIAGNOSTIC STUDIES,CT SCAN,MRI,REASON FOR EXAM",
		"GYNHX":         "GYNECOLOGIC HISTORY,GYNECOLOGICAL HISTORY,GYN HISTORY,OB HISTORY,OBSTETRIC HISTORY,OBSTETRICAL HISTORY,OB/GYN HISTORY,MENSTRUAL HISTORY,PAST OB HISTORY,PAST OB/GYN HISTORY,PAST GYNECOLOGIC HISTORY,PAST OBSTETRICAL HISTORY",
		"PROCEDURES":    "PROCEDURES,PROCEDURE,PROCEDURES PERFORMED,PROCEDURE PERFORMED",
		"LABS":          "LABORATORY DATA,LABS,LAB,LABORATORY,LABORATORY STUDIES,LABORATORY EXAMINATION,LABORATORY FINDINGS,LABORATORY RESULTS,LABORATORY VALUES,LABORATORY TESTS",
		"OTHER_HISTORY": "BIRTH HISTORY,PSYCHIATRIC HISTORY,PAST PSYCHIATRIC HISTORY,DEVELOPMENTAL HISTORY,LEGAL HISTORY,SLEEP HISTORY,TRAVEL HISTORY",
	} {
		for _, h := range strings.Split(list, ",") {
			out[h] = label
		}
	}
	return out
}()

// shingle is the number of words in a row that make a shared passage.
const shingle = 8

// shingles are passages, in lower-case letters and digits.
type shingles map[string]bool

func (s shingles) add(text string) {
	for _, p := range passages(text) {
		s[p] = true
	}
}

func (s shingles) sharesWith(text string) bool {
	return slices.ContainsFunc(passages(text), func(p string) bool { return s[p] })
}

var letters = regexp.MustCompile(`[a-z0-9]+`)

func passages(text string) []string {
	words := letters.FindAllString(strings.ToLower(text), -1)
	var out []string
	for i := 0; i+shingle <= len(words); i++ {
		out = append(out, strings.Join(words[i:i+shingle], " "))
	}
	return out
}
