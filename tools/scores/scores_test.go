package scores

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bedside/tools/dataset"
)

func TestRead(t *testing.T) {
	tests := []struct {
		name, file string
		want       Table
	}{
		{"plain", "row,b,a\n7,1.5,-2\n3,0,1e3\n", Table{[]string{"b", "a"}, []int{7, 3}, []float64{1.5, -2, 0, 1000}}},
		{"byte order mark, carriage returns, blanks", "\ufeffrow,a\r\n 7 , 2 \r\n", Table{[]string{"a"}, []int{7}, []float64{2}}},
		{"quoted name over two lines", "row,\"a, \"\"so\n called\"\n0,1\n", Table{[]string{"a, \"so\n called"}, []int{0}, []float64{1}}},
		{"no note", "row,a\n", Table{Labels: []string{"a"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Read(strings.NewReader(test.file))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, test.want) {
				t.Errorf("%+v, want %+v", *got, test.want)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"empty", "", "the file is empty"},
		{"another first column", "label,row\na,1\n", `the first column is not "row"`},
		{"no label", "row\n1\n", "names 0 labels"},
		{"a label without a name", "row,a,\n", "column 3: a label's name of 0 bytes"},
		{"a long name", "row," + strings.Repeat("a", 2000) + "\n", "column 2: a label's name of 2000 bytes"},
		{"a name in another encoding", "row,\xff\n", "in UTF-8"},
		{"a carriage return in a name", "row,\"a\rb\"\n", "without carriage returns"},
		{"a label twice", "row,a,b,a\n", `columns 2 and 4 are both of label "a"`},
		{"too many labels", "row" + strings.Repeat(",a", MaxLabels+1) + "\n", "names 16385 labels"},
		{"ragged", "row,a,b\n1,2,3\n1,2\n", "line 3: 2 fields where the header names 3 columns"},
		{"a quote left open", "row,a\n1,\"2\n", "line 2"},
		{"no row", "row,a\nx,2\n", "line 2: the row is not a whole number"},
		{"a negative row", "row,a\n-1,2\n", "line 2: the row is not a whole number"},
		{"a row twice", "row,a\n4,2\n5,1\n4,2\n", "line 4: row 4 stands on line 2 already"},
		{"a word", "row,a,b\n4,2,none\n", `line 2: the logit of label "b" is not a finite number`},
		{"nothing", "row,a,b\n4,,2\n", `line 2: the logit of label "a" is not a finite number`},
		{"infinite", "row,a\n4,1\n5,-Inf\n", `line 3: the logit of label "a" is not a finite number`},
		{"too large", "row,a\n4,1e999\n", `line 2: the logit of label "a" is not a finite number`},
		{"not a number", "row,a\n4,NaN\n", `line 2: the logit of label "a" is not a finite number`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Read(strings.NewReader(test.file)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestReadIsBounded(t *testing.T) {
	const file = "row,a\n1,2\n3,4\n"
	if table, err := readUpTo(int64(len(file)), strings.NewReader(file)); err != nil || len(table.Rows) != 2 {
		t.Errorf("%+v (%v)", table, err)
	}
	for bound := range int64(len(file)) {
		if _, err := readUpTo(bound, strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("more than %d bytes", bound)) {
			t.Errorf("at most %d bytes: error %v", bound, err)
		}
	}
}

func TestSaveKeepsEveryBit(t *testing.T) {
	table := Table{Labels: []string{"a, b", "c \"d\""}}
	table.Add(7, []float64{math.Pi, -30})
	table.Add(0, []float64{math.SmallestNonzeroFloat64, -math.MaxFloat64})
	file := filepath.Join(t.TempDir(), "scores.csv")
	for range 2 { // the second time over the first
		if err := table.Save(file); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Load(file); err != nil || !reflect.DeepEqual(*got, table) {
		t.Errorf("%+v (%v), want %+v", got, err, table)
	}
	if err := os.WriteFile(file, []byte("row,a\n1,x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "scores.csv: line 2") {
		t.Errorf("error %v, want one with the file and the line", err)
	}
	if _, err := Load(file + ".gone"); err == nil {
		t.Error("a file that is not there is read")
	}
	if err := table.Save(filepath.Join(file, "below")); err == nil {
		t.Error("a file is written below another")
	}
}

func notes(rows ...int) *dataset.Dataset {
	d := &dataset.Dataset{Labels: []string{"a", "b"}}
	for _, row := range rows {
		d.Examples = append(d.Examples, dataset.Example{Row: row, Text: fmt.Sprint("note ", row)})
	}
	return d
}

func TestMatch(t *testing.T) {
	table := Table{[]string{"b", "c", "a"}, []int{7, 3, 5}, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}}
	got, err := table.Match(notes(3, 5, 7), []string{"a", "b", "c"})
	if want := []float64{6, 4, 5, 9, 7, 8, 3, 1, 2}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v (%v), want %v", got, err, want)
	}
}

func TestMatchRefuses(t *testing.T) {
	both := []string{"a", "b"}
	tests := []struct {
		name   string
		table  Table
		data   *dataset.Dataset
		labels []string
		want   string
	}{
		{"a note without logits", Table{both, []int{1}, []float64{1, 2}}, notes(1, 2), both, "row 2 of the data has no logits"},
		{"logits without a note", Table{both, []int{1, 9}, []float64{1, 2, 3, 4}}, notes(1), both, "logits of row 9, which is not one of the 1 notes"},
		{"a row twice", Table{both, []int{1, 1}, []float64{1, 2, 3, 4}}, notes(1), both, "row 1 has logits twice"},
		{"a label missing", Table{[]string{"a"}, []int{1}, []float64{1}}, notes(1), both, `no logits of label "b"`},
		{"a label more", Table{both, []int{1}, []float64{1, 2}}, notes(1), []string{"b"}, `logits of label "a", which is not one of the 1 labels`},
		{"infinite", Table{both, []int{1}, []float64{1, math.Inf(1)}}, notes(1), both, `row 1: the logit of label "b" is not a finite number`},
		{"not a number", Table{both, []int{1}, []float64{math.NaN(), 0}}, notes(1), both, `row 1: the logit of label "a" is not a finite number`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := test.table.Match(test.data, test.labels); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("row,b,a\n7,1.5,-2\n3,0,1e3\n"))
	f.Add([]byte("\ufeffrow,a\r\n 7 , 0x1p-2 \r\n"))
	f.Add([]byte("row,\"a\nb\"\n0,NaN\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		table, err := Read(bytes.NewReader(file))
		if err != nil {
			return
		}
		d := notes(table.Rows...)
		if logits, err := table.Match(d, table.Labels); err != nil || !slices.Equal(logits, table.Logits) {
			t.Errorf("%v of %+v (%v)", logits, table, err)
		}
		var written bytes.Buffer
		if err := table.Write(&written); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&written)
		if err != nil || !slices.Equal(again.Logits, table.Logits) || !slices.Equal(again.Rows, table.Rows) {
			t.Errorf("%+v comes back as %+v (%v)", table, again, err)
		}
	})
}
