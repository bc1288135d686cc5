package tfidf

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"bedside/weights"
)

func TestTableFindsWhatAMapFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 2, 3, 4, 5, 63, 64, 65, 1000, 200_000} {
		places := map[uint64]int32{}
		for len(places) < n {
			places[random.Uint64()] = 0
		}
		keys := make([]uint64, 0, n)
		for key := range places {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		table, err := newTable(keys)
		if err != nil {
			t.Fatalf("%d keys: %v", n, err)
		}
		for i, key := range keys {
			places[key] = int32(i)
		}
		for i := range 4 * n {
			key := keys[i%n]
			switch i % 4 {
			case 1:
				key = random.Uint64()
			case 2:
				key ^= 1 << 63 >> random.IntN(64) // a neighbour, often with the same tag or slot
			case 3:
				key += 1 << tagShift
			}
			want, ok := places[key]
			if !ok {
				want = -1
			}
			if got := table.find(key); got != want {
				t.Fatalf("%d keys: find(%x) = %d, want %d", n, key, got, want)
			}
		}
	}
}

func TestTableEdges(t *testing.T) {
	crowd := func(n int, from uint64) []uint64 {
		keys := make([]uint64, n)
		for i := range keys {
			keys[i] = from + uint64(i)
		}
		return keys
	}
	for _, c := range []struct {
		name string
		keys []uint64
		err  string
	}{
		{"none", nil, "no keys"},
		{"the smallest and the largest", []uint64{0, math.MaxUint64}, ""},
		{"wrapping around the end", crowd(9, math.MaxUint64-8), ""},
		{"twice the same", []uint64{1, 7, 7}, "ascending at position 2"},
		{"falling", []uint64{1, 7, 3}, "ascending at position 2"},
		{"as crowded as allowed", crowd(maxRun, 1), ""},
		{"crowded", crowd(100_000, 1), "crowd together at position 512"},
		{"crowded at the end", crowd(100_000, math.MaxUint64-99_999), "crowd together at position 512"},
	} {
		table, err := newTable(c.keys)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		for i, key := range c.keys {
			if got := table.find(key); got != int32(i) {
				t.Errorf("%s: find(%x) = %d, want %d", c.name, key, got, i)
			}
		}
		for _, key := range []uint64{0x8000_0000_0000_0000, 1 << 40, math.MaxUint64 - 1<<20} {
			if got := table.find(key); got != -1 {
				t.Errorf("%s: find(%x) = %d, want -1", c.name, key, got)
			}
		}
	}
}

// TestLog holds Log to 2 units in the last place of math.Log, which is itself within one.
func TestLog(t *testing.T) {
	worst := 0.0
	check := func(n int) {
		want := math.Log(float64(n))
		ulp := math.Nextafter(want, math.Inf(1)) - want
		worst = max(worst, math.Abs(Log(n)-want)/ulp)
	}
	if Log(1) != 0 {
		t.Errorf("Log(1) = %g", Log(1))
	}
	for n := 2; n <= 1<<20; n++ {
		check(n)
	}
	for shift := range 62 {
		for d := -3; d <= 3; d++ {
			if n := 1<<shift + d; n >= 2 {
				check(n)
			}
		}
	}
	if worst > 2 {
		t.Errorf("Log is up to %g ulp from math.Log", worst)
	}
}

func TestStopWordsAreScikitLearns(t *testing.T) {
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		StopWords string `json:"stop_words"`
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(english)
	slices.Sort(words)
	sum := sha256.Sum256([]byte(strings.Join(words, "\n")))
	if hex.EncodeToString(sum[:]) != golden.StopWords {
		t.Error("the stop words are not scikit-learn's")
	}
}

func TestKeySet(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{0, 1, 5, 318} {
		keys := make([]uint64, n)
		for i := range keys {
			keys[i] = random.Uint64() | 1
		}
		set := newKeySet(keys)
		for _, key := range keys {
			if !set.has(key) {
				t.Errorf("%d keys: %x is not found", n, key)
			}
		}
		for range 1000 {
			if key := random.Uint64() &^ 1; set.has(key) {
				t.Errorf("%d keys: %x is found", n, key)
			}
		}
	}
	if (*keySet)(nil).has(1) {
		t.Error("no set holds a key")
	}
}

// TestPhrasesOfTheLongestNote: no note makes the analyzer hold more words than a phrase has.
func TestPhrasesOfTheLongestNote(t *testing.T) {
	for _, of := range []string{".", "b.", "b ", "b. c d e f g "} {
		a := NewAnalyzer(weights.Block{Analyzer: weights.Phrase, MinN: 1, MaxN: 4}, weights.LexiconPosition)
		note, n := []byte(strings.Repeat(of, 1<<20/len(of))), 0
		a.Each(note, func(Gram) { n++ })
		if cap(a.tokens) > 16 || n > 4*len(note) {
			t.Errorf("%q over and over: room for %d words, %d phrases", of, cap(a.tokens), n)
		}
	}
}
