package jsontext_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"bedside/weights/jsontext"
)

func Example() {
	r := jsontext.NewReader(`{"file": "00000.shard", "size": 12}`)
	for r.Object(); r.Next(); {
		switch r.Field() {
		case "file":
			fmt.Println("file", r.Text())
		case "size":
			fmt.Println("size", r.Int())
		default:
			r.Unknown()
		}
	}
	fmt.Println(r.End())
	// Output:
	// file 00000.shard
	// size 12
	// <nil>
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func fields(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(`"%d":0`, i))
	}
	return "{" + strings.Join(names, ",") + "}"
}

func TestSkip(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`null`, ""},
		{` true `, ""},
		{"\t[\r\n]", ""},
		{`{"a":{"a":[1,-0,0.5,1e9,1E+09,-1.25e-3]},"b":"\u00e9\n\"\/"}`, ""},
		{`[{"a":1},{"a":1}]`, ""},
		{`{"a":{"a":1},"b":{"a":1}}`, ""},
		{nested(jsontext.MaxDepth), ""},
		{fields(jsontext.MaxFields), ""},

		{``, "byte 0: want a value, found the end"},
		{`[1,]`, `byte 3: want a value, found "]"`},
		{`[,1]`, `byte 1: want a value, found ",1]"`},
		{`[1 2]`, `byte 3: want ',' or ']', found "2]"`},
		{`[1}`, `byte 2: want ',' or ']', found "}"`},
		{`[1`, "byte 2: want ',' or ']', found the end"},
		{`{"a":1,}`, `byte 7: want a field's name, found "}"`},
		{`{,}`, `byte 1: want a field's name, found ",}"`},
		{`{"a" 1}`, `byte 5: want ':', found "1}"`},
		{`{"a":}`, `byte 5: want a value, found "}"`},
		{`{a:1}`, `byte 1: want a field's name, found "a:1}"`},
		{`{"a":1]`, `byte 6: want ',' or '}', found "]"`},
		{`{"a":1,"b":2,"a":3}`, `byte 13: field "a" stands twice`},
		{`{"a":1,"\u0061":3}`, `byte 7: field "a" stands twice`},
		{`{"` + strings.Repeat("n", 1000) + `":1,"` + strings.Repeat("n", 1000) + `":1}`, `field "nnnn`},
		{fields(jsontext.MaxFields + 1), "more than 64 fields in an object"},
		{nested(jsontext.MaxDepth + 1), "byte 32: values lie more than 32 deep"},
		{strings.Repeat(`{"a":`, 1000), "values lie more than 32 deep"},
		{strings.Repeat(`[`, 1<<20), "values lie more than 32 deep"},

		{`1 2`, `byte 2: want the end, found "2"`},
		{`1x`, `byte 1: want the end, found "x"`},
		{"1\x00", `byte 1: want the end, found "\x00"`},
		{"\ufeff1", "byte 0: want a value"},
		{"\u00a01", "byte 0: want a value"},
		{`tru`, "byte 0: want true or false"},
		{`nil`, "byte 0: want null"},
		{`truefalse`, "byte 4: want the end"},
		{`True`, "byte 0: want a value"},
		{`NaN`, "byte 0: want a value"},
		{`// x`, "byte 0: want a value"},

		{`01`, `byte 1: want the end, found "1"`},
		{`-01`, `byte 2: want the end, found "1"`},
		{`+1`, "byte 0: want a value"},
		{`-`, "byte 1: want a number, found the end"},
		{`1.`, "byte 2: want a number, found the end"},
		{`.5`, "byte 0: want a value"},
		{`1e`, "byte 2: want a number, found the end"},
		{`1e+`, "byte 3: want a number, found the end"},
		{`0x10`, `byte 1: want the end, found "x10"`},
		{`1_000`, `byte 1: want the end, found "_000"`},
		{`-Infinity`, "byte 1: want a number"},

		{`"abc`, `byte 4: want '"', found the end`},
		{"\"a\nb\"", `byte 2: want '"', found "\nb\""`},
		{"\"a\x00b\"", `byte 2: want '"', found "\x00b\""`},
		{"\"a\xffb\"", "byte 1: the string is not valid UTF-8"},
		{"\"\xed\xa0\x80\"", "byte 1: the string is not valid UTF-8"},
		{"{\"\xff\":1}", "byte 2: the string is not valid UTF-8"},
		{`"\`, "byte 2: want an escape of JSON, found the end"},
		{`"\x41"`, `byte 2: want an escape of JSON, found "x41\""`},
		{`"\'"`, "byte 2: want an escape of JSON"},
		{`"\u12"`, `byte 5: want a hexadecimal digit, found "\""`},
		{`"\u12G4"`, `byte 5: want a hexadecimal digit, found "G4\""`},
		{`"ab\ud83d"`, "byte 3: want both halves of a surrogate pair"},
		{`"\ud83d\u0041"`, "byte 1: want both halves of a surrogate pair"},
		{`"\ud83d\n"`, "byte 1: want both halves of a surrogate pair"},
		{`"\ude00"`, "byte 1: want both halves of a surrogate pair"},
		{`"\ude00\ud83d"`, "byte 1: want both halves of a surrogate pair"},
		{`'a'`, "byte 0: want a value"},
	} {
		r := jsontext.NewReader(c.text)
		r.Skip()
		check(t, c.text, r.End(), c.want)
	}
}

// check requires an error that holds want and is short, or none where want is "".
func check(t *testing.T, text string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%.64q: %v", text, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%.64q: error %v, want %s", text, err, want)
	case err != nil && len(err.Error()) > 400:
		t.Errorf("%.64q: an error of %d bytes", text, len(err.Error()))
	}
}

func TestValues(t *testing.T) {
	const most = math.MaxInt64
	for _, c := range []struct {
		text string
		read func(*jsontext.Reader) any
		want any
		err  string
	}{
		{`"plain"`, text, "plain", ""},
		{`""`, text, "", ""},
		{`"é 😀 \u00e9\ud83d\uDE00\u0000\ufffd"`, text, "é 😀 é😀\x00\ufffd", ""},
		{`"\"\\\/\b\f\n\r\t\u007F"`, text, "\"\\/\b\f\n\r\t\x7f", ""},
		{`1`, text, "", "byte 0: want a string"},
		{`null`, text, "", "byte 0: want a string"},
		{`0`, whole, int64(0), ""},
		{`-0`, whole, int64(0), ""},
		{`9223372036854775807`, whole, int64(most), ""},
		{`-9223372036854775808`, whole, int64(-most - 1), ""},
		{`9223372036854775808`, whole, int64(0), "want an integer of 64 bits"},
		{`1.0`, whole, int64(0), `want an integer of 64 bits, found "1.0"`},
		{`1e3`, whole, int64(0), `want an integer of 64 bits, found "1e3"`},
		{`1` + strings.Repeat("0", 1<<16), whole, int64(0), "want an integer of 64 bits"},
		{`"1"`, whole, int64(0), "byte 0: want a number"},
		{`-1.5e-3`, number, -1.5e-3, ""},
		{`0.1`, number, .1, ""},
		{`1e-999`, number, 0., ""},
		{`1.7976931348623157e308`, number, math.MaxFloat64, ""},
		{`1e999`, number, 0., `want a number of 64 bits, found "1e999"`},
		{`true`, yes, true, ""},
		{`false`, yes, false, ""},
		{`1`, yes, false, "byte 0: want true or false"},
		{`[3, -4]`, list, []int{3, -4}, ""},
		{`[ ]`, list, []int{}, ""},
		{`null`, list, []int(nil), ""},
		{`{}`, list, []int{}, "byte 0: want an array"},
	} {
		r := jsontext.NewReader(c.text)
		got := c.read(r)
		check(t, c.text, r.End(), c.err)
		if c.err == "" && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%.64q: %#v, want %#v", c.text, got, c.want)
		}
	}
}

func text(r *jsontext.Reader) any   { return r.Text() }
func whole(r *jsontext.Reader) any  { return r.Int64() }
func number(r *jsontext.Reader) any { return r.Float() }
func yes(r *jsontext.Reader) any    { return r.Bool() }
func list(r *jsontext.Reader) any   { return jsontext.List(r, (*jsontext.Reader).Int) }

// TestReaderMisread calls what does not fit the text, or does not read at all: each
// ends, with an error.
func TestReaderMisread(t *testing.T) {
	for name, read := range map[string]func(*jsontext.Reader){
		"Next without Object":    func(r *jsontext.Reader) { r.Next() },
		"Field without Object":   func(r *jsontext.Reader) { _ = r.Field() },
		"Unknown without Object": func(r *jsontext.Reader) { r.Unknown() },
		"an array as object":     func(r *jsontext.Reader) { r.Object(); r.Next() },
		"elements left alone": func(r *jsontext.Reader) {
			for r.Array(); r.Next(); {
			}
		},
		"reading on": func(r *jsontext.Reader) {
			for range 100 {
				r.Array()
				r.Next()
				_, _, _ = r.Bool(), r.Text(), r.Int()
				r.Skip()
			}
		},
	} {
		r := jsontext.NewReader(`[[1,[2]],{"a":3}]`)
		read(r)
		if r.End() == nil {
			t.Errorf("%s: no error", name)
		}
		first := r.Err()
		if r.Skip(); r.Err() != first || r.Next() || r.Text() != "" || r.Int() != 0 {
			t.Errorf("%s: the reader goes on after %v", name, first)
		}
	}
}

// FuzzReader: what is read is JSON to encoding/json, and JSON that encoding/json has
// written is read, unless it lies too deep or has too many fields.
func FuzzReader(f *testing.F) {
	f.Add(`{"a":[1,-0.5e+3,true,null],"b":"\ud83d\ude00"}`)
	f.Fuzz(func(t *testing.T, text string) {
		r := jsontext.NewReader(text)
		r.Skip()
		err := r.End()
		if err == nil && !json.Valid([]byte(text)) {
			t.Fatal("read what is not JSON")
		}
		if err != nil && len(err.Error()) > 400 {
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
		var tree any
		if json.Unmarshal([]byte(text), &tree) != nil {
			return
		}
		clean, merr := json.Marshal(tree)
		if merr != nil {
			t.Fatal(merr)
		}
		r = jsontext.NewReader(string(clean))
		r.Skip()
		if err := r.End(); err != nil && !strings.Contains(err.Error(), "more than") {
			t.Fatal(err)
		}
	})
}
