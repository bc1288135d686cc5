package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"bedside/wasm/classify"
	"bedside/weights"
	"bedside/weights/bundle"
)

// promptly is how long a killed call may go on.
const promptly = 5 * time.Second

const fakeResult = `{"model":"tiny","task":"multi-label","labels":[]}`

// tinyBundle is a bundle of word unigrams with the given keys and three labels; the
// i-th key speaks for label order[i], or for the i-th where there is no order.
func tinyBundle(t testing.TB, keys []uint64, order ...int) fstest.MapFS {
	t.Helper()
	terms, labels := len(keys), 3
	idf, weight := make([]float32, terms), make([]int8, terms*labels)
	for i := range terms {
		label := i % labels
		if order != nil {
			label = order[i]
		}
		idf[i], weight[i*labels+label] = 1, 100
	}
	dir := t.TempDir() + "/tiny"
	err := bundle.Write(dir, weights.Manifest{
		Name: "tiny", Title: "Tiny", Question: "Which colour does the note speak of?",
		Task:        weights.Task{Kind: weights.MultiLabel, Labels: []string{"amber", "blue", "cyan"}},
		Text:        weights.Text{Lowercase: true},
		TFIDF:       &weights.TFIDF{Blocks: []weights.Block{{Analyzer: weights.Word, MinN: 1, MaxN: 1, Norm: "l2", Terms: terms}}},
		Linear:      &weights.Linear{Family: "lr", C: 1},
		Calibration: weights.Calibration{Kind: weights.Platt, Slope: []float64{1, 1, 1}, Intercept: []float64{0, 0, 0}},
		Thresholds:  []float64{.6, .6, .6},
	}, []weights.Values{
		weights.Uint64s(weights.KeysTensor(0), keys),
		weights.Float32s(weights.IDFTensor(0), idf, terms),
		weights.Int8s(weights.LinearWeight, weight, terms, labels),
		weights.Float32s(weights.LinearScale, []float32{.05, .05, .05}, labels),
		weights.Float32s(weights.LinearBias, []float32{-1, -1, -1}, labels),
	})
	if err != nil {
		t.Fatal(err)
	}
	return readAll(t, dir)
}

func readAll(t testing.TB, dir string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = &fstest.MapFile{Data: data}
	}
	return files
}

// planOf is a load plan for the bundle, changed by the given function.
func planOf(t testing.TB, files fstest.MapFS, change func(*plan)) string {
	t.Helper()
	opened, err := bundle.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	p := plan{Model: 1}
	for _, s := range opened.Manifest.Shards {
		p.Shards = append(p.Shards, planShard{s, []segment{{0, s.Size, "memory", allocationAt}}})
	}
	change(&p)
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newFake(t testing.TB, f fake, instances int) (*Host, error) {
	t.Helper()
	h, err := New(t.Context(), Options{Module: f.encode(), Instances: instances})
	if err == nil {
		t.Cleanup(func() {
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	return h, err
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var typed *Error
	if !errors.As(err, &typed) {
		t.Fatalf("error %v, want a *host.Error with code %s", err, code)
	}
	if typed.Code != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}

func TestHostileModuleIsRefused(t *testing.T) {
	files := tinyBundle(t, []uint64{1, 2, 3})
	leave := func(text string, at uint32, then int32) []byte {
		return append(output(at, uint32(len(text))), answer(then)...)
	}
	internal := `{"error":{"code":"internal","message":"index out of range"}}`
	tests := []struct {
		name   string
		plan   func(*plan)
		bodies map[string][]byte
		result string
		want   string
	}{
		{name: "plan for a file outside the bundle", plan: func(p *plan) { p.Shards[0].File = "../../etc/passwd" }, want: "not the manifest's"},
		{name: "plan with another digest", plan: func(p *plan) { p.Shards[0].SHA256 = strings.Repeat("0", 64) }, want: "not the manifest's"},
		{name: "plan with a shard too few", plan: func(p *plan) { p.Shards = nil }, want: "names 0 shards"},
		{name: "plan for another model", plan: func(p *plan) { p.Model = 7 }, want: "no load plan"},
		{name: "segment past the memory", plan: func(p *plan) { p.Shards[0].Segments[0].Address = pageSize - 8 }, want: "outside its memory"},
		{name: "segment at the end of the address space", plan: func(p *plan) { p.Shards[0].Segments[0].Address = math.MaxUint32 }, want: "outside its memory"},
		{name: "segment past the shard", plan: func(p *plan) { p.Shards[0].Segments[0].Length++ }, want: "which has"},
		{name: "segment before the shard", plan: func(p *plan) { p.Shards[0].Segments[0].Offset = -1 }, want: "which has"},
		{name: "segment of negative length", plan: func(p *plan) { p.Shards[0].Segments[0].Length = math.MinInt64 }, want: "which has"},
		{name: "segment whose end overflows", plan: func(p *plan) { p.Shards[0].Segments[0] = segment{8, math.MaxInt64, "memory", 0} }, want: "which has"},
		{name: "segment for a device that is not there", plan: func(p *plan) { p.Shards[0].Segments[0].To = "device" }, want: `"device"`},
		{name: "answer of finish that means nothing", bodies: map[string][]byte{"bedside_finish": answer(2)}, want: "bedside_finish answered 2"},
		{name: "segment for an unknown device", plan: func(p *plan) { p.Shards[0].Segments[0].To = "gpu" }, want: `"gpu"`},
		{name: "plan that is not JSON", bodies: map[string][]byte{"bedside_open": leave("xxxxxxxx", 0, 1)}, want: "no load plan"},
		{name: "plan outside the memory", bodies: map[string][]byte{"bedside_open": append(output(pageSize-4, 8), answer(1)...)}, want: "outside its memory"},
		{name: "output outside the memory", bodies: map[string][]byte{"bedside_finish": append(output(pageSize, 1), answer(0)...)}, want: "outside its memory"},
		{name: "output whose end overflows", bodies: map[string][]byte{"bedside_finish": append(output(math.MaxUint32, 2), answer(0)...)}, want: "outside its memory"},
		{name: "output of 4 GiB", bodies: map[string][]byte{"bedside_finish": append(output(0, math.MaxUint32), answer(0)...)}, want: "above the limit"},
		{name: "allocation outside the memory", bodies: map[string][]byte{"bedside_allocate": answer(pageSize)}, want: "outside its memory"},
		{name: "allocation at a negative address", bodies: map[string][]byte{"bedside_allocate": answer(-1)}, want: "outside its memory"},
		{name: "failure without an error", bodies: map[string][]byte{"bedside_begin": answer(-1)}, want: "left no error"},
		{name: "failure with an empty error", bodies: map[string][]byte{"bedside_begin": append(output(0, 0), answer(-1)...)}, want: "left no error"},
		{name: "internal error", bodies: map[string][]byte{"bedside_begin": leave(internal, resultAt, -1)}, result: internal, want: "index out of range"},
		{name: "trap in begin", bodies: map[string][]byte{"bedside_begin": trap}, want: "bedside_begin ended early"},
		{name: "trap in output", bodies: map[string][]byte{"bedside_output": trap}, want: "bedside_output ended early"},
		{name: "trap in open", bodies: map[string][]byte{"bedside_open": trap}, want: "bedside_open ended early"},
		{name: "trap in release", bodies: map[string][]byte{"bedside_release": trap}, want: "bedside_release ended early"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.plan == nil {
				test.plan = func(*plan) {}
			}
			if test.result == "" {
				test.result = fakeResult
			}
			h, err := newFake(t, fake{planOf(t, files, test.plan), test.result, test.bodies}, 1)
			if err != nil {
				t.Fatal(err)
			}
			m, err := h.Load(t.Context(), files)
			if err == nil {
				_, err = m.Classify(t.Context(), "A note.", classify.Options{Explain: 1})
			}
			wantCode(t, err, CodeInternal)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
			if len(h.idle) != 0 {
				t.Error("the broken instance went back into the pool")
			}
		})
	}
}

func TestForeignModuleIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		module []byte
		want   string
	}{
		"not WebAssembly": {[]byte("hello"), "reading the module (5 bytes)"},
		"no exports":      {[]byte("\x00asm\x01\x00\x00\x00"), "it is not bedside.wasm"},
	} {
		_, err := New(t.Context(), Options{Module: test.module})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
	files := tinyBundle(t, []uint64{1})
	h, err := newFake(t, fake{bodies: map[string][]byte{"bedside_abi": answer(abiVersion + 1)}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = h.Load(t.Context(), files); err == nil || !strings.Contains(err.Error(), fmt.Sprint("speaks ABI ", abiVersion+1)) {
		t.Errorf("error %v, want one about the ABI", err)
	}
}

func TestModuleErrorsAreTyped(t *testing.T) {
	files := tinyBundle(t, []uint64{1})
	for _, code := range []string{CodeBadTensors, CodeEmptyNote, CodeNoteTooLarge, CodeBadHandle} {
		result := fmt.Sprintf(`{"error":{"code":%q,"message":"the reason"}}`, code)
		h, err := newFake(t, fake{planOf(t, files, func(*plan) {}), result, map[string][]byte{
			"bedside_begin": append(output(resultAt, uint32(len(result))), answer(-3)...),
		}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		m, err := h.Load(t.Context(), files)
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Classify(t.Context(), "A note.", classify.Options{})
		wantCode(t, err, code)
		if len(h.idle) != 1 {
			t.Errorf("%s: %d idle instances, want the sound one back", code, len(h.idle))
		}
	}
}

func TestRefusedAllocation(t *testing.T) {
	files := tinyBundle(t, []uint64{1})
	h, err := newFake(t, fake{bodies: map[string][]byte{"bedside_allocate": answer(0)}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Load(t.Context(), files)
	wantCode(t, err, CodeBadManifest)
}

func TestEndlessCallEndsWithItsContext(t *testing.T) {
	files := tinyBundle(t, []uint64{1})
	sound := planOf(t, files, func(*plan) {})
	for name, bodies := range map[string]map[string][]byte{
		"_initialize":    {"_initialize": {opLoop, noResult, opBranch, 0, opEnd}},
		"bedside_open":   {"bedside_open": forever},
		"bedside_begin":  {"bedside_begin": forever},
		"bedside_finish": {"bedside_finish": forever},
		"bedside_output": {"bedside_output": forever},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := newFake(t, fake{sound, fakeResult, bodies}, 1)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			start := time.Now()
			m, err := h.Load(ctx, files)
			if err == nil {
				_, err = m.Classify(ctx, "A note.", classify.Options{})
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want the deadline's", err)
			}
			if took := time.Since(start); took > promptly {
				t.Errorf("the call ended after %v", took)
			}
			if len(h.idle) != 0 {
				t.Error("the killed instance went back into the pool")
			}
		})
	}
}

func TestWaitingForAnInstanceEndsWithTheContext(t *testing.T) {
	files := tinyBundle(t, []uint64{1})
	h, err := newFake(t, fake{planOf(t, files, func(*plan) {}), fakeResult, map[string][]byte{"bedside_begin": forever}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	busy := make(chan error)
	busyContext, end := context.WithCancel(t.Context())
	go func() {
		_, err := m.Classify(busyContext, "A note.", classify.Options{})
		busy <- err
	}()
	for len(h.slots) == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := m.Classify(ctx, "A note.", classify.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the waiting call ended with %v, want the deadline's error", err)
	}
	end()
	if err := <-busy; !errors.Is(err, context.Canceled) {
		t.Errorf("the busy call ended with %v, want that it was cancelled", err)
	}
}

func TestCloseEndsRunningCalls(t *testing.T) {
	files := tinyBundle(t, []uint64{1})
	h, err := newFake(t, fake{planOf(t, files, func(*plan) {}), fakeResult, map[string][]byte{"bedside_begin": forever}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	for range 4 { // two run, two wait
		go func() {
			_, err := m.Classify(context.Background(), "A note.", classify.Options{})
			ended <- err
		}()
	}
	for len(h.slots) < 2 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), promptly)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("a call ended with %v, want ErrClosed", err)
		}
	}
	if _, err := h.Load(t.Context(), files); !errors.Is(err, ErrClosed) {
		t.Errorf("Load after Close: %v, want ErrClosed", err)
	}
}
