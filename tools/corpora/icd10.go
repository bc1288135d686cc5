package main

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// frequent is how many of the most frequent codes the column "frequent" keeps.
const frequent = 50

// between separates codes in a cell: their titles have commas and semicolons.
const between = "|"

// icd10 writes cases.csv, the CodiEsp cases in English with their codes, each with its
// title: all of them, and those among the 50 that most cases have.
func icd10(data, out string) error {
	titles, err := titleOf(filepath.Join(data, "icd10", "icd10cm_2021.csv.gz"))
	if err != nil {
		return err
	}
	var texts []string
	var codes [][]string
	cases := map[string]int{} // by code
	for _, part := range []string{"codiesp-train.csv", "codiesp-dev.csv"} {
		rows, err := readFile(filepath.Join(data, "codiesp", part), "text", "icd10cm")
		if err != nil {
			return err
		}
		for _, c := range rows {
			of := distinct(c["icd10cm"])
			for _, code := range of {
				cases[code]++
			}
			texts, codes = append(texts, c["text"]), append(codes, of)
		}
	}
	common := mostCommon(cases, frequent)
	rows := [][]string{{"row", "text", "codes", "frequent"}}
	for i, of := range codes {
		var all, few []string
		for _, code := range of {
			named := strings.TrimSpace(code + " " + titles(code))
			if all = append(all, named); common[code] {
				few = append(few, named)
			}
		}
		rows = append(rows, []string{strconv.Itoa(i), texts[i], strings.Join(all, between), strings.Join(few, between)})
	}
	return write(out, "cases.csv", rows)
}

// distinct gives the codes of a cell, in upper case and in order.
func distinct(cell string) []string {
	var out []string
	for _, code := range strings.Split(cell, ";") {
		if code = strings.ToUpper(strings.TrimSpace(code)); code != "" {
			out = append(out, code)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// mostCommon gives the n codes with most cases; of equals, the first in order.
func mostCommon(cases map[string]int, n int) map[string]bool {
	var order []string
	for code := range cases {
		order = append(order, code)
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Or(cases[b]-cases[a], strings.Compare(a, b)) })
	out := map[string]bool{}
	for _, code := range order[:min(n, len(order))] {
		out[code] = true
	}
	return out
}

// titleOf looks titles up: of a code that ICD-10-CM of that year does not have, such as one
// cut short of its last character, the title of the category that it stands in.
func titleOf(path string) (func(code string) string, error) {
	rows, err := readCodes(path)
	if err != nil {
		return nil, err
	}
	titles := map[string]string{}
	for _, r := range rows {
		titles[r["code"]] = r["long"]
	}
	return func(code string) string {
		for key := strings.ReplaceAll(code, ".", ""); key != ""; key = key[:len(key)-1] {
			if title, ok := titles[key]; ok {
				return title
			}
		}
		return ""
	}, nil
}
