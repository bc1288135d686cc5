package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The corpora of text without labels that word vectors for section are made of.
var plainCorpora = []string{"mtsamples_unique", "aci_bench", "primock57", "medquad", "openstax_nursing", "codiesp_en"}

// plain gives the texts of corpora that share no passage with those kept.
func plain(dir string, kept shingles) ([][]string, error) {
	out := [][]string{{"text"}}
	for _, name := range plainCorpora {
		path := filepath.Join(dir, name+".jsonl.gz")
		err := eachText(path, func(text string) {
			if !kept.sharesWith(text) {
				out = append(out, []string{text})
			}
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return out, nil
}

// eachText visits the texts of a compressed file of JSON objects, one a line.
func eachText(path string, visit func(text string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return err
	}
	for d := json.NewDecoder(unpacked); ; {
		var document struct{ Text string }
		if err := d.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		visit(document.Text)
	}
}
