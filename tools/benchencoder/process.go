package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// family is a process and its descendants.
func family(root int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		if pid, fields := processStat(file); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], pid)
		}
	}
	out := []int{root}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i]]...)
	}
	return out
}

// processStat reads /proc/PID/stat: the fields from the state on, see proc(5).
func processStat(file string) (pid int, fields []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, nil
	}
	pid, _ = strconv.Atoi(string(text[:max(bytes.IndexByte(text, ' '), 0)]))
	return pid, strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// peakRenderer is the most memory that the largest renderer of a browser has held at once, in
// bytes: VmHWM, what lay in RAM of its own and of shared code.
func (b *browser) peakRenderer() (int64, error) {
	if runtime.GOOS != "linux" {
		return 0, fmt.Errorf("peak memory is read from /proc, which this system has not")
	}
	var peak int64
	for _, pid := range family(b.process) {
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || !bytes.Contains(command, []byte("--type=renderer")) {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				peak = max(peak, kb<<10)
			}
		}
	}
	if peak == 0 {
		return 0, fmt.Errorf("no renderer among the processes of %d", b.process)
	}
	return peak, nil
}

// load is CPU time spent so far, in seconds.
type load struct {
	all, own float64
	at       time.Time
}

const ticks = 100 // a second: USER_HZ, on every Linux

func (b *browser) load() load {
	l := load{at: time.Now()}
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		// cpu user nice system idle iowait irq softirq steal, then guests, who stand in user too
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, _ := strconv.ParseFloat(field, 64)
		l.all += n / ticks
	}
	for _, pid := range append(family(b.process), os.Getpid()) {
		_, fields := processStat(fmt.Sprintf("/proc/%d/stat", pid))
		for i := 11; i <= 12 && i < len(fields); i++ { // utime, stime
			n, _ := strconv.ParseFloat(fields[i], 64)
			l.own += n / ticks
		}
	}
	return l
}

// others is how many cores the rest of the machine has kept busy since.
func (l load) others(now load) float64 {
	seconds := now.at.Sub(l.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return max(0, (now.all-l.all-(now.own-l.own))/seconds)
}
