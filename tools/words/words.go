// Package words makes, reads and writes word vectors: places in a space where words
// that are used alike lie close. A classifier that learned from few notes asks them
// about words that its notes never used.
package words

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Vectors are words and their places.
type Vectors struct {
	Words []string  // distinct
	Width int       // numbers of a vector
	Value []float32 // [words][width], each vector of length 1

	SHA256 string // of the file's bytes, lower-case hex; "" where Load did not read one
}

// Limits on what is read.
const (
	MaxWords     = 1 << 20
	MaxWidth     = 1024
	MaxWordBytes = 256
	maxLine      = 64 << 10
)

// Of is the vector of the word at a position.
func (v *Vectors) Of(word int) []float32 { return v.Value[word*v.Width : (word+1)*v.Width] }

// Load reads the file at path.
func Load(path string) (*Vectors, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	v, err := Read(io.TeeReader(f, sum))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	v.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return v, nil
}

// Read reads the text format that word2vec, GloVe and fastText share: a word a line and
// its numbers, with blanks between; maybe a first line with the count of both. Vectors
// are brought to length 1; words whose numbers are all 0 have no place and are left out.
func Read(from io.Reader) (*Vectors, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	v, seen := &Vectors{}, map[string]bool{}
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if n == 1 && isHeader(fields) || len(fields) == 0 {
			continue
		}
		if err := v.add(fields, seen); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("a line after %d words is longer than %d bytes; is this a text file of word vectors?", len(seen), maxLine)
	case err != nil:
		return nil, err
	case len(v.Words) == 0:
		return nil, errors.New("no word vectors: want a word a line, and its numbers")
	}
	return v, nil
}

func isHeader(fields []string) bool {
	if len(fields) != 2 {
		return false
	}
	for _, f := range fields {
		if _, err := strconv.Atoi(f); err != nil {
			return false
		}
	}
	return true
}

func (v *Vectors) add(fields []string, seen map[string]bool) error {
	word, numbers := fields[0], fields[1:]
	if v.Width == 0 {
		v.Width = len(numbers)
	}
	switch {
	case v.Width < 1 || v.Width > MaxWidth:
		return fmt.Errorf("a word with %d numbers, want 1 to %d", v.Width, MaxWidth)
	case len(numbers) != v.Width:
		return fmt.Errorf("a word with %d numbers, want %d as before", len(numbers), v.Width)
	case len(word) > MaxWordBytes || !utf8.ValidString(word):
		return fmt.Errorf("a word that is no UTF-8, or longer than %d bytes", MaxWordBytes)
	case len(seen) == MaxWords:
		return fmt.Errorf("more than %d words; leave out the rare ones", MaxWords)
	case seen[word]:
		return fmt.Errorf("%q stands twice", word)
	}
	seen[word] = true
	vector := make([]float64, v.Width)
	for i, number := range numbers {
		x, err := strconv.ParseFloat(number, 32)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%q: %.32q is no number", word, number)
		}
		vector[i] = x
	}
	v.place(word, vector)
	return nil
}

// place adds a word, its vector brought to length 1.
func (v *Vectors) place(word string, vector []float64) {
	squares := 0.0
	for _, x := range vector {
		squares += x * x
	}
	if squares == 0 {
		return
	}
	v.Words = append(v.Words, word)
	for _, x := range vector {
		v.Value = append(v.Value, float32(x/math.Sqrt(squares)))
	}
}

// Write writes what Read reads, with five digits.
func (v *Vectors) Write(to io.Writer) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "%d %d\n", len(v.Words), v.Width)
	for i, word := range v.Words {
		w.WriteString(word)
		for _, x := range v.Of(i) {
			w.WriteByte(' ')
			w.WriteString(strconv.FormatFloat(float64(x), 'g', 5, 32))
		}
		w.WriteByte('\n')
	}
	return w.Flush()
}
