package main

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestFamily(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	child := exec.Command("sh", "-c", "sleep 20 & wait")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all := family(os.Getpid())
		grand := family(child.Process.Pid)
		if len(grand) == 2 && all[0] == os.Getpid() && slices.Contains(all, child.Process.Pid) && slices.Contains(all, grand[1]) {
			if p, err := os.FindProcess(grand[1]); err == nil {
				p.Kill()
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the family is %v, the child's %v", all, grand)
		}
	}
}

func TestLoad(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	b := &browser{process: os.Getpid()}
	before := b.load()
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
	}
	after := b.load()
	if own := after.own - before.own; own < .1 {
		t.Errorf("after 0.2 s of work the process has spent %.2f s more", own)
	}
	if o := before.others(after); o < 0 || o > float64(runtime.NumCPU())+1 {
		t.Errorf("others kept %.2f cores busy", o)
	}
	if o := before.others(before); o != 0 {
		t.Errorf("in no time others kept %.2f cores busy", o)
	}
}
