package jsontext_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"bedside/weights/jsontext"
)

// marshal is what encoding/json writes.
func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func sameString(t *testing.T, s string) {
	t.Helper()
	got := string(jsontext.AppendString(nil, s))
	if want := marshal(t, s); got != want {
		t.Errorf("%q: %s, want %s", s, got, want)
	}
	r := jsontext.NewReader(got)
	if back := r.Text(); r.End() != nil || back != string([]rune(s)) {
		t.Errorf("%q: read back as %q, %v", s, back, r.Err())
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{
		"", "plain", `"quoted" \ /`, "<b>&amp;</b>", "\u2027\u2028\u2029\u202a", "é 😀 한 \ufffd",
		"\xff", "a\xffb", "\xef", "\xef\xbf", "\xed\xa0\x80", "\xf0\x9f\x98", "\xc0\x80", "\x7f\u0080",
	} {
		sameString(t, s)
	}
	for c := range rune(0x300) {
		sameString(t, "a"+string(c)+"b")
	}
	for b := range 256 {
		sameString(t, "a"+string([]byte{byte(b)})+"b")
	}
}

func sameFloat(t *testing.T, f float64) {
	t.Helper()
	got := string(jsontext.AppendFloat([]byte("e-05"), f))[4:]
	if want := marshal(t, f); got != want {
		t.Errorf("%g: %s, want %s", f, got, want)
	}
	r := jsontext.NewReader(got)
	if back := r.Float(); r.End() != nil || math.Float64bits(back) != math.Float64bits(f) {
		t.Errorf("%s: read back as %g, %v", got, back, r.Err())
	}
}

func TestAppendFloat(t *testing.T) {
	for _, f := range []float64{
		0, math.Copysign(0, -1), 1, .1, 1. / 3, 100, 123456789, 1e20, 1e21, 1e22, 9.99e20, 1e-5, 1e-6, 9.9e-7, 1e-7, 1e-9,
		1e-10, 1.5e-300, 5e-324, math.MaxFloat64, math.MaxInt64,
	} {
		sameFloat(t, f)
		sameFloat(t, -f)
	}
	source := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		if f := math.Float64frombits(source.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			sameFloat(t, f)
		}
		sameFloat(t, source.NormFloat64())
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if text := jsontext.AppendFloat(nil, f); json.Valid(text) {
			t.Errorf("%v is written as %s, which is JSON", f, text)
		}
	}
}

func TestAppendList(t *testing.T) {
	for _, list := range [][]int{nil, {}, {7}, {1, -2, math.MaxInt64, math.MinInt64}} {
		if got, want := string(jsontext.AppendList(nil, list, jsontext.AppendInt)), marshal(t, list); got != want {
			t.Errorf("%v: %s, want %s", list, got, want)
		}
	}
	if got := string(jsontext.AppendInt(nil, uint32(math.MaxUint32))); got != "4294967295" {
		t.Errorf("the largest address is written as %s", got)
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("<é>\u2028\xff\x00")
	f.Fuzz(func(t *testing.T, s string) { sameString(t, s) })
}
