package simd_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"bedside/kernels"
	"bedside/kernels/simd"
	"bedside/kernels/simd/chromium"
)

// TestLostHelper: a thread that dies in the middle of a piece ends the run in ErrLost
// after five seconds, not in a hang, and the device stays lost.
func TestLostHelper(t *testing.T) {
	browser := startBrowser(t)
	tab, err := browser.Open("plain", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	d := simd.New(chromium.Betrayed{Tab: tab})
	a := &allocator{Device: d}
	program := slices.Repeat(linearWork(128, 768, 768).program(a), 50)
	if a.err != nil {
		t.Fatal(a.err)
	}
	begun := time.Now()
	if err := d.Run(program); !errors.Is(err, kernels.ErrLost) {
		t.Fatalf("the run ended in %v", err)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("that took %v", took)
	}
	if err := d.Run(program); !errors.Is(err, kernels.ErrLost) {
		t.Errorf("a lost device answers %v", err)
	}
}

// TestNoHelperComes: a run does not wait for threads that are late.
func TestNoHelperComes(t *testing.T) {
	browser := startBrowser(t)
	tab, err := browser.Open("plain", 1) // shared memory, and nobody to share it with
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	a := &allocator{Device: simd.New(tab)}
	program := linearWork(13, 48, 40).program(a)
	if a.err != nil {
		t.Fatal(a.err)
	}
	if err := a.Run(program); err != nil {
		t.Error(err)
	}
}
