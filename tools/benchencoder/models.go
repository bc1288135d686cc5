package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// note is a text of a known number of tokens.
type note struct {
	Text string `json:"text"`
	IDs  []int  `json:"ids"`
}

// cases is what onnx_models.py says about a model.
type cases struct {
	Notes map[int]note `json:"notes"` // by tokens
	Cases []struct {
		note
		Logits []float64 `json:"logits"`
	} `json:"cases"`
}

// models are directories of onnx_models.py with a bundle beside each checkpoint.
type models struct{ dir string }

func (m models) cases(name string) (c cases, err error) {
	text, err := os.ReadFile(filepath.Join(m.dir, name, "cases.json"))
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(text, &c)
}

// prepare writes the models that are not there yet, and imports those whose bundle is not
// what these sources make.
func (m models) prepare(ctx context.Context, names []string) error {
	script := append([]string{"tools/encoder/onnx_models.py", "--out", m.dir}, names...)
	if err := command(ctx, "/usr/bin/python3", script...); err != nil {
		return fmt.Errorf("writing the models (Debian: apt-get install python3-onnx): %w", err)
	}
	importer := ""
	for _, name := range names {
		made, err := m.sources(name)
		if err != nil {
			return err
		}
		mark := filepath.Join(m.dir, name, "bundle.made")
		if before, err := os.ReadFile(mark); err == nil && string(before) == made {
			continue
		}
		if importer == "" {
			importer = filepath.Join(m.dir, "bedside")
			if err := command(ctx, "go", "build", "-o", importer, "./tools/bedside"); err != nil {
				return fmt.Errorf("building the importer: %w", err)
			}
		}
		if err := m.bundle(ctx, importer, name); err != nil {
			return fmt.Errorf("importing %s: %w", name, err)
		}
		if err := os.WriteFile(mark, []byte(made), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// bundle imports a checkpoint.
func (m models) bundle(ctx context.Context, importer, name string) error {
	dir := filepath.Join(m.dir, name)
	bundle := filepath.Join(dir, "bundle")
	if err := os.RemoveAll(bundle); err != nil {
		return err
	}
	arguments := []string{"import", "--calibrate", filepath.Join(dir, "calibration.txt"), "--out", bundle}
	if strings.Contains(name, "-first") {
		arguments = append(arguments, "--no-pooler")
	}
	return command(ctx, importer, append(arguments, filepath.Join(dir, "checkpoint"))...)
}

// sources is a hash of what a bundle is made of: the model, and the code that imports it.
func (m models) sources(name string) (string, error) {
	files := []string{filepath.Join(m.dir, name, "cases.json")}
	for _, pattern := range []string{"tools/bedside/import.go", "tools/checkpoint/*.go", "tools/quantize/*.go", "weights/*.go", "weights/bundle/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		files = append(files, slices.DeleteFunc(found, func(file string) bool { return strings.HasSuffix(file, "_test.go") })...)
	}
	sum := sha256.New()
	for _, file := range files {
		contents, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n", file, len(contents))
		sum.Write(contents)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// command shows what a program prints, on stderr: stdout is for the tables.
func command(ctx context.Context, name string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, name, arguments...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}
