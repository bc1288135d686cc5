package words

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, file := range []string{
		"2 2\nfever 3 4\ncough 0 -2\n",
		"fever 3 4 \n\ncough\t0 -2e0\r\nnowhere 0 0",
	} {
		v, err := Read(strings.NewReader(file))
		if err != nil {
			t.Errorf("%q: %v", file, err)
			continue
		}
		if !slices.Equal(v.Words, []string{"fever", "cough"}) || !slices.Equal(v.Value, []float32{0.6, 0.8, 0, -1}) {
			t.Errorf("%q: %q at %v", file, v.Words, v.Value)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for file, want := range map[string]string{
		"":                                     "no word vectors",
		"3 4\n":                                "no word vectors",
		"fever\n":                              "0 numbers",
		"fever 1 2\ncough 1":                   "line 2: a word with 1 numbers, want 2",
		"fever 1\nfever 2":                     `line 2: "fever" stands twice`,
		"fever 1\ncough NaN":                   "no number",
		"fever 1 high":                         `"high" is no number`,
		"fever 1e99":                           "no number",
		"fe\xffver 1":                          "no UTF-8",
		"w" + strings.Repeat(" 1", MaxWidth+1): "want 1 to 1024",
		strings.Repeat("w", MaxWordBytes+1) + " 1":     "longer than 256 bytes",
		"fever " + strings.Repeat("1", maxLine) + "\n": "longer than 65536 bytes",
	} {
		if _, err := Read(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", file, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"2 2\nfever 3 4\ncough 0 -2\n", "fever 1\nfever 2", "3 4", "a 1e38 1e38\nb 1e-45 0", "\xff 1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		v, err := Read(bytes.NewReader(file))
		if err != nil {
			return
		}
		for i, word := range v.Words {
			squares := 0.0
			for _, x := range v.Of(i) {
				squares += float64(x) * float64(x)
			}
			if math.Abs(squares-1) > 1e-4 {
				t.Errorf("%q has a vector of length %g", word, math.Sqrt(squares))
			}
		}
		var written bytes.Buffer
		if err := v.Write(&written); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&written)
		if len(v.Words) > 0 && (err != nil || !slices.Equal(again.Words, v.Words)) {
			t.Errorf("%q, written and read again, is %v (%v)", v.Words, again, err)
		}
	})
}

// texts in which drugs stand where drugs do, and complaints where complaints do.
func texts(n int) []string {
	drugs := strings.Fields("statin insulin aspirin codeine lithium heparin")
	complaints := strings.Fields("cough fever nausea rash vertigo hiccups")
	random := rand.New(rand.NewPCG(1, 2))
	filler := make([]string, 60)
	for i := range filler {
		filler[i] = fmt.Sprintf("filler%d", i)
	}
	var out []string
	for range n {
		drug, complaint := drugs[random.IntN(len(drugs))], complaints[random.IntN(len(complaints))]
		out = append(out, fmt.Sprintf("takes %s daily at night, complains of %s since %s and %s", drug, complaint, filler[random.IntN(60)], filler[random.IntN(60)]))
	}
	return out
}

func cosine(t *testing.T, v *Vectors, a, b string) float64 {
	t.Helper()
	i, j := slices.Index(v.Words, a), slices.Index(v.Words, b)
	if i < 0 || j < 0 {
		t.Fatalf("%s or %s has no vector", a, b)
	}
	sum := 0.0
	for k, x := range v.Of(i) {
		sum += float64(x) * float64(v.Of(j)[k])
	}
	return sum
}

func learn(t *testing.T, cores int) *Vectors {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	v, err := Learn(t.Context(), texts(400), Options{Width: 3, Least: 5, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWordsUsedAlikeLieClose(t *testing.T) {
	v := learn(t, 2)
	if alike, apart := cosine(t, v, "statin", "heparin"), cosine(t, v, "statin", "vertigo"); alike < 0.9 || apart > 0.5 {
		t.Errorf("two drugs have cosine %.2f, a drug and a complaint %.2f", alike, apart)
	}
}

func TestTheSameVectorsOnAnyNumberOfCores(t *testing.T) {
	if one, five := learn(t, 1), learn(t, 5); !slices.Equal(one.Value, five.Value) {
		t.Error("vectors differ")
	}
}

// TestDirections holds the randomized search to the truth where the matrix has few
// directions: places of words multiply to what the matrix and its transpose do.
func TestDirections(t *testing.T) {
	const n, rank = 40, 3
	random := rand.New(rand.NewPCG(5, 6))
	var basis [rank][n]float64
	for a := range basis {
		for i := range n {
			basis[a][i] = random.Float64() // a matrix of numbers above 0, as pairs are
		}
	}
	p := &pairs{words: n, start: []int{0}}
	for i := range n {
		for j := range n {
			sum := 0.0
			for a := range basis {
				sum += basis[a][i] * basis[a][j]
			}
			if i == j {
				sum += 1e-3 // all directions differ
			}
			p.index, p.value = append(p.index, int32(j)), append(p.value, float32(sum))
		}
		p.start = append(p.start, len(p.index))
	}
	p.other = p.value
	places, err := p.directions(t.Context(), rank, 1, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for j := range n {
			sum := 0.0
			for a := range rank {
				sum += places[i*rank+a] * places[j*rank+a]
			}
			if want := float64(p.value[i*n+j]); math.Abs(sum-want) > 3e-3 {
				t.Fatalf("words %d and %d: %g, want %g", i, j, sum, want)
			}
		}
	}
}

func TestLearnRefuses(t *testing.T) {
	for want, o := range map[string]Options{
		"too few for vectors": {Width: 50, Least: 5},
		"want 1 to 1024":      {Width: 0, Least: 5},
		"once or more":        {Width: 3, Least: 0},
	} {
		if _, err := Learn(t.Context(), texts(20), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Learn(ctx, texts(400), Options{Width: 3, Least: 5}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
