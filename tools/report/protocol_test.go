package report

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const small = `{"bundle": "my-model", "flags": {"data": "a b.csv", "C": 0.3, "multi-label": true, "group-by-text": false, "also": ["x.csv", "y.csv"]},
 "runs": [{"protocol": "five folds", "measure": {"parts": 5}}, {"protocol": "spring", "brief": true, "evaluate": {"C": 1}}],
 "published": [{"system": "a butler", "protocol": "from memory", "figures": [{"name": "accuracy", "value": 0.5}]}]}`

func TestFlags(t *testing.T) {
	p, err := ParseProtocol([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{
		{"--C=0.3", "--also=x.csv", "--also=y.csv", "--data=a b.csv", "--multi-label", "--parts=5"},
		{"--C=1", "--also=x.csv", "--also=y.csv", "--data=a b.csv", "--multi-label"},
	} {
		got, err := p.Flags.With(p.Runs[i].Measure).With(p.Runs[i].Evaluate).Args()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("run %d: %q, %v, want %q", i, got, err, want)
		}
	}
	if len(p.Flags) != 5 {
		t.Errorf("the protocol's own flags became %v", p.Flags)
	}
}

func TestShippedProtocols(t *testing.T) {
	files, err := filepath.Glob("../../weights/*.protocol.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d protocols, %v", len(files), err)
	}
	for _, file := range files {
		p, err := ReadProtocol(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if name := strings.TrimSuffix(filepath.Base(file), ".protocol.json"); p.Bundle != "weights/"+name {
			t.Errorf("%s is of bundle %s", file, p.Bundle)
		}
	}
}

func TestProtocolsRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"bundle": "my-model"`, `"bundle": ""`, "want a bundle"},
		{`"bundle": "my-model"`, `"model": "my-model"`, "model"},
		{`"parts": 5`, `"parts": {}`, `flag "parts"`},
		{`"parts": 5`, `"parts": [[5]]`, `flag "parts"`},
		{`"parts": 5`, `"parts": null`, `flag "parts"`},
		{`"parts": 5`, `"--parts": 5`, `flag "--parts"`},
		{`"parts": 5`, `"p=q": 5`, `flag "p=q"`},
		{`"measure"`, `"brief": true, "measure"`, "cannot be brief"},
		{`"measure": {"parts": 5}`, `"brief": false`, "either measure or evaluate"},
		{`"measure": {`, `"evaluate": {}, "measure": {`, "either measure or evaluate"},
		{`"protocol": "five folds", `, ``, "name of its protocol"},
		{`"name": "accuracy"`, `"name": "charm"`, `figure "charm"`},
		{`"system": "a butler", `, ``, "its name"},
		{`"value": 0.5}]}]}`, `"value": 0.5}]}]} {}`, "something follows"},
		{small, strings.Repeat(" ", maxProtocolBytes+1), "more than"},
	} {
		text := strings.Replace(small, c.old, c.new, 1)
		if _, err := ParseProtocol([]byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: error %v, want one with %q", c.new, err, c.want)
		}
	}
}

// FuzzParseProtocol: whatever is accepted has flags that a command line can hold.
func FuzzParseProtocol(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"bundle":"b","runs":[{"protocol":"p","measure":{"a":[1,"x",true,1e400]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseProtocol(text)
		if err != nil {
			return
		}
		for _, r := range p.Runs {
			args, err := p.Flags.With(r.Measure).With(r.Evaluate).Args()
			if err != nil {
				t.Fatal(err)
			}
			for _, arg := range args {
				if !strings.HasPrefix(arg, "--") || strings.HasPrefix(arg, "---") {
					t.Fatalf("%q is no flag", arg)
				}
			}
		}
	})
}
