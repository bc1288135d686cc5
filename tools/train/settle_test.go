package train

import (
	"reflect"
	"strings"
	"testing"

	"bedside/tools/dataset"
)

func TestTargets(t *testing.T) {
	d := &dataset.Dataset{Labels: []string{"a", "b"}, Examples: []dataset.Example{{Row: 3, Labels: []int{0, 1}}, {Row: 4, Labels: []int{1}}, {Row: 5}}}
	one := &dataset.Dataset{Labels: d.Labels, Examples: d.Examples[1:2]}
	tests := []struct {
		name       string
		data       *dataset.Dataset
		labels     []string
		multiLabel bool
		want       [][]int
		err        string
	}{
		{"renumbered", d, []string{"b", "c", "a"}, true, [][]int{{0, 2}, {0}, nil}, ""},
		{"one each", one, []string{"c", "a", "b"}, false, [][]int{{2}}, ""},
		{"a label that the model lacks", d, []string{"a", "c"}, true, nil, "1 of the data's 2 labels are none of the model's 2"},
		{"two labels of one", d, []string{"a", "b"}, false, nil, "row 3 has 2 labels"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Targets(test.data, test.labels, test.multiLabel)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got.Sets, test.want) || got.Labels != len(test.labels) || got.MultiClass == test.multiLabel {
				t.Errorf("%+v (%v), want %v", got, err, test.want)
			}
		})
	}
}
