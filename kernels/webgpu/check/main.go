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

// wanted are the shaders of all pipelines that devices begin with, by name.
func wanted() (map[string]string, error) {
	texts := map[string]string{}
	for _, l := range webgpu.Kinds() {
		for _, p := range webgpu.Wanted(l) {
			texts[p.Shader] = ""
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
