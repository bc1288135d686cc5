// Package report writes what models are worth as a page of Markdown with plots.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"bedside/weights"
)

// Protocol says how a bundle is measured. It is data, so that a new model is measured by
// adding a file; weights/README.md documents it.
type Protocol struct {
	Bundle    string      `json:"bundle"` // directory
	Flags     Flags       `json:"flags"`  // of every run
	Runs      []Run       `json:"runs"`
	Published []Published `json:"published"`
}

// Run is one measurement: by a command's flags, beside those of the protocol.
type Run struct {
	Protocol string `json:"protocol"` // its name
	Brief    bool   `json:"brief"`    // figures alone, for comparison
	Measure  Flags  `json:"measure"`  // of "bedside measure": train as the bundle was, ask about notes kept aside
	Evaluate Flags  `json:"evaluate"` // of "bedside evaluate": ask the bundle itself
}

// Published is what others say of a system of theirs.
type Published struct {
	System   string           `json:"system"`
	Protocol string           `json:"protocol"`
	Figures  []weights.Figure `json:"figures"`
}

// Flags are flags of a command line by name: strings, numbers, true, or lists of these.
type Flags map[string]any

// maxProtocolBytes bounds a protocol's file.
const maxProtocolBytes = 1 << 20

// ReadProtocol reads and checks the protocol at path.
func ReadProtocol(path string) (*Protocol, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxProtocolBytes+1))
	if err != nil {
		return nil, err
	}
	p, err := ParseProtocol(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// ParseProtocol reads and checks a protocol. Flags are for their command to judge.
func ParseProtocol(text []byte) (*Protocol, error) {
	if len(text) > maxProtocolBytes {
		return nil, fmt.Errorf("more than %d bytes: not a protocol", maxProtocolBytes)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	d.UseNumber()
	var p Protocol
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("not a protocol: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("not a protocol: something follows it")
	}
	return &p, p.check()
}

func (p Protocol) check() error {
	if p.Bundle == "" || len(p.Runs) == 0 {
		return errors.New("want a bundle and runs")
	}
	if _, err := p.Flags.Args(); err != nil {
		return err
	}
	for i, r := range p.Runs {
		if r.Protocol == "" || (r.Measure == nil) == (r.Evaluate == nil) {
			return fmt.Errorf("run %d: want the name of its protocol, and either measure or evaluate", i+1)
		}
		for _, flags := range []Flags{r.Measure, r.Evaluate} {
			if _, err := flags.Args(); err != nil {
				return fmt.Errorf("run %q: %w", r.Protocol, err)
			}
		}
	}
	if p.Runs[0].Brief {
		return fmt.Errorf("run %q: the first is the one to be shown in full, it cannot be brief", p.Runs[0].Protocol)
	}
	for _, other := range p.Published {
		if other.System == "" || other.Protocol == "" || len(other.Figures) == 0 {
			return fmt.Errorf("published system %q: want its name, protocol and figures", other.System)
		}
		for _, f := range other.Figures {
			if !slices.Contains(figureNames(), f.Name) {
				return fmt.Errorf("published system %q: figure %q: want one of %q", other.System, f.Name, figureNames())
			}
		}
	}
	return nil
}

// With gives the flags with those of other added, which win.
func (f Flags) With(other Flags) Flags {
	all := maps.Clone(f)
	if all == nil {
		all = Flags{}
	}
	maps.Copy(all, other)
	return all
}

// Args writes the flags as a command line has them, by name.
func (f Flags) Args() ([]string, error) {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if !isFlag(name) {
			return nil, fmt.Errorf("flag %q: want letters, digits and hyphens", name)
		}
		list, ok := f[name].([]any)
		if !ok {
			list = []any{f[name]}
		}
		for _, value := range list {
			arg, err := argument(name, value)
			if err != nil {
				return nil, err
			}
			args = append(args, arg...)
		}
	}
	return args, nil
}

func argument(name string, value any) ([]string, error) {
	switch value := value.(type) {
	case bool:
		if value {
			return []string{"--" + name}, nil
		}
		return nil, nil
	case string:
		return []string{"--" + name + "=" + value}, nil
	case json.Number:
		return []string{"--" + name + "=" + value.String()}, nil
	case float64:
		return []string{"--" + name + "=" + strconv.FormatFloat(value, 'g', -1, 64)}, nil
	}
	return nil, fmt.Errorf("flag %q: want text, a number, true or a list of these", name)
}

func isFlag(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (r != '-' || i == 0) {
			return false
		}
	}
	return name != ""
}
