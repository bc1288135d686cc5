package main

import (
	"reflect"
	"testing"

	"bedside/tools/dataset"
	"bedside/tools/train"
)

// TestBeside: a text that is a note of the data is learnt where that is, and nowhere if it is kept.
func TestBeside(t *testing.T) {
	d := &dataset.Dataset{Labels: []string{"a", "b"}, Examples: []dataset.Example{{Row: 4, Text: "a kettle"}, {Row: 5, Text: "a pillow"}}}
	kept := &dataset.Dataset{Examples: []dataset.Example{{Row: 6, Text: "a ghost"}}}
	free := &dataset.Dataset{Labels: []string{"b", "c"}, Examples: []dataset.Example{
		{Text: "a  pillow", Labels: []int{0}}, {Text: "a ghost ", Labels: []int{0}}, {Text: "a spoon", Labels: []int{0}}, {Text: "a bat", Labels: []int{1}},
	}}
	named := &dataset.Dataset{Labels: []string{"a"}, Named: true, Examples: []dataset.Example{
		{Row: 4, Text: "on the stove", Labels: []int{0}}, {Row: 6, Text: "on the stairs", Labels: []int{0}},
	}}
	want := []train.Extra{
		{Text: "a  pillow", Labels: []int{1}, Of: 1}, {Text: "a spoon", Labels: []int{1}, Of: -1}, {Text: "on the stove", Labels: []int{0}, Of: 0},
	}
	if got := beside(d, kept, []*dataset.Dataset{free, named}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
