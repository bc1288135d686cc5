// Command corpora makes CSV files that "bedside train" reads from the corpora beside this
// checkout. What it writes holds their texts, and so belongs outside the repository.
package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "corpora:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want: corpora section|category|icd10 DATA OUT, DATA being the directory of the corpora")
	}
	data, out := args[1], args[2]
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	switch args[0] {
	case "section":
		return section(data, out)
	case "category":
		return category(data, out)
	case "icd10":
		return icd10(data, out)
	}
	return fmt.Errorf("%q is no model of these: want section, category or icd10", args[0])
}

// record is a row of a CSV file, by column.
type record map[string]string

// read gives the rows of a CSV file that has the columns.
func read(r io.Reader, columns ...string) ([]record, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no header")
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	var out []record
	for _, row := range rows[1:] {
		of := record{}
		for _, c := range columns {
			i, ok := at[c]
			if !ok {
				return nil, fmt.Errorf("there is no column %q", c)
			}
			of[c] = row[i]
		}
		out = append(out, of)
	}
	return out, nil
}

func readFile(path string, columns ...string) ([]record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := read(f, columns...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rows, nil
}

func write(dir, name string, rows [][]string) error {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	if err := w.WriteAll(rows); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
