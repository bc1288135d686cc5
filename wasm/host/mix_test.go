package host

import (
	"bytes"
	"encoding/json"
	"testing"
	"testing/fstest"

	"bedside/wasm/classify"
	"bedside/wasm/encoder/invented"
	"bedside/weights"
	"bedside/weights/bundle"
)

// mixBundles are an invented linear model, an encoder, and the model of both.
func mixBundles(t testing.TB) (linear, encoder, both fstest.MapFS) {
	t.Helper()
	write := func(m weights.Manifest, tensors []weights.Values) fstest.MapFS {
		dir := t.TempDir() + "/bundle"
		if err := bundle.Write(dir, m, tensors); err != nil {
			t.Fatal(err)
		}
		return readAll(t, dir)
	}
	l, ofLinear := invented.Linear(weights.MultiLabel, letters, 5)
	e, ofEncoder := invented.Model(invented.Tiny(), weights.MultiLabel, letters, 7)
	return write(l, ofLinear), write(e, ofEncoder), write(invented.Mix(l, ofLinear, e, ofEncoder))
}

// TestAMixAddsUpInTheModule: a mix answers in the module as native code does, to the last
// bit, and with the sum of what its members' own bundles say there.
func TestAMixAddsUpInTheModule(t *testing.T) {
	linear, encoder, both := mixBundles(t)
	o := classify.Options{Explain: 2, Offsets: "utf16"}
	for _, device := range []string{Reference, SIMD} {
		h := realHostOn(t, device, 1)
		var loaded []*Model
		for _, files := range []fstest.MapFS{linear, encoder, both} {
			m, err := h.Load(t.Context(), files)
			if err != nil {
				t.Fatal(err)
			}
			loaded = append(loaded, m)
		}
		native := nativeEncoder(t, both, deviceFor(t, device))
		for _, note := range encoderNotes {
			got, err := loaded[2].ClassifyJSON(t.Context(), note, o)
			if err != nil {
				t.Fatal(err)
			}
			r, err := native.Classify(note, o)
			if err != nil {
				t.Fatal(err)
			}
			if want, _ := json.Marshal(r); !bytes.Equal(got, want) {
				t.Errorf("%s, %.20q:\nmodule %s\nnative %s", device, note, got, want)
			}
			sum := map[int]float64{}
			for _, m := range loaded[:2] {
				alone, err := m.Classify(t.Context(), note, o)
				if err != nil {
					t.Fatal(err)
				}
				for _, label := range alone.Labels {
					sum[label.Index] += label.Logit
				}
			}
			for _, label := range r.Labels {
				if label.Logit != sum[label.Index] {
					t.Errorf("%s, %.20q: logit %d is %g, its members' sum %g", device, note, label.Index, label.Logit, sum[label.Index])
				}
			}
		}
		if want := 2; device == SIMD {
			wantDevices(t, h, want)
			loaded[2].Close()
			wantDevices(t, h, want-1)
		}
	}
}

// TestDamagedMixes: what stays in memory is checked as a linear model's is, what goes to the
// device as an encoder's.
func TestDamagedMixes(t *testing.T) {
	l, ofLinear := invented.Linear(weights.MultiLabel, letters, 5)
	e, ofEncoder := invented.Model(invented.Tiny(), weights.MultiLabel, letters, 7)
	for name, change := range map[string]func(tensors []weights.Values){
		"keys that fall":          func(tensors []weights.Values) { clear(named(t, tensors, weights.KeysTensor(0)).Data[8:]) },
		"a vocabulary of nothing": func(tensors []weights.Values) { clear(named(t, tensors, weights.EncoderVocabulary).Data) },
	} {
		m, tensors := invented.Mix(l, cloned(ofLinear), e, cloned(ofEncoder))
		change(tensors)
		dir := t.TempDir() + "/bundle"
		if err := bundle.Write(dir, m, tensors); err != nil {
			t.Fatal(err)
		}
		h := realHost(t, 1)
		_, err := h.LoadDir(t.Context(), dir)
		t.Logf("%s: %v", name, err)
		wantCode(t, err, CodeBadTensors)
		wantDevices(t, h, 0)
	}
}

func cloned(tensors []weights.Values) []weights.Values {
	out := make([]weights.Values, len(tensors))
	for i, v := range tensors {
		v.Data = bytes.Clone(v.Data)
		out[i] = v
	}
	return out
}
