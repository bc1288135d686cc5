package kernels_test

import (
	"testing"

	"bedside/kernels"
)

var packShapes = []struct{ in, out int }{{1, 1}, {4, 8}, {16, 8}, {17, 9}, {24, 72}, {37, 24}, {50, 3}, {15, 16}}

// TestPackInt8 walks the layout as Packed documents it: panels, groups, outputs, inputs.
func TestPackInt8(t *testing.T) {
	for _, s := range packShapes {
		weights := make([]int8, s.in*s.out)
		for i := range weights {
			weights[i] = int8(i%254 - 127)
			if weights[i] == 0 {
				weights[i] = 3 // so that only padding is 0
			}
		}
		packed := kernels.PackInt8(weights, s.in, s.out)
		at, found := 0, 0
		for panel := range (s.out + 7) / 8 {
			for group := range 4 * ((s.in + 15) / 16) {
				for output := range 8 {
					for input := range 4 {
						n, k := 8*panel+output, 4*group+input
						want := int8(0)
						if n < s.out && k < s.in {
							want = weights[n*s.in+k]
							found++
						}
						if packed[at] != want {
							t.Fatalf("%+v: element %d is %d, want %d, input %d of output %d", s, at, packed[at], want, k, n)
						}
						at++
					}
				}
			}
		}
		if at != len(packed) || found != len(weights) {
			t.Errorf("%+v: %d bytes, want %d; %d weights of %d", s, len(packed), at, found, len(weights))
		}
	}
}

func TestPackedSums(t *testing.T) {
	got := kernels.PackedSums([]int8{1, 2, 3, -127, -127, -127, 0, 5, -5}, 3, 3)
	want := []int32{6, -381, 0, 0, 0, 0, 0, 0}
	if len(got) != len(want) {
		t.Fatalf("%d sums, want %d", len(got), len(want))
	}
	for n := range want {
		if got[n] != want[n] {
			t.Errorf("sum %d is %d, want %d", n, got[n], want[n])
		}
	}
}

func TestPackPanels(t *testing.T) {
	for _, s := range packShapes {
		floats, halves := make([]float32, s.in*s.out), make([]uint16, s.in*s.out)
		for i := range floats {
			floats[i], halves[i] = float32(i+1), uint16(i+1)
		}
		panels, half := kernels.PackPanels(floats, s.in, s.out), kernels.PackPanels(halves, s.in, s.out)
		if want := (s.out + 7) / 8 * 8 * s.in; len(panels) != want || len(half) != want {
			t.Fatalf("%+v: %d and %d elements, want %d", s, len(panels), len(half), want)
		}
		for at := range panels {
			n, k := at/(8*s.in)*8+at%8, at/8%s.in
			want := 0
			if n < s.out {
				want = n*s.in + k + 1
			}
			if panels[at] != float32(want) || half[at] != uint16(want) {
				t.Fatalf("%+v: element %d is %g and %d, want %d", s, at, panels[at], half[at], want)
			}
		}
	}
}
