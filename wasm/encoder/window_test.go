package encoder

import "testing"

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		n, most, overlap int
		windows          int
	}{
		{0, 510, 124, 0}, {-1, 510, 124, 0},
		{1, 510, 124, 1}, {510, 510, 124, 1},
		{511, 510, 124, 2}, {896, 510, 124, 2}, {897, 510, 124, 3},
		{100_000, 510, 124, 259},
		{7, 6, 3, 2}, {9, 6, 3, 2}, {10, 6, 3, 3},
		{11, 6, 0, 2}, {12, 6, 0, 2}, {13, 6, 0, 3},
		{5, 1, 0, 5}, {5, 2, 1, 4},
	} {
		spans := split(nil, c.n, c.most, c.overlap)
		if len(spans) != c.windows {
			t.Errorf("%+v: %d windows", c, len(spans))
			continue
		}
		for i, s := range spans {
			switch {
			case s.length < 1 || s.length > c.most || s.length > spans[0].length || s.length < spans[0].length-1:
				t.Errorf("%+v: window %d is %+v, the first %+v", c, i, s, spans[0])
			case i == 0 && s.first != 0, i > 0 && s.first != spans[i-1].first+spans[i-1].length-c.overlap:
				t.Errorf("%+v: window %d begins at %d", c, i, s.first)
			case i == len(spans)-1 && s.first+s.length != c.n:
				t.Errorf("%+v: the last window ends at %d", c, s.first+s.length)
			}
		}
	}
}

func TestSplitCoversEveryLength(t *testing.T) {
	var spans []span
	for most := 1; most < 12; most++ {
		for overlap := range most {
			for n := 1; n < 80; n++ {
				spans = split(spans[:0], n, most, overlap)
				at := 0
				for i, s := range spans {
					if s.first > at || s.length > most || s.length <= overlap && len(spans) > 1 || i > 0 && at-s.first != overlap {
						t.Fatalf("n %d, most %d, overlap %d: %+v", n, most, overlap, spans)
					}
					at = s.first + s.length
				}
				if fewer := len(spans) - 1; at != n || fewer > 0 && fewer*most-(fewer-1)*overlap >= n {
					t.Fatalf("n %d, most %d, overlap %d: %d windows to %d", n, most, overlap, len(spans), at)
				}
			}
		}
	}
}
