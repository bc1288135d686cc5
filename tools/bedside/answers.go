package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// kept is where the answers of a run are kept. They hold probabilities and labels, and no
// text.
type kept struct {
	file  string // "" where none are kept
	key   string // of the run's flags and files
	found *asked // nil where there are none for the key
}

type keptFile struct {
	Key   string
	Asked *asked
}

// kept looks for the answers of a run.
func (r *reporting) kept(a *asking, name string) (kept, error) {
	if r.Answers == "" {
		return kept{}, nil
	}
	if err := os.MkdirAll(r.Answers, 0o777); err != nil {
		return kept{}, err
	}
	k := kept{file: filepath.Join(r.Answers, name+".json.gz")}
	var err error
	if k.key, err = runKey(a.command); err != nil {
		return k, err
	}
	file, err := os.Open(k.file)
	if err != nil {
		return k, nil // none yet
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		return k, nil // damaged: made anew
	}
	var held keptFile
	if json.NewDecoder(text).Decode(&held) == nil && held.Key == k.key {
		k.found = held.Asked
	}
	return k, nil
}

func (k kept) keep(a *asked) error {
	if k.file == "" {
		return nil
	}
	file, err := os.Create(k.file)
	if err != nil {
		return err
	}
	text := gzip.NewWriter(file)
	err = json.NewEncoder(text).Encode(keptFile{k.key, a})
	if e := text.Close(); err == nil {
		err = e
	}
	if e := file.Close(); err == nil {
		err = e
	}
	return err
}

// layout is of what is kept about a run: answers of another are made anew.
const layout = "2"

// runKey is a hash of a command line and of the files that it names.
func runKey(args []string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", layout)
	for _, arg := range args {
		fmt.Fprintf(sum, "%q\n", arg)
		_, value, _ := strings.Cut(arg, "=")
		info, err := os.Stat(value)
		switch {
		case err != nil:
			continue // no file, or its command will say so
		case info.IsDir(): // a bundle: its manifest pins the rest
			value = filepath.Join(value, "manifest.json")
		}
		file, err := os.Open(value)
		if err != nil {
			continue
		}
		_, err = io.Copy(sum, file)
		file.Close()
		if err != nil {
			return "", fmt.Errorf("%s: %w", value, err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
