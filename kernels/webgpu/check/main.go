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

// validators and how they are called; the file comes last.
var validators = [][]string{{"naga"}, {"tint", "--format", "wgsl", "-o", os.DevNull}}

// adapters differ in which shaders they get.
var adapters = []webgpu.Limits{
	{Binding: 128 << 20, Workgroup: 16384, Invocations: 256},
	{Binding: 1 << 30, Workgroup: 32768, Invocations: 1024, Packed: true},
	{Binding: 1 << 30, Invocations: 256, Packed: true}, // in software
}

func main() {
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check() error {
	names, err := wanted()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "bedside-shaders-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	for _, name := range names {
		text, e := shaders.Joined(name)
		err = errors.Join(err, e, os.WriteFile(filepath.Join(folder, name+".wgsl"), []byte(text), 0o600))
	}
	if err != nil {
		return err
	}
	for _, v := range validators {
		path, e := exec.LookPath(v[0])
		if e != nil {
			fmt.Printf("%s is not installed: the shaders were not checked with it\n", v[0])
			continue
		}
		for _, name := range names {
			err = errors.Join(err, validate(path, v[1:], name, filepath.Join(folder, name+".wgsl")))
		}
		fmt.Printf("%s: %d shaders\n", v[0], len(names))
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

// wanted are the shaders of all pipelines that devices ask for.
func wanted() ([]string, error) {
	names := map[string]bool{}
	for _, l := range adapters {
		if _, err := webgpu.New(asked{l, names}); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// asked is a host that has no GPU and remembers shaders.
type asked struct {
	limits webgpu.Limits
	names  map[string]bool
}

func (a asked) Limits() webgpu.Limits { return a.limits }

func (a asked) Pipeline(p webgpu.Pipeline) int32 {
	name, _, _ := strings.Cut(p.String(), ",")
	a.names[name] = true
	return int32(len(a.names))
}

func (a asked) Reserve(uint32) bool               { return true }
func (a asked) Write(uint32, []byte)              {}
func (a asked) Record([]byte) int32               { return 0 }
func (a asked) Submit(int32, []byte) bool         { return false }
func (a asked) Read([]byte, uint32) webgpu.Answer { return webgpu.Lost }
