package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tetratelabs/wazero/api"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/kernels/simd/headless"
	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"
)

var letters = []string{"A", "B", "C"}

// encoderBundle is a bundle of an encoder of that shape, after a change to its tensors.
func encoderBundle(t testing.TB, e weights.Encoder, change func(m *weights.Manifest, tensors []weights.Values)) fstest.MapFS {
	t.Helper()
	m, tensors := invented.Model(e, weights.MultiLabel, letters, 7)
	if change != nil {
		change(&m, tensors)
	}
	dir := t.TempDir() + "/encoder"
	if err := bundle.Write(dir, m, tensors); err != nil {
		t.Fatal(err)
	}
	return readAll(t, dir)
}

// nativeEncoder opens a bundle on a device without the module.
func nativeEncoder(t testing.TB, files fs.FS, device kernels.Device) *classify.Model {
	t.Helper()
	opened, err := bundle.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	loading, err := classify.Open(opened.Manifest, device)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Each(t.Context(), loading.Write); err != nil {
		t.Fatal(err)
	}
	model, err := loading.Ready()
	if err != nil {
		t.Fatal(err)
	}
	return model
}

var encoderNotes = []string{
	"chest pain",
	"No chest pain, mild fever; left knee. Ünknown 患者 x😀.",
	"\x00", // no tokens
	"患者",   // unknown ones only
	strings.Repeat("mild cough and fever, knee pain. ", 40),
}

// TestEncodersAnswerAsNativeCodeDoes: the module's answer is that of the same Go code on
// the same device outside it, to the last bit.
func TestEncodersAnswerAsNativeCodeDoes(t *testing.T) {
	shapes := map[string]func(*weights.Encoder){
		"int8": func(*weights.Encoder) {},
		"float16": func(e *weights.Encoder) {
			e.Weights, e.Activation, e.Window.Combine = weights.Float16, weights.GELUTanh, weights.MaxLogits
		},
		"float32": func(e *weights.Encoder) {
			e.Weights, e.Pool, e.Pooler, e.Window.Combine = weights.Float32, weights.PoolMean, false, weights.MeanPooled
		},
	}
	for _, device := range []string{Reference, SIMD} {
		h := realHostOn(t, device, 1)
		for name, change := range shapes {
			e := invented.Tiny()
			change(&e)
			files := encoderBundle(t, e, nil)
			m, err := h.Load(t.Context(), files)
			if err != nil {
				t.Fatalf("%s on %s: %v", name, device, err)
			}
			native := nativeEncoder(t, files, deviceFor(t, device))
			for _, note := range encoderNotes {
				got, err := m.ClassifyJSON(t.Context(), note, classify.Options{Explain: 1})
				if err != nil {
					t.Fatalf("%s on %s, %.20q: %v", name, device, note, err)
				}
				r, err := native.Classify(note, classify.Options{Explain: 1})
				if err != nil {
					t.Fatal(err)
				}
				if want, _ := json.Marshal(r); !bytes.Equal(got, want) {
					t.Errorf("%s on %s, %.20q:\nmodule %s\nnative %s", name, device, note, got, want)
				}
			}
			m.Close()
		}
	}
}

func deviceFor(t testing.TB, name string) kernels.Device {
	t.Helper()
	if name == Reference {
		return reference.NewDevice()
	}
	d, err := headless.NewDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestDevicesAgree holds the kernels to the reference: integers are equal, floats close.
func TestDevicesAgree(t *testing.T) {
	files := encoderBundle(t, invented.Tiny(), nil)
	defined, fast := nativeEncoder(t, files, deviceFor(t, Reference)), nativeEncoder(t, files, deviceFor(t, SIMD))
	for _, note := range encoderNotes {
		want, _, err := defined.Score(note)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := fast.Score(note)
		if err != nil {
			t.Fatal(err)
		}
		for l := range want {
			if d := math.Abs(got[l] - want[l]); d > 1e-2 {
				t.Errorf("%.20q: logit %d is %g, of the reference %g", note, l, got[l], want[l])
			}
		}
	}
}

func TestLongNotesTellHowFarTheyAre(t *testing.T) {
	h, files := realHost(t, 1), encoderBundle(t, invented.Tiny(), nil)
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	var told [][2]int
	ctx := WithProgress(t.Context(), func(done, total int) { told = append(told, [2]int{done, total}) })
	r, err := m.Classify(ctx, encoderNotes[len(encoderNotes)-1], classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Windows < 10 || len(told) < 2 {
		t.Fatalf("%d windows, progress %v", r.Windows, told)
	}
	if !slices.IsSortedFunc(told, func(a, b [2]int) int { return a[0] - b[0] }) {
		t.Errorf("progress %v goes back", told)
	}
	for _, p := range told {
		if p[0] < 1 || p[0] >= r.Windows || p[1] != r.Windows {
			t.Errorf("progress %v of %d windows", p, r.Windows)
		}
	}
}

// TestBeginTellsTheTokens: hosts choose a device by them.
func TestBeginTellsTheTokens(t *testing.T) {
	for _, c := range []struct {
		files fs.FS
		want  string
	}{
		{encoderBundle(t, invented.Tiny(), nil), `{"done":0,"of":2,"tokens":15}`},
		{colours(t), `{"done":1,"of":1,"tokens":0}`},
	} {
		h := realHost(t, 1)
		m, err := h.Load(t.Context(), c.files)
		if err != nil {
			t.Fatal(err)
		}
		err = h.with(t.Context(), m, func(ctx context.Context, in *instance) error {
			note := strings.Repeat("knee ", 15)
			at, err := in.put(ctx, note, "")
			if err != nil {
				return err
			}
			if _, err := in.check(ctx, "bedside_begin", api.EncodeI32(in.handles[m].model), at, uint64(len(note)), 0, 0); err != nil {
				return err
			}
			got, err := in.output(ctx)
			if string(got) != c.want {
				t.Errorf("begin tells %s, want %s", got, c.want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestCancelledBetweenParts: a note that is given up costs no instance, which would have
// to read the model again.
func TestCancelledBetweenParts(t *testing.T) {
	h, files := realHost(t, 1), encoderBundle(t, invented.Tiny(), nil)
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	before := h.idle[0]
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		_, err = m.Classify(WithProgress(ctx, func(int, int) { calls++; cancel() }), encoderNotes[len(encoderNotes)-1], classify.Options{})
		if !errors.Is(err, context.Canceled) || calls != 1 {
			t.Fatalf("error %v after %d parts, want that it was cancelled after 1", err, calls)
		}
	}
	if len(h.idle) != 1 || h.idle[0] != before || len(before.devices) != 1 {
		t.Fatalf("%d idle instances; the cancelled one is gone", len(h.idle))
	}
	if r, err := m.Classify(t.Context(), "chest pain", classify.Options{}); err != nil || r.Windows != 1 {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}

// TestReferenceIsKilled: plain Go in the module is ended wherever it is.
func TestReferenceIsKilled(t *testing.T) {
	e := invented.Tiny()
	e.Layers, e.Hidden, e.Heads, e.Intermediate, e.Positions = 4, 256, 4, 1024, 512
	e.Window = weights.Window{Tokens: 512, Combine: weights.MeanLogits}
	h := realHostOn(t, Reference, 1)
	m, err := h.Load(t.Context(), encoderBundle(t, e, nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err = m.Classify(ctx, strings.Repeat("knee pain ", 250), classify.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline's", err)
	}
	if took := time.Since(start); took > promptly {
		t.Errorf("the call ended after %v", took)
	}
	if len(h.idle) != 0 {
		t.Error("the killed instance went back into the pool")
	}
}

func TestClosedEncodersFreeTheirDevices(t *testing.T) {
	h, files := realHost(t, 1), encoderBundle(t, invented.Tiny(), nil)
	linear, err := h.Load(t.Context(), colours(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		first, err := h.Load(t.Context(), files)
		if err != nil {
			t.Fatal(err)
		}
		second, err := h.Load(t.Context(), files)
		if err != nil {
			t.Fatal(err)
		}
		first.Close()
		wantDevices(t, h, 1)
		if _, err := second.Classify(t.Context(), "chest pain", classify.Options{}); err != nil {
			t.Errorf("closing one model broke the other: %v", err)
		}
		second.Close()
	}
	wantDevices(t, h, 0)
	if r, err := linear.Classify(t.Context(), "blue", classify.Options{}); err != nil || r.Labels[0].Name != "blue" {
		t.Errorf("the linear model beside: %v", err)
	}
}

func TestUnknownDeviceIsRefused(t *testing.T) {
	if _, err := New(t.Context(), Options{Module: fake{}.encode(), Device: "abacus"}); err == nil || !strings.Contains(err.Error(), `"abacus"`) {
		t.Errorf("error %v", err)
	}
}

// named finds a tensor.
func named(t testing.TB, tensors []weights.Values, name string) *weights.Values {
	t.Helper()
	i := slices.IndexFunc(tensors, func(v weights.Values) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("no tensor %s", name)
	}
	return &tensors[i]
}

func TestDamagedEncoders(t *testing.T) {
	words := func(change func(string) string) func(*weights.Manifest, []weights.Values) {
		return func(_ *weights.Manifest, tensors []weights.Values) {
			v := named(t, tensors, weights.EncoderVocabulary)
			*v = weights.Bytes(v.Name, []byte(change(string(v.Data))))
		}
	}
	replace := func(old, new string) func(*weights.Manifest, []weights.Values) {
		return words(func(s string) string { return strings.Replace(s, old, new, 1) })
	}
	huge := func(name string) func(*weights.Manifest, []weights.Values) {
		return func(_ *weights.Manifest, tensors []weights.Values) {
			v := named(t, tensors, name)
			for i := 0; i < len(v.Data); i += 4 {
				sign := byte(i*7/4) & 0x80                              // lest they cancel out
				copy(v.Data[i:], []byte{0xff, 0xff, 0x7f, 0x7f | sign}) // the largest float32
			}
		}
	}
	for _, device := range []string{Reference, SIMD} {
		h := realHostOn(t, device, 1)
		for _, test := range []struct {
			name   string
			change func(*weights.Manifest, []weights.Values)
			code   string
		}{
			{"no [SEP]", replace("[SEP]", "[SEQ]"), CodeBadTensors},
			{"no [CLS]", replace("[CLS]", "cls"), CodeBadTensors},
			{"a token twice", replace("knee", "pain"), CodeBadTensors},
			{"an empty token", replace("knee", ""), CodeBadTensors},
			{"more tokens than rows", words(func(s string) string { return s + "elbow\n" }), CodeBadTensors},
			{"no UTF-8", replace("knee", "kn\xffe"), CodeBadTensors},
			{"weights that overflow", huge("head.weight"), CodeBadTensors},
			{"scales that overflow", huge("encoder.1.down.scale"), CodeBadTensors},
			{"embeddings that overflow", huge("encoder.word.scale"), CodeBadTensors},
		} {
			m, err := h.Load(t.Context(), encoderBundle(t, invented.Tiny(), test.change))
			if err == nil {
				_, err = m.Classify(t.Context(), "chest pain", classify.Options{})
				m.Close()
			}
			t.Logf("%s on %s: %v", test.name, device, err)
			wantCode(t, err, test.code)
			if strings.Contains(err.Error(), "chest") {
				t.Errorf("%s: the error quotes the note: %v", test.name, err)
			}
		}
		wantDevices(t, h, 0)
	}
}

// wantDevices counts the devices of the one idle instance.
func wantDevices(t testing.TB, h *Host, want int) {
	t.Helper()
	if len(h.idle) != 1 || len(h.idle[0].devices) != want {
		t.Fatalf("idle instances %v, want one with %d devices", h.idle, want)
	}
}

// TestEncoderTooLargeForItsDevice opens manifests that promise more than a device has;
// nothing of that is taken.
func TestEncoderTooLargeForItsDevice(t *testing.T) {
	for _, test := range []struct {
		name, device string
		layers       int
		code         string
	}{
		{"more than a host's device holds", SIMD, 12, CodeBadManifest},
		{"more than addresses reach", SIMD, 10, CodeOutOfMemory}, // halves take three times their size
		{"more than the host gives", SIMD, 4, CodeOutOfMemory},
		{"more than the module holds", Reference, 3, CodeBadManifest},
		{"more than the reference makes of it", Reference, 1, CodeOutOfMemory},
	} {
		h := realHostOn(t, test.device, 1)
		_, err := h.Load(t.Context(), promised(t, test.layers))
		t.Logf("%s: %v", test.name, err)
		wantCode(t, err, test.code)
	}
}

// promised is the manifest of an encoder of halves, some 260 MB a layer, without shards
// behind it.
func promised(t testing.TB, layers int) fstest.MapFS {
	t.Helper()
	small := invented.Tiny()
	small.Layers, small.Weights = layers, weights.Float16
	m, tensors := invented.Model(small, weights.MultiLabel, letters, 1)
	if _, err := m.Layout(tensors); err != nil {
		t.Fatal(err)
	}
	e := m.Encoder
	grown := map[int]int{e.Hidden: 3072, 3 * e.Hidden: 9216, e.Intermediate: 16384}
	grow := func(n, unit int) int {
		for from, to := range grown {
			if kernels.Padded(from, unit)/unit == n {
				return kernels.Padded(to, unit) / unit
			}
		}
		return n
	}
	at := m.Tensors[0].Offset
	for i := range m.Tensors {
		x := &m.Tensors[i]
		width := int64(1)
		for _, n := range x.Shape {
			width *= int64(n)
		}
		width = x.Size / width
		switch {
		case x.Name == weights.EncoderVocabulary:
		case len(x.Shape) == 3:
			if x.Name != "head.weight" {
				x.Shape[0] = grow(x.Shape[0], kernels.PanelWidth)
			}
			x.Shape[1] = grow(x.Shape[1], 1)
		case len(x.Shape) == 2:
			x.Shape[1] = grow(x.Shape[1], 1)
		case strings.HasSuffix(x.Name, weights.Bias) && x.Name != "head.bias":
			x.Shape[0] = grow(x.Shape[0]/kernels.PanelWidth, kernels.PanelWidth) * kernels.PanelWidth
		case strings.HasSuffix(x.Name, weights.Gamma), strings.HasSuffix(x.Name, weights.Beta):
			x.Shape[0] = grow(x.Shape[0], 1)
		}
		x.Size = width
		for _, n := range x.Shape {
			x.Size *= int64(n)
		}
		x.Offset, at = at, at+x.Size
	}
	e.Hidden, e.Intermediate = 3072, 16384
	for i := 0; at > 0; i++ {
		s := weights.Shard{File: fmt.Sprint(i), Size: min(at, weights.MaxShardBytes), SHA256: strings.Repeat("0", 64)}
		m.Shards, at = append(m.Shards, s), at-s.Size
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := weights.ParseManifest(text); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{bundle.ManifestFile: {Data: text}}
}

func TestModuleBeyondItsDeviceIsEnded(t *testing.T) {
	files := encoderBundle(t, invented.Tiny(), nil)
	const device = 1 // the first that an instance gets
	toDevice := func(at uint32) func(*plan) {
		return func(p *plan) { p.Shards[0].Segments[0].To, p.Shards[0].Segments[0].Address = "device", at }
	}
	none := func(*plan) {}
	then := func(code []byte) map[string][]byte {
		return map[string][]byte{"bedside_begin": append(code, answer(1)...)}
	}
	for _, test := range []struct {
		name   string
		plan   func(*plan)
		bodies map[string][]byte
		want   string
	}{
		{"segment outside the device's memory", toDevice(2*pageSize - 8), nil, "outside its memory"},
		{"segment at the end of the address space", toDevice(math.MaxUint32), nil, "outside its memory"},
		{"unknown device", none, then(call("threads", device+1)), "bedside_begin ended early"},
		{"device 0", none, then(call("run", 0, 0)), "bedside_begin ended early"},
		{"negative device", none, then(call("reserve", -1, 1)), "bedside_begin ended early"},
		{"write outside the device", none, then(call("write", device, 2*pageSize-4, 0, 8)), "bedside_begin ended early"},
		{"write whose end overflows", none, then(call("write", device, -4, 0, 8)), "bedside_begin ended early"},
		{"write of what the module has not", none, then(call("write", device, 0, pageSize-4, 8)), "bedside_begin ended early"},
		{"read outside the device", none, then(call("read", device, 0, 2*pageSize-4, 8)), "bedside_begin ended early"},
		{"read to where the module has nothing", none, then(call("read", device, pageSize-4, 0, 8)), "bedside_begin ended early"},
		{"a GPU's pipeline", none, then(call("pipeline", device, 0, 1)), "bedside_begin ended early"},
		{"a GPU's list", none, then(call("record", device, 0, 4)), "bedside_begin ended early"},
		{"work for a GPU", none, then(call("submit", device, 0, 0, 4)), "bedside_begin ended early"},
		{"progress that is no JSON", none, map[string][]byte{"bedside_finish": append(output(0, 8), answer(1)...)}, "left no progress"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, err := newFake(t, fake{planOf(t, files, test.plan), fakeResult, test.bodies}, 1)
			if err != nil {
				t.Fatal(err)
			}
			m, err := h.Load(t.Context(), files)
			if err == nil {
				ctx := WithProgress(t.Context(), func(int, int) {})
				_, err = m.Classify(ctx, "A note.", classify.Options{})
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

// TestDeviceWithinItsBounds: what lies just within is done, and more memory is refused
// where there is none.
func TestDeviceWithinItsBounds(t *testing.T) {
	files := encoderBundle(t, invented.Tiny(), nil)
	const device = 1
	code := append(call("write", device, 2*pageSize-8, pageSize-8, 8), call("read", device, pageSize-8, 2*pageSize-8, 8)...)
	code = append(append(code, call("reserve", device, -65536)...), call("threads", device)...)
	code = append(code, call("limit", device, 0)...)
	h, err := newFake(t, fake{planOf(t, files, func(*plan) {}), fakeResult, map[string][]byte{"bedside_begin": append(code, answer(1)...)}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Classify(t.Context(), "A note.", classify.Options{}); err != nil {
		t.Error(err)
	}
}

// TestLostDeviceIsReplaced: a model whose device was lost is opened again by the next call.
func TestLostDeviceIsReplaced(t *testing.T) {
	files := encoderBundle(t, invented.Tiny(), nil)
	const lost = `{"error":{"code":"device-lost","message":"the device was lost"}}`
	h, err := newFake(t, fake{planOf(t, files, func(*plan) {}), lost, map[string][]byte{
		"bedside_finish": append(output(resultAt, uint32(len(lost))), answer(-1)...),
	}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(3) {
		if d := h.idle[0].handles[m].device; i > 0 && d != 0 {
			t.Errorf("the model still has device %d", d)
		}
		_, err = m.Classify(t.Context(), "A note.", classify.Options{})
		wantCode(t, err, CodeDeviceLost)
		wantDevices(t, h, 0)
	}
}

// TestKernelsThatEnd: a device whose kernels are gone is lost, and the next call has another.
func TestKernelsThatEnd(t *testing.T) {
	h := realHost(t, 1)
	m, err := h.Load(t.Context(), encoderBundle(t, invented.Tiny(), nil))
	if err != nil {
		t.Fatal(err)
	}
	before := h.idle[0]
	if err := before.devices[before.handles[m].device].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = m.Classify(t.Context(), "chest pain", classify.Options{})
	wantCode(t, err, CodeDeviceLost)
	wantDevices(t, h, 0)
	if _, err := m.Classify(t.Context(), "chest pain", classify.Options{}); err != nil {
		t.Error(err)
	}
	if h.idle[0] != before {
		t.Error("the instance, which was sound, is gone")
	}
}

// TestJobsThatAreDropped talks to the module as another host might.
func TestJobsThatAreDropped(t *testing.T) {
	h := realHost(t, 1)
	m, err := h.Load(t.Context(), encoderBundle(t, invented.Tiny(), nil))
	if err != nil {
		t.Fatal(err)
	}
	err = h.with(t.Context(), m, func(ctx context.Context, in *instance) error {
		begin := func() uint64 {
			job, err := in.begin(ctx, in.handles[m].model, encoderNotes[len(encoderNotes)-1], "")
			if err != nil {
				t.Fatal(err)
			}
			return api.EncodeI32(job)
		}
		cancelled, under, left := begin(), begin(), begin()
		for _, job := range []uint64{under, left, under} { // in turn
			if more, err := in.check(ctx, "bedside_finish", job); err != nil || more != 1 {
				t.Errorf("the first part answers %d, %v", more, err)
			}
		}
		for _, job := range []uint64{cancelled, under} {
			if _, err := in.check(ctx, "bedside_cancel", job); err != nil {
				t.Error(err)
			}
			for _, call := range []string{"bedside_finish", "bedside_cancel"} {
				_, err := in.check(ctx, call, job)
				wantCode(t, err, CodeBadHandle)
			}
		}
		in.close(ctx, m)
		_, err := in.check(ctx, "bedside_finish", left) // its model is closed
		wantCode(t, err, CodeBadHandle)
		if in.broken {
			t.Error("the instance is broken")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEndlessPartsEndWithTheContext: a module that always has more to do.
func TestEndlessPartsEndWithTheContext(t *testing.T) {
	files := encoderBundle(t, invented.Tiny(), nil)
	h, err := newFake(t, fake{planOf(t, files, func(*plan) {}), fakeResult, map[string][]byte{"bedside_finish": answer(1)}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := h.Load(t.Context(), files)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := m.Classify(ctx, "A note.", classify.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline's", err)
	}
	if len(h.idle) != 1 {
		t.Error("the sound instance is gone")
	}
}
