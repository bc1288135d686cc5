package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var columns = Options{Text: "note", Label: "kind"}

func read(t *testing.T, data, split string, o Options) (*Dataset, error) {
	t.Helper()
	if split == "" {
		return Read(strings.NewReader(data), nil, o)
	}
	s, err := ReadSplit(strings.NewReader(split))
	if err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	return Read(strings.NewReader(data), s, o)
}

// show writes a dataset on one line: its labels, then row:text=labels@part#group.
func show(d *Dataset) string {
	out := []string{strings.Join(d.Labels, ",")}
	for _, e := range d.Examples {
		var names []string
		for _, l := range e.Labels {
			names = append(names, d.Labels[l])
		}
		out = append(out, fmt.Sprintf("%d:%q=%s@%s#%d", e.Row, e.Text, strings.Join(names, "+"), e.Part, e.Group))
	}
	return strings.Join(out, " ")
}

func TestRead(t *testing.T) {
	tests := []struct {
		name, data, split string
		options           Options
		want              string
	}{
		{"plain", "note,kind\nfever,b\ncough,a\n", "", columns, `a,b 0:"fever"=b@#0 1:"cough"=a@#1`},
		{"byte order mark", "\ufeffnote,kind\nfever,a\n", "", columns, `a 0:"fever"=a@#0`},
		{"quoted header after a byte order mark", "\ufeff\"note\",kind\nfever,a\n", "", columns, `a 0:"fever"=a@#0`},
		{"CRLF and no last line end", "note,kind\r\nfever,a\r\n\"two\r\nlines\",b", "", columns, `a,b 0:"fever"=a@#0 1:"two\nlines"=b@#1`},
		{"quotes and separators in a note", "kind,note\na,\"he said \"\"ouch\"\", left\"\n", "", columns, `a 0:"he said \"ouch\", left"=a@#0`},
		{"labels trimmed, of many", "note,kind\nfever, b ; a;b;;\u00a0c\n", "", Options{Text: "note", Label: "kind", Separator: ";"}, `a,b,c 0:"fever"=a+b+c@#0`},
		{"a separator not asked for", "note,kind\nfever,a;b\n", "", columns, `a;b 0:"fever"=a;b@#0`},
		{"empty and blank notes", "note,kind\n,a\n\" \u2003\n\",z\nfever,b\n", "", columns, `b 2:"fever"=b@#0`},
		{"an empty note needs no label", "note,kind\n,\nfever,b\n", "", columns, `b 1:"fever"=b@#0`},
		{"blank lines are no rows", "note,kind\n\nfever,a\n\ncough,a\n", "", columns, `a 0:"fever"=a@#0 1:"cough"=a@#1`},
		{"invalid UTF-8 stays", "note,kind\nfe\xffver,a\n", "", columns, `a 0:"fe\xffver"=a@#0`},
		{"equal notes share a group", "note,kind\nfever  now,a\ncough,a\n\" fever\u00a0now \",b\n", "", columns,
			`a,b 0:"fever  now"=a@#0 1:"cough"=a@#1 2:" fever\u00a0now "=b@#0`},
		{"equal notes grouped", "note,kind\nfever  now,b\ncough,a\n\" fever\x1fnow \",a\n", "", Options{Text: "note", Label: "kind", GroupByText: true},
			`a,b 0:"fever  now"=a+b@#0 1:"cough"=a@#1`},
		{"split", "note,kind\nfever,b\ncough,a\nache,c\n", "row,part\n2,test\n0,train\n", columns,
			`a,b,c 0:"fever"=b@train#0 1:"cough"=a@#1 2:"ache"=c@test#2`},
		{"part", "note,kind\nfever,b\ncough,a\nache,c\n", "row,part\n2,test\n0,train\n", Options{Text: "note", Label: "kind", Part: "test"},
			`c 2:"ache"=c@test#2`},
		{"grouped rows belong where the first one does", "note,kind\nfever,b\nfever,a\n", "row,part\n0,train\n1,test\n", Options{Text: "note", Label: "kind", GroupByText: true},
			`a,b 0:"fever"=a+b@train#0`},
		{"a part may name a skipped row", "note,kind\n,b\ncough,a\n", "row,part\n0,test\n1,test\n", columns, `a 1:"cough"=a@test#0`},
		{"rows with names", "row,note,kind\n10,fever,b\n7,cough,a\n", "row,part\n7,test\n10,train\n", columns,
			`a,b 10:"fever"=b@train#0 7:"cough"=a@test#1`},
		{"names of rows that are none", "row,note,kind\nx,fever,b\n7,cough,a\n", "", columns, `a,b 0:"fever"=b@#0 1:"cough"=a@#1`},
		{"names of rows given twice", "row,note,kind\n7,fever,b\n7,cough,a\n", "", columns, `a,b 0:"fever"=b@#0 1:"cough"=a@#1`},
		{"no rows", "note,kind\n", "", columns, ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := read(t, test.data, test.split, test.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(d); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	d, err := read(t, "note,kind\nfever,a\n,b\ncough,a\n", "", columns)
	if err != nil {
		t.Fatal(err)
	}
	// printf 'note,kind\nfever,a\n,b\ncough,a\n' | sha256sum
	const sum = "aba683e9d76ea2841bf80bb6982b03dc1d3078dc04497ac57dd3b8936a35b440"
	if d.Rows != 3 || d.Skipped != 1 || d.SHA256 != sum {
		t.Errorf("rows %d, skipped %d, SHA-256 %s, want 3, 1, %s", d.Rows, d.Skipped, d.SHA256, sum)
	}
}

func TestReadRefuses(t *testing.T) {
	rows := "note,kind\nfever,b\ncough,a\n"
	part := Options{Text: "note", Label: "kind", Part: "test"}
	tests := []struct {
		name, data, split string
		options           Options
		want              string
	}{
		{"nothing", "", "", columns, "file is empty"},
		{"UTF-16", "\xff\xfen\x00", "", columns, "UTF-16"},
		{"no text column", rows, "", Options{Text: "text", Label: "kind"}, `no column "text"; the columns are "note", "kind"`},
		{"no label column", rows, "", Options{Text: "note", Label: "label"}, `no column "label"; the columns are "note", "kind"`},
		{"a note for a header", strings.Repeat("x", 90) + ",kind\n", "", columns, `the columns are (a name of 90 bytes), "kind"`},
		{"two columns of the name", "note,kind,note\na,b,c\n", "", columns, `columns 1 and 3 are both named "note"`},
		{"empty label", "note,kind\n\"two\nlines\",a\ncough, \n", "", columns, "row 1 (line 4): the label (column \"kind\") is empty"},
		{"a label in another encoding", "note,kind\ncough,M\xe4nner\n", "", columns, "row 0 (line 2): the label (column \"kind\") is not UTF-8"},
		{"only separators", "note,kind\ncough,;;\n", "", Options{Text: "note", Label: "kind", Separator: ";"}, "row 0 (line 2): the label"},
		{"a field too few", "note,kind\nfever,a\ncough\n", "", columns, "row 1 (line 3): 1 fields where the header names 2"},
		{"a field too many", "note,kind\nfever,a,b\n", "", columns, "row 0 (line 2): 3 fields"},
		{"a quote never closed", "note,kind\nfever,a\n\"cough,a\n", "", columns, "row 1 (line 3)"},
		{"a stray quote", "note,kind\nfe\"ver,a\n", "", columns, "row 0 (line 2)"},
		{"long label", "note,kind\nfever," + strings.Repeat("x", MaxLabelBytes+1) + "\n", "", columns, "row 0 (line 2): a label has 1025 bytes"},
		{"long note", "note,kind\n" + strings.Repeat("x", MaxTextBytes+1) + ",a\n", "", columns, "row 0 (line 2): the text has"},
		{"a part without a split", rows, "", part, "without a split"},
		{"an unknown part", rows, "row,part\n0,train\n1,valid\n", part, `no part "test"; its parts are "train", "valid"`},
		{"a split without rows", rows, "part\ntest\n", part, `no column "row"`},
		{"a split without parts", rows, "row\n1\n", part, `no column "part"`},
		{"a row twice", rows, "row,part\n0,train\n0,test\n", part, "row 1 (line 3): row 0 stands on line 2 already"},
		{"a negative row", rows, "row,part\n-1,test\n", part, "row 0 (line 2): the row is not a whole number"},
		{"a row that is no number", rows, "row,part\n1.5,test\n", part, "not a whole number"},
		{"a huge row", rows, "row,part\n99999999999999999999,test\n", part, "not a whole number"},
		{"an empty part", rows, "row,part\n0,\n", part, "the part of row 0 is empty"},
		{"a row past the end", rows, "row,part\n0,test\n2,test\n9,test\n", part, "names row 2 (its line 3), which the data does not have"},
		{"a row that has no such name", "row,note,kind\n10,fever,b\n", "row,part\n0,test\n", part, "names row 0"},
		{"rows a split cannot name", "row,note,kind\nx,fever,b\n", "row,part\n0,test\n", part, "a split needs rows it can name: row 0 (line 2)"},
		{"rows a split names twice", "row,note,kind\n1,fever,b\n1,cough,b\n", "row,part\n1,test\n", part, "row 1 stands on line 2 already"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(t, test.data, test.split, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v\nwant one with %s", err, test.want)
			}
			for _, word := range []string{"fever", "cough", "xxxxx"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("the error quotes a note: %v", err)
				}
			}
		})
	}
}

func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		" \t\n\v\f\r ":                "",
		"a  b":                        "a b",
		" a\u00a0\u2003\u3000b\u2028": "a b",
		"a\x1c\x1d\x1e\x1fb\u0085c":   "a b c",
		"a\u200bb":                    "a\u200bb", // zero width is no white space
		"a \xff b\xe2\x80":            "a \xff b\xe2\x80",
	} {
		if got := Fold(text); got != want {
			t.Errorf("Fold(%q) is %q, want %q", text, got, want)
		}
	}
}

func TestSelect(t *testing.T) {
	d, err := read(t, "note,kind\nfever,c\ncough,a\nache,b\n", "row,part\n0,x\n1,y\n2,x\n", columns)
	if err != nil {
		t.Fatal(err)
	}
	before := show(d)
	if got, want := show(d.Select("x")), `b,c 0:"fever"=c@x#0 2:"ache"=b@x#2`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := show(d.Select("z")); got != "" {
		t.Errorf("an unknown part has %s", got)
	}
	if after := show(d); after != before {
		t.Errorf("selecting changed the dataset:\n%s\n%s", before, after)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data := write("notes.csv", "note,kind\nfever,a\n")
	d, err := Load(data, write("split.csv", "row,part\n0,test\n"), Options{Text: "note", Label: "kind", Part: "test"})
	if err != nil || len(d.Examples) != 1 {
		t.Fatalf("%v, %v", d, err)
	}
	for name, paths := range map[string][2]string{
		"is a directory": {dir, ""},
		"no such file":   {filepath.Join(dir, "none.csv"), ""},
		"notes.csv":      {write("other.csv", "row,part\n0,test\n"), data},
		"other.csv":      {filepath.Join(dir, "other.csv"), ""},
	} {
		if _, err := Load(paths[0], paths[1], columns); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want one with %q", err, name)
		}
	}
}

func TestMTSamples(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared")
	data := filepath.Join(root, "data", "mtsamples", "mtsamples.csv")
	if _, err := os.Stat(data); err != nil {
		t.Skipf("needs the shared data beside the repository: %v", err)
	}
	options := Options{Text: "transcription", Label: "medical_specialty"}
	tests := []struct {
		split                              string
		grouped                            bool
		examples, labels, groups, trainers int
	}{
		{"rows_split.csv", false, 4213, 40, 2003, 3370},
		{"grouped_split.csv", true, 2003, 40, 2003, 1603},
	}
	for _, test := range tests {
		t.Run(test.split, func(t *testing.T) {
			o := options
			o.GroupByText = test.grouped
			split := filepath.Join(root, "reference", "specialty", test.split)
			d, err := Load(data, split, o)
			if err != nil {
				t.Fatal(err)
			}
			groups := map[int]bool{}
			for _, e := range d.Examples {
				groups[e.Group] = true
			}
			trainers, testers := d.Select("train"), d.Select("test")
			got := []int{d.Rows, d.Skipped, len(d.Examples), len(d.Labels), len(groups), len(trainers.Examples), len(testers.Examples)}
			want := []int{4246, 33, test.examples, test.labels, test.groups, test.trainers, test.examples - test.trainers}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("rows, skipped, examples, labels, groups, train, test are %v, want %v", got, want)
			}
			o.Part = "test"
			if only, err := Load(data, split, o); err != nil || !reflect.DeepEqual(only, testers) {
				t.Errorf("loading the part differs from selecting it (%v)", err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("note,kind\nfever,a\n\"two\nlines\",b\n", "row,part\n0,train\n1,test\n", ";", true, "test")
	f.Add("\ufeffrow,note,kind\r\n5,fever,a;b\r\n", "row,part\n5,x\n", ";", false, "x")
	f.Add("note,kind\n\xff,\x00\n", "", "", false, "")
	f.Fuzz(func(t *testing.T, data, split, separator string, grouped bool, part string) {
		o := Options{Text: "note", Label: "kind", Separator: separator, GroupByText: grouped, Part: part}
		d, err := read(t, data, split, o)
		if err != nil {
			return
		}
		if len(d.Examples)+d.Skipped > d.Rows {
			t.Errorf("%d examples and %d skipped of %d rows", len(d.Examples), d.Skipped, d.Rows)
		}
		for i, e := range d.Examples {
			if len(e.Labels) == 0 || Fold(e.Text) == "" || part != "" && e.Part != part {
				t.Errorf("example %d is %+v", i, e)
			}
			for j, l := range e.Labels {
				if l < 0 || l >= len(d.Labels) || j > 0 && e.Labels[j-1] >= l {
					t.Errorf("example %d has labels %v of %d", i, e.Labels, len(d.Labels))
				}
			}
		}
	})
}
