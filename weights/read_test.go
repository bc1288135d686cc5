package weights

import (
	"encoding/json"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/quick"

	"bedside/weights/jsontext"
)

// both reads text as ParseManifest does before it checks, and with encoding/json.
func both(text string) (got, want Manifest, gotErr, wantErr error) {
	r := jsontext.NewReader(text)
	got = readManifest(r)
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if wantErr = d.Decode(&want); wantErr == nil {
		if _, err := d.Token(); err != io.EOF {
			wantErr = err
		}
	}
	return got, want, r.End(), wantErr
}

func same(t *testing.T, text string) {
	t.Helper()
	got, want, gotErr, wantErr := both(text)
	if gotErr != nil || wantErr != nil {
		t.Fatalf("errors %v and %v of encoding/json in\n%.512s", gotErr, wantErr, text)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("\n got %+v\nwant %+v", got, want)
	}
}

// filled has a value in every field, each different, and two of everything in a list.
func filled(t testing.TB) (Manifest, string) {
	t.Helper()
	var m Manifest
	next := 0
	var fill func(reflect.Value)
	fill = func(v reflect.Value) {
		next++
		switch v.Kind() {
		case reflect.String:
			v.SetString("é" + strconv.Itoa(next))
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int64:
			v.SetInt(int64(next))
		case reflect.Float64:
			v.SetFloat(float64(next) + .5)
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			fill(v.Index(0))
			fill(v.Index(1))
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem())
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i))
			}
		default:
			t.Fatalf("a field of type %v: readManifest and this test must learn it", v.Type())
		}
	}
	fill(reflect.ValueOf(&m).Elem())
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return m, string(text)
}

// TestEveryFieldIsRead fails when a field is in manifest.go and not in read.go.
func TestEveryFieldIsRead(t *testing.T) {
	want, text := filled(t)
	r := jsontext.NewReader(text)
	got := readManifest(r)
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// variants calls f with the filled manifest as text, once for each change that change
// answers of an object's field.
func variants(t *testing.T, change func(object map[string]any, field string) (undo func()), f func(path, text string)) {
	t.Helper()
	_, text := filled(t)
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, node any)
	walk = func(path string, node any) {
		switch node := node.(type) {
		case []any:
			walk(path+"[]", node[len(node)-1])
		case map[string]any:
			for field, value := range node {
				undo := change(node, field)
				changed, err := json.Marshal(tree)
				undo()
				if err != nil {
					t.Fatal(err)
				}
				f(path+"."+field, string(changed))
				walk(path+"."+field, value)
			}
		}
	}
	walk("", tree)
}

func replace(value any) func(map[string]any, string) func() {
	return func(object map[string]any, field string) func() {
		old := object[field]
		object[field] = value
		return func() { object[field] = old }
	}
}

func TestFieldsMayBeMissing(t *testing.T) {
	variants(t, func(object map[string]any, field string) func() {
		old := object[field]
		delete(object, field)
		return func() { object[field] = old }
	}, func(_, text string) { same(t, text) })
}

// TestNullStandsForListsOnly: encoding/json writes nil lists as null.
func TestNullStandsForListsOnly(t *testing.T) {
	lists := 0
	variants(t, replace(nil), func(path, text string) {
		got, want, err, _ := both(text)
		switch {
		case err == nil && reflect.DeepEqual(got, want):
			lists++
		case err == nil:
			t.Errorf("%s: null\n got %+v\nwant %+v", path, got, want)
		case !strings.Contains(err.Error(), `found "null`):
			t.Errorf("%s: null: %v", path, err)
		}
	})
	if lists != 17 {
		t.Errorf("null is read in %d fields, of which 17 are lists", lists)
	}
}

func TestOtherTypesAreRefused(t *testing.T) {
	for _, value := range []any{"x", true, 1.5, 1e40, []any{}, []any{[]any{}}, map[string]any{}} {
		variants(t, replace(value), func(path, text string) {
			got, want, gotErr, wantErr := both(text)
			if (gotErr == nil) != (wantErr == nil) {
				t.Errorf("%s: %v: error %v, of encoding/json %v", path, value, gotErr, wantErr)
			} else if gotErr == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v:\n got %+v\nwant %+v", path, value, got, want)
			}
		})
	}
}

func TestUnknownFieldsAreRefusedEverywhere(t *testing.T) {
	variants(t, func(object map[string]any, field string) func() {
		old, name := object[field], strings.ToUpper(field)
		delete(object, field)
		object[name] = old
		return func() { delete(object, name); object[field] = old }
	}, func(path, text string) {
		if _, _, err, _ := both(text); err == nil || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("%s in capitals: error %v", path, err)
		}
	})
}

func TestRandomManifestsReadAsEncodingJSONReadsThem(t *testing.T) {
	source := rand.New(rand.NewSource(1))
	for range 200 {
		v, ok := quick.Value(reflect.TypeFor[Manifest](), source)
		if !ok {
			t.Fatal("testing/quick cannot make a manifest")
		}
		text, err := json.Marshal(v.Interface())
		if err != nil {
			t.Fatal(err)
		}
		same(t, string(text))
	}
}

func TestShippedManifestsReadAsEncodingJSONReadsThem(t *testing.T) {
	shipped, err := filepath.Glob("*/manifest.json")
	if err != nil || len(shipped) == 0 {
		t.Fatalf("%d manifests, %v", len(shipped), err)
	}
	for _, path := range shipped {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		same(t, string(text))
		if _, err := ParseManifest(text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// FuzzReadManifest: what is read, encoding/json reads alike; what encoding/json reads,
// written out by it, is read alike.
func FuzzReadManifest(f *testing.F) {
	_, text := filled(f)
	f.Add(text)
	f.Fuzz(func(t *testing.T, text string) {
		got, want, gotErr, wantErr := both(text)
		if gotErr == nil && wantErr != nil {
			t.Fatalf("read, but encoding/json says %v", wantErr)
		}
		if gotErr == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("\n got %+v\nwant %+v", got, want)
		}
		if wantErr == nil {
			again, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			same(t, string(again))
		}
	})
}

func TestVersionIsReadBeforeAnythingElse(t *testing.T) {
	for _, text := range []string{
		`{"format":"bedside-bundle","version":2,"labels":[]}`,
		`{"format":"bedside-bundle","task":7,"version":2}`,
		`{"name":null,"version":2,"format":"bedside-bundle"} {}`,
		`{"version":2,"new":[{"a":[true,false,null,"\u00e9",-1.5e3]},{}],"format":"bedside-bundle"}`,
	} {
		const want = "manifest: version 2 is not supported"
		if _, err := ParseManifest([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

// TestHeader compares the safetensors header with encoding/json's.
func TestHeader(t *testing.T) {
	tensors := []Tensor{
		{Name: "<a> \"é\"\u2028\xff", DType: F32, Shape: []int{2, 3}, Size: 24},
		{Name: "b", DType: I8, Shape: []int{}, Size: 1},
		{Name: "c", DType: U64, Shape: []int{1 << 20}, Size: 8 << 20},
	}
	got := header(tensors)
	want, at := "", int64(0)
	for _, x := range tensors {
		name, _ := json.Marshal(x.Name)
		entry, _ := json.Marshal(struct {
			DType       string   `json:"dtype"`
			Shape       []int    `json:"shape"`
			DataOffsets [2]int64 `json:"data_offsets"`
		}{x.DType, x.Shape, [2]int64{at, at + x.Size}})
		want += "," + string(name) + ":" + string(entry)
		at += x.Size
	}
	want = "{" + want[1:] + "}"
	if text := string(got[8:]); strings.TrimRight(text, " ") != want || len(text)%8 != 0 {
		t.Errorf("\n got %s\nwant %s", text, want)
	}
}
