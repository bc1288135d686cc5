// Command check has naga and tint look at every shader as devices compile it. Where one of them is not
// installed, it says so, and the numeric tests have to do.
package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/shaders"
)

// validators, how they are called, the file coming last, and what they have yet to learn.
var validators = []struct {
	call    []string
	unknown string
}{
	{[]string{"naga"}, "enable subgroups;"},
	{[]string{"tint", "--format", "wgsl", "-o", os.DevNull}, "\x00"},
}

// adapters differ in which shaders they get.
var adapters = []webgpu.Limits{
	{Binding: 128 << 20, Workgroup: 16384, Invocations: 256},
	{Binding: 1 << 30, Workgroup: 32768, Invocations: 1024, Packed: true},
	{Binding: 1 << 30, Invocations: 256, Packed: true}, // in software
	{Binding: 1 << 30, Invocations: 256, Quads: true},
}

func main() {
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check() error {
	texts, err := wanted()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "bedside-shaders-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	for _, v := range validators {
		path, e := exec.LookPath(v.call[0])
		if e != nil {
			fmt.Printf("%s is not installed: the shaders were not checked with it\n", v.call[0])
			continue
		}
		checked := 0
		for _, name := range slices.Sorted(maps.Keys(texts)) {
			if strings.Contains(texts[name], v.unknown) {
				fmt.Printf("%s does not know %q: %s was not checked with it\n", v.call[0], v.unknown, name)
				continue
			}
			file := filepath.Join(folder, name+".wgsl")
			err = errors.Join(err, os.WriteFile(file, []byte(texts[name]), 0o600), validate(path, v.call[1:], name, file))
			checked++
		}
		fmt.Printf("%s: %d shaders\n", v.call[0], checked)
	}
	return err
}

func validate(path string, options []string, name, file string) error {
	out, err := exec.Command(path, append(slices.Clone(options), file)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s refuses %s: %w\n%s", filepath.Base(path), name, err, out)
	}
	return nil
}

// wanted are the shaders of all pipelines that devices ask for, by name.
func wanted() (map[string]string, error) {
	texts := map[string]string{}
	for _, l := range adapters {
		if _, err := webgpu.New(asked{l, texts}); err != nil {
			return nil, err
		}
	}
	for name := range texts {
		text, err := shaders.Joined(name)
		if err != nil {
			return nil, err
		}
		texts[name] = text
	}
	return texts, nil
}

// asked is a host that has no GPU and remembers shaders.
type asked struct {
	limits webgpu.Limits
	texts  map[string]string
}

func (a asked) Limits() webgpu.Limits { return a.limits }

func (a asked) Pipeline(p webgpu.Pipeline) int32 {
	name, _, _ := strings.Cut(p.String(), ",")
	a.texts[name] = ""
	return int32(len(a.texts))
}

func (a asked) Reserve(uint32) bool               { return true }
func (a asked) Write(uint32, []byte)              {}
func (a asked) Record([]byte) int32               { return 0 }
func (a asked) Submit(int32, []byte) bool         { return false }
func (a asked) Read([]byte, uint32) webgpu.Answer { return webgpu.Lost }
