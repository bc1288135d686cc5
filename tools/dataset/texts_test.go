package dataset

import (
	"slices"
	"strings"
	"testing"
)

func TestReadTexts(t *testing.T) {
	tests := []struct {
		name, file string
		enough     int
		want       []string
		err        string
	}{
		{"a column", "id,note\n1,fever\n2,\"cough,\nmild\"\n", 100, []string{"fever", "cough,\nmild"}, ""},
		{"blank notes", "note\nfever\n\"  \"\ncough\n", 100, []string{"fever", "cough"}, ""},
		{"enough", "note\nfever\ncough\npain\n", 6, []string{"fever", "cough"}, ""},
		{"no such column", "text\nfever\n", 100, nil, `no column "note"; the columns are "text"`},
		{"ragged", "note,label\nfever,a\ncough\n", 100, nil, "row 1 (line 3): 1 fields"},
		{"nothing", "", 100, nil, "the file is empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readTexts(strings.NewReader(test.file), "note", test.enough)
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
		})
	}
}
