package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bedside/tools/dataset"
	"bedside/wasm/tfidf"
)

const notes = "../../../shared/data/mtsamples/mtsamples.csv"

// TestFeaturesAgreeWithScikitLearn holds vocabulary and every value on real notes to
// scikit-learn's, for each feature block that can be asked for.
func TestFeaturesAgreeWithScikitLearn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	if _, err := os.Stat(notes); err != nil {
		t.Skip("the notes are not beside this checkout: ", err)
	}
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import sklearn").Run(); err != nil {
		t.Skip("scikit-learn is not installed (Debian: python3-sklearn): ", err)
	}
	data, err := dataset.Load(notes, "", dataset.Options{Text: "transcription", Label: "medical_specialty"})
	if err != nil {
		t.Fatal(err)
	}
	if len(data.Examples) != 4213 {
		t.Fatalf("%d notes, want 4213", len(data.Examples))
	}
	texts, all := make([]string, len(data.Examples)), make([]int, len(data.Examples))
	for i, e := range data.Examples {
		texts[i], all[i] = e.Text, i
	}
	for _, f := range Features() {
		if len(f.Blocks) != 1 {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			dir, limit := t.TempDir(), len(texts)
			if f.Name != "notebook" {
				limit = 600 // the analyzers are what differs; a part shows it as well
			}
			dump := exec.Command(python, "../encoder/sklearn_features.py", "--data", notes, "--text", "transcription",
				"--features", f.Name, "--limit", strconv.Itoa(limit), "--repeat", "1", "--out", dir)
			if out, err := dump.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			corpus, err := Analyze(context.Background(), Text, f.Blocks[0], 0, texts[:limit])
			if err != nil {
				t.Fatal(err)
			}
			v, err := corpus.Fit(all[:limit])
			if err != nil {
				t.Fatal(err)
			}
			compare(t, dir, f.Blocks[0], v, corpus, all[:limit])
		})
	}
}

func compare(t *testing.T, dir string, b Block, v *Vocabulary, corpus *Corpus, all []int) {
	terms := strings.Split(string(read(t, dir, "terms.txt")), "\n")
	if len(terms) != len(v.Keys) {
		t.Fatalf("%d terms, scikit-learn has %d", len(v.Keys), len(terms))
	}
	position := map[uint64]int32{}
	for i, key := range v.Keys {
		position[key] = int32(i)
	}
	ours := make([]int32, len(terms)) // our column by theirs
	for i, term := range terms {
		at, ok := position[keyOf(t, b, term)]
		if !ok {
			t.Fatalf("term %d is not in our vocabulary", i)
		}
		ours[i] = at
	}
	indptr, indices, values := decode[int64](t, dir, "indptr.i64"), decode[int32](t, dir, "indices.i32"), decode[float64](t, dir, "data.f64")
	x := corpus.Transform(v, all)
	if len(x.Value) != len(values) {
		t.Fatalf("%d values, scikit-learn has %d", len(x.Value), len(values))
	}
	worst := 0.0
	row := make([]float64, len(terms))
	for i := range all {
		for k := x.Start[i]; k < x.Start[i+1]; k++ {
			row[x.Index[k]] = x.Value[k]
		}
		for k := indptr[i]; k < indptr[i+1]; k++ {
			worst = max(worst, math.Abs(row[ours[indices[k]]]-values[k]))
			row[ours[indices[k]]] = 0
		}
	}
	t.Logf("%d notes, %d terms, %d values, largest difference %.2g", len(all), len(terms), len(values), worst)
	if worst > 1e-12 {
		t.Errorf("largest difference to scikit-learn %g", worst)
	}
}

// keyOf finds the key of a term as scikit-learn spells it.
func keyOf(t *testing.T, b Block, term string) (key uint64) {
	a := tfidf.NewAnalyzer(b.Block, 0)
	found := false
	a.Each([]byte(term), func(g tfidf.Gram) {
		if bytes.Equal(a.AppendText(nil, []byte(term), g), []byte(term)) {
			key, found = g.Key, true
		}
	})
	if !found {
		t.Fatalf("a term of scikit-learn's vocabulary is not an n-gram of itself")
	}
	return key
}

func read(t *testing.T, dir, name string) []byte {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode[T int32 | int64 | float64](t *testing.T, dir, name string) []T {
	data := read(t, dir, name)
	var one T
	out := make([]T, len(data)/binary.Size(one))
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}
