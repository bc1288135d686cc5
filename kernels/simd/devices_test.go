package simd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"sync"
	"testing"

	"bedside/kernels"
	"bedside/kernels/reference"
	"bedside/kernels/simd"
	"bedside/kernels/simd/chromium"
	"bedside/kernels/simd/headless"
)

// shared is the browser of all tests, started when the first wants it.
var shared = struct {
	once    sync.Once
	browser *chromium.Browser
	err     error
}{}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if shared.browser != nil {
		shared.browser.Close()
	}
	os.Exit(code)
}

// startBrowser answers with the browser of all tests; without one, a test is skipped, but not in CI.
func startBrowser(t *testing.T) *chromium.Browser {
	t.Helper()
	shared.once.Do(func() { shared.browser, shared.err = chromium.Start(context.Background(), nil) })
	if errors.Is(shared.err, chromium.ErrNoBrowser) && os.Getenv("CI") == "" {
		t.Skip(shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.browser
}

// each runs a test on every variant that runs here: under wazero, and in Chromium.
func each(t *testing.T, test func(t *testing.T, d kernels.Device)) {
	t.Run("wazero", func(t *testing.T) {
		d, err := headless.NewDevice(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		test(t, d)
	})
	browser := startBrowser(t)
	for _, variant := range []string{"plain", "relaxed", "dot"} {
		for _, threads := range []int{0, 2, 3} {
			if threads == 3 && variant != "dot" {
				continue
			}
			t.Run(fmt.Sprintf("chromium/%s/%d", variant, threads), func(t *testing.T) {
				tab, err := browser.Open(variant, threads)
				if err != nil {
					t.Fatal(err)
				}
				defer tab.Close()
				test(t, simd.New(tab))
			})
		}
	}
}

// operand is a buffer's contents before a program and, where compare is set, how they are
// held against the reference's afterwards.
type operand struct {
	data    []byte
	compare func(got, want []byte) error
}

// agree runs a program on the device and on the reference, from the same operands.
func agree(t *testing.T, d kernels.Device, operands []operand, program func(kernels.Device, []kernels.Buffer) []kernels.Op) {
	t.Helper()
	run := func(d kernels.Device) [][]byte {
		sizes := make([]int, len(operands))
		for i, o := range operands {
			sizes[i] = len(o.data)
		}
		buffers, err := d.Allocate(sizes...)
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range operands {
			if err := d.Write(buffers[i], o.data); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Run(program(d, buffers)); err != nil {
			t.Fatal(err)
		}
		after := make([][]byte, len(operands))
		for i := range operands {
			after[i] = make([]byte, len(operands[i].data))
			if err := d.Read(after[i], buffers[i]); err != nil {
				t.Fatal(err)
			}
		}
		return after
	}
	want := run(reference.NewDevice())
	got := run(d)
	for i, o := range operands {
		compare := o.compare
		if compare == nil {
			compare = same
		}
		if err := compare(got[i], want[i]); err != nil {
			t.Errorf("operand %d: %v", i, err)
		}
	}
}

// same is for operands that no operation writes, and for exact ones.
func same(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return errors.New("the bytes differ")
	}
	return nil
}

func ignore(_, _ []byte) error { return nil }

// within compares floats: |got-want| ≤ absolute + relative*|want|.
func within(absolute, relative float64) func(got, want []byte) error {
	return func(got, want []byte) error {
		a, b := asFloats(got), asFloats(want)
		for i := range a {
			x, y := float64(a[i]), float64(b[i])
			if !(math.Abs(x-y) <= absolute+relative*math.Abs(y)) && x != y {
				return fmt.Errorf("element %d of %d is %g, want %g", i, len(a), x, y)
			}
		}
		return nil
	}
}

func floats(v []float32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func asFloats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

func ints(v []int32) []byte {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

func int8s(v []int8) []byte {
	b := make([]byte, len(v))
	for i, x := range v {
		b[i] = byte(x)
	}
	return b
}
