package classify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"bedside/wasm/classify"
	"bedside/weights"
)

// sameJSON compares AppendJSON with encoding/json.
func sameJSON(t *testing.T, r *classify.Result) {
	t.Helper()
	want, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := classify.AppendJSON([]byte("before"), r); string(got) != "before"+string(want) {
		t.Fatalf("\n got %s\nwant before%s", got, want)
	}
}

func TestAppendJSON(t *testing.T) {
	for _, r := range []classify.Result{
		{},
		{Labels: []classify.Label{}, Explanations: []classify.Explanation{}},
		{Labels: []classify.Label{{}}, Explanations: []classify.Explanation{{}}},
		{Explanations: []classify.Explanation{{Features: []classify.Feature{}}}},
		{Explanations: []classify.Explanation{{Features: []classify.Feature{{}, {Spans: [][2]int{}}, {Spans: [][2]int{{}, {1, 2}}}}}}},
		{Reason: classify.NoKnownTerms, Labels: []classify.Label{{Name: "Ward <3> & \"é\"\u2028", Logit: -1e-7, Probability: 1e21}}},
	} {
		sameJSON(t, &r)
	}
	m := random(weights.MultiLabel, 5, words, chars).model(t)
	for _, note := range append(notes, "zzzz") {
		for _, o := range []classify.Options{{}, {Explain: 1, Offsets: "utf16"}, {Explain: 9, Features: 1000}} {
			sameJSON(t, answer(t, m, note, o))
		}
	}
}

func TestAppendJSONOfRandomResults(t *testing.T) {
	source := rand.New(rand.NewSource(1))
	for range 300 {
		v, ok := quick.Value(reflect.TypeFor[classify.Result](), source)
		if !ok {
			t.Fatal("testing/quick cannot make a result")
		}
		r := v.Interface().(classify.Result)
		sameJSON(t, &r)
	}
}

// TestAppendJSONWritesEveryField fails when a field is in result.go and not in json.go.
func TestAppendJSONWritesEveryField(t *testing.T) {
	r := &classify.Result{
		Model: "m", Task: "t", Sure: true, Reason: "r", Terms: 1, Tokens: 12, Windows: 13, Known: 14, Unexplained: "u",
		Labels: []classify.Label{{Index: 2, Name: "n", Logit: 3.5, Probability: .25, Threshold: .125, Clears: true}},
		Explanations: []classify.Explanation{{Index: 4, Name: "o", Logit: 5.5, Bias: 6.5, Rest: 7.5, Features: []classify.Feature{
			{Contribution: 8.5, Analyzer: "word", Count: 9, Spans: [][2]int{{10, 11}}},
		}}},
	}
	requireFilled(t, "Result", reflect.ValueOf(*r))
	sameJSON(t, r)
	o := classify.Options{Explain: 1, Labels: 3, Features: 2, Offsets: "utf16"}
	requireFilled(t, "Options", reflect.ValueOf(o))
}

func requireFilled(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if v.IsZero() {
		t.Errorf("%s is new: this test, and json.go, must learn it", path)
	}
	switch v.Kind() {
	case reflect.Slice:
		requireFilled(t, path, v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			requireFilled(t, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	}
}

func TestAppendJSONUsesItsBuffer(t *testing.T) {
	r := &classify.Result{Labels: []classify.Label{{Name: "Ward", Probability: .5}}}
	buffer := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buffer = classify.AppendJSON(buffer[:0], r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("Ward <b>\"&\u2028\xff", "Clinic\x00\b\f\n\r\t\x7f", 1e-7, -2e300)
	f.Fuzz(func(t *testing.T, first, second string, x, y float64) {
		r := &classify.Result{Model: first, Task: second, Reason: second,
			Labels:       []classify.Label{{Name: first, Logit: x, Probability: y}, {Name: second, Threshold: x}},
			Explanations: []classify.Explanation{{Name: second, Rest: y, Features: []classify.Feature{{Contribution: x, Analyzer: first}}}},
		}
		if _, err := json.Marshal(r); err == nil {
			sameJSON(t, r)
		} else if json.Valid(classify.AppendJSON(nil, r)) {
			t.Error("a number that is not finite is written as JSON")
		}
	})
}

func TestParseOptions(t *testing.T) {
	for _, o := range []classify.Options{{}, {Explain: 1, Offsets: "utf16"}, {Explain: -3, Features: 1 << 40, Offsets: "é\"<"}} {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := classify.ParseOptions(string(text)); err != nil || got != o {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "want an object"},
		{"null", "want an object"},
		{"{", "want a field's name"},
		{"{} {}", "want the end"},
		{`{"explain":1,"Offsets":"utf16"}`, `unknown field "Offsets"`},
		{`{"explain":1,"explain":2}`, `field "explain" stands twice`},
		{`{"explain":null}`, "want a number"},
		{`{"explain":"1"}`, "want a number"},
		{`{"explain":1.5}`, "want an integer"},
		{`{"offsets":16}`, "want a string"},
		{`{"` + strings.Repeat("x", 1<<20) + `":1}`, "unknown field"},
	} {
		o, err := classify.ParseOptions(c.text)
		switch {
		case !errors.Is(err, classify.ErrOptions) || !strings.Contains(err.Error(), c.want):
			t.Errorf("%.64s: error %v, want ErrOptions and %s", c.text, err, c.want)
		case len(err.Error()) > 400:
			t.Errorf("%.64s: an error of %d bytes", c.text, len(err.Error()))
		case o != classify.Options{}:
			t.Errorf("%.64s: both options and an error", c.text)
		}
	}
}

// FuzzParseOptions: what is read, encoding/json reads alike.
func FuzzParseOptions(f *testing.F) {
	f.Add(`{"explain":1,"features":24,"offsets":"utf16"}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := classify.ParseOptions(text)
		if err != nil {
			return
		}
		var want classify.Options
		d := json.NewDecoder(bytes.NewReader([]byte(text)))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil || got != want {
			t.Fatalf("%+v, of encoding/json %+v, %v", got, want, err)
		}
	})
}
