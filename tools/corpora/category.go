package main

import (
	"cmp"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// category writes cases.csv, the CodiEsp cases in English with the chapters of their codes,
// and titles.csv, the titles of ICD-10-CM with theirs, a row for all codes of the same first
// two characters.
func category(data, out string) error {
	rows := [][]string{{"row", "text", "categories"}}
	for _, part := range []string{"codiesp-train.csv", "codiesp-dev.csv"} {
		cases, err := readFile(filepath.Join(data, "codiesp", part), "text", "icd10cm")
		if err != nil {
			return err
		}
		for _, c := range cases {
			chapters, err := chapters(c["icd10cm"])
			if err != nil {
				return fmt.Errorf("%s: %w", part, err)
			}
			rows = append(rows, []string{strconv.Itoa(len(rows) - 1), c["text"], strings.Join(chapters, ";")})
		}
	}
	if err := write(out, "cases.csv", rows); err != nil {
		return err
	}
	titles, err := titles(filepath.Join(data, "icd10", "icd10cm_2021.csv.gz"))
	if err != nil {
		return err
	}
	return write(out, "titles.csv", titles)
}

// chapters gives the distinct chapters of codes that semicolons separate.
func chapters(codes string) ([]string, error) {
	var out []string
	for _, code := range strings.Split(codes, ";") {
		if code = strings.TrimSpace(code); code == "" {
			continue
		}
		c, err := chapter(code)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// chapter names the chapter of ICD-10-CM that a code stands in. Eyes and ears count with
// nerves; causes, contacts and special codes are supplementary.
func chapter(code string) (string, error) {
	code = strings.ToUpper(code)
	if len(code) < 3 || code[1] < '0' || code[1] > '9' {
		return "", fmt.Errorf("%q is no code of ICD-10-CM", code)
	}
	if code[0] == 'D' {
		if code[1] < '5' {
			return "Neoplasms", nil
		}
		return "Blood Disorders", nil
	}
	if c, ok := byLetter[code[0]]; ok {
		return c, nil
	}
	return "", fmt.Errorf("%q is no code of ICD-10-CM", code)
}

var byLetter = map[byte]string{
	'A': "Infectious Disease", 'B': "Infectious Disease", 'C': "Neoplasms", 'E': "Endocrine", 'F': "Mental Disorders",
	'G': "Nervous System", 'H': "Nervous System", 'I': "Cardiovascular", 'J': "Respiratory", 'K': "Digestive",
	'L': "Skin Disorders", 'M': "Musculoskeletal", 'N': "Genitourinary", 'O': "Pregnancy Complications",
	'P': "Perinatal Conditions", 'Q': "Congenital Anomalies", 'R': "Symptoms/Ill-defined",
	'S': "Injuries/Poisonings", 'T': "Injuries/Poisonings", 'U': "Supplementary", 'V': "Supplementary",
	'W': "Supplementary", 'X': "Supplementary", 'Y': "Supplementary", 'Z': "Supplementary",
}

// maxTitles bounds the bytes of a row's titles: some, of injuries, have thousands.
const maxTitles = 20000

func titles(path string) ([][]string, error) {
	codes, err := readCodes(path)
	if err != nil {
		return nil, err
	}
	// The general titles of a row come first.
	slices.SortStableFunc(codes, func(a, b record) int {
		return cmp.Or(strings.Compare(prefix(a), prefix(b)), len(a["code"])-len(b["code"]))
	})
	out := [][]string{{"text", "categories"}}
	last, known := "", map[string]bool{}
	for _, c := range codes {
		label, err := chapter(c["code"])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if prefix(c) != last {
			last = prefix(c)
			clear(known)
			out = append(out, []string{"", label})
		}
		text := &out[len(out)-1][0]
		if title := c["long"]; !known[title] && len(*text)+len(title) < maxTitles {
			known[title] = true
			*text += title + ". "
		}
	}
	return out, nil
}

// readCodes gives the codes of ICD-10-CM with their long titles.
func readCodes(path string) ([]record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	codes, err := read(unpacked, "code", "long")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return codes, nil
}

func prefix(of record) string { return of["code"][:min(2, len(of["code"]))] }
