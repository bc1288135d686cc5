package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bedside/tools/train/invented"
	random "bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"
)

// TestTrainHeadInterrupted stops while notes are read: what was read is kept.
func TestTrainHeadInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	m, tensors := random.Model(random.Tiny(), weights.MultiClass, []string{"A", "B"}, 1)
	if err := bundle.Write(at("encoder"), m, tensors); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("notes.csv"), invented.CSV(invented.Single(invented.Notes(400, 1))), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"train", "--data", at("notes.csv"), "--text", "note", "--label", "label",
		"--family", "head", "--encoder", at("encoder"), "--cache", at("cache"), "--out", at("m")}
	stderr := &stopper{stop: stop}
	var stdout bytes.Buffer
	code := run(ctx, args, streams{strings.NewReader(""), &stdout, stderr, true})
	if code != exitInterrupted || !strings.HasSuffix(stderr.text.String(), "bedside: interrupted\n") || stdout.Len() > 0 {
		t.Errorf("exit code %d, message %q, printed %q", code, stderr.text.String(), stdout.String())
	}
	if _, err := os.Stat(at("m")); err == nil {
		t.Error("a bundle is left")
	}
	kept, err := filepath.Glob(at("cache/*/*"))
	if err != nil || len(kept) == 0 || len(kept) == 400 {
		t.Errorf("%d vectors kept, error %v", len(kept), err)
	}
}
