package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bedside/tools/scores"
	"bedside/tools/train/invented"
	random "bedside/wasm/encoder/invented"
	"bedside/wasm/host"
	"bedside/weights"
	"bedside/weights/bundle"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bedside": main})
}

// TestScripts runs testdata/script: real command lines in real processes. Beside
// testscript's own commands the scripts have those below.
func TestScripts(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CACHE_HOME", filepath.Join(cache, "bedside-test")) // compiling the module takes seconds
			models, err := filepath.Abs(checkpoints)
			e.Setenv("CHECKPOINTS", models)
			return err
		},
		Condition: func(name string) (bool, error) {
			if name != "module" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, err := host.EmbeddedModule()
			return err == nil || os.Getenv("CI") == "true", nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    exits,
			"notes":    notes,
			"encoder":  encoder,
			"noise":    noise,
			"fields":   fields,
			"alike":    alike,
			"measured": measured,
			"fill":     fill,
			"steady":   steady,
		},
	})
}

// exits CODE PROGRAM ARGUMENT... runs a program that must exit with the code. Nothing of
// the notes may stand in what it writes to standard error.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got, failed := 0, (*exec.ExitError)(nil)
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	checkPrivate(ts)
}

// checkPrivate looks in standard error for sentences of the files that hold notes.
func checkPrivate(ts *testscript.TestScript) {
	written := ts.ReadFile("stderr")
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".csv" && filepath.Ext(path) != ".txt" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, sentence := range strings.FieldsFunc(string(content), func(r rune) bool { return strings.ContainsRune(".,\n\"", r) }) {
			if sentence = strings.TrimSpace(sentence); len(sentence) > 15 && strings.Contains(written, sentence) {
				ts.Fatalf("standard error quotes %s: %q", filepath.Base(path), sentence)
			}
		}
		return nil
	}))
}

// notes COUNT SEED FILE [single] writes a CSV of invented notes, of one label each on request.
func notes(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	seed, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	made := invented.Notes(n, seed)
	if len(args) > 3 && args[3] == "single" {
		made = invented.Single(made)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), invented.CSV(made), 0o644))
}

// encoder DIR LABEL... writes a bundle of a tiny encoder of random numbers; with -bare before
// DIR, of one without a pooler, with -deciding WORD of one in which a word decides.
func encoder(ts *testscript.TestScript, neg bool, args []string) {
	if args[0] == "-deciding" {
		m, tensors := random.Deciding(args[1], args[3:])
		ts.Check(bundle.Write(ts.MkAbs(args[2]), m, tensors))
		return
	}
	shape := random.Tiny()
	if args[0] == "-bare" {
		shape.Pooler, args = false, args[1:]
	}
	m, tensors := random.Model(shape, weights.MultiLabel, args[1:], 1)
	ts.Check(bundle.Write(ts.MkAbs(args[0]), m, tensors))
}

// noise SCORES SEED SHARE FILE writes logits with that share of those in a file, and noise of
// deviation 1.
func noise(ts *testscript.TestScript, neg bool, args []string) {
	table, err := scores.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	seed, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	share, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	drawn := rand.New(rand.NewPCG(seed, 1))
	for i, z := range table.Logits {
		table.Logits[i] = share*z + drawn.NormFloat64()
	}
	ts.Check(table.Save(ts.MkAbs(args[3])))
}

// fields FILE NAME... wants a JSON object that has the fields.
func fields(ts *testscript.TestScript, neg bool, args []string) {
	object := decodeObject(ts, args[0])
	for _, name := range args[1:] {
		if _, ok := object[name]; !ok {
			ts.Fatalf("no field %q in %s", name, args[0])
		}
	}
}

// alike FILE FILE wants equal JSON objects but for latency_ms.
func alike(ts *testscript.TestScript, neg bool, args []string) {
	a, b := decodeObject(ts, args[0]), decodeObject(ts, args[1])
	delete(a, "latency_ms")
	delete(b, "latency_ms")
	if !reflect.DeepEqual(a, b) {
		ts.Fatalf("%v\n%v", a, b)
	}
}

// measured TRAINED EVALUATED wants train --json to have measured what evaluate --json did, but
// for rounding and latency_ms.
func measured(ts *testscript.TestScript, neg bool, args []string) {
	trained, ok := decodeObject(ts, args[0])["measured"].(map[string]any)
	evaluated := decodeObject(ts, args[1])
	delete(trained, "latency_ms")
	delete(evaluated, "latency_ms")
	if !ok || !near(trained, evaluated) {
		ts.Fatalf("%v\n%v", trained, evaluated)
	}
}

// near says whether decoded JSON is equal but for the last digits of numbers.
func near(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Abs(a-b) < 1e-6
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, near)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, near)
	}
	return a == b
}

func decodeObject(ts *testscript.TestScript, file string) map[string]any {
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &object))
	return object
}

// steady FILE FILE wants equal texts but for what was timed.
func steady(ts *testscript.TestScript, neg bool, args []string) {
	timed := regexp.MustCompile(`[0-9]+ notes/s|load average [0-9.]+`)
	a, b := timed.ReplaceAllString(ts.ReadFile(args[0]), ""), timed.ReplaceAllString(ts.ReadFile(args[1]), "")
	if a != b {
		ts.Fatalf("%s and %s differ", args[0], args[1])
	}
}

// fill FILE SIZE TEXT writes a text over and over; \xNN stands for a byte.
func fill(ts *testscript.TestScript, neg bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte(text), size/len(text)), 0o644))
}
