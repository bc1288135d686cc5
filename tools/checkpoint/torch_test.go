package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// seed is the input of a committed fuzz corpus entry.
func seed(t testing.TB, target, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/fuzz", target, name))
	if err != nil {
		t.Fatal(err)
	}
	_, quoted, _ := strings.Cut(string(text), "[]byte(")
	input, err := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(quoted), ")"))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(input)
}

// TestReadTorch reads what torch 1.13 saved, in both of its formats: rows, a transposed
// tensor, a parameter, a part of a storage, and types that no weights have.
func TestReadTorch(t *testing.T) {
	want := map[string][]float32{"a": {0, 1, 2, 3, 4, 5}, "b": {0, 2, 4, 1, 3, 5}, "c": {1, 1}, "f": {1}}
	for _, format := range []string{"zip", "legacy"} {
		t.Run(format, func(t *testing.T) {
			file := seed(t, "FuzzTorch", format)
			tensors, err := readTorch(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			if names := slices.Sorted(maps.Keys(tensors)); strings.Join(names, "") != "abcdef" {
				t.Errorf("tensors %q", names)
			}
			for name, values := range want {
				if got, err := tensors[name].float32s(); err != nil || !slices.Equal(got, values) {
					t.Errorf("%s: got %v, want %v, error %v", name, got, values, err)
				}
			}
			if s := tensors["b"]; !slices.Equal(s.shape, []int{2, 3}) || s.dtype != "F16" {
				t.Errorf("b is %s %v", s.dtype, s.shape)
			}
			for name, dtype := range map[string]string{"d": "I64", "e": "BOOL"} {
				_, err := tensors[name].float32s()
				wants(t, err, "its elements are "+dtype)
			}
		})
	}
}

// TestTruncatedTorch cuts sound files everywhere, and flips every byte.
func TestTruncatedTorch(t *testing.T) {
	for _, format := range []string{"zip", "legacy"} {
		file := seed(t, "FuzzTorch", format)
		for n := range file {
			if _, err := readTorch(bytes.NewReader(file[:n]), int64(n)); err == nil {
				t.Fatalf("%s: %d of %d bytes are accepted", format, n, len(file))
			}
		}
		for i := range file {
			spoilt := slices.Clone(file)
			spoilt[i] ^= 0x41
			if tensors, err := readTorch(bytes.NewReader(spoilt), int64(len(spoilt))); err == nil {
				for _, s := range tensors {
					if s != nil {
						_, _ = s.float32s() // must not panic
					}
				}
			}
		}
	}
}

// Pieces of pickles.
const (
	system      = "cos\nsystem\n(X\x04\x00\x00\x00truetR"
	floats      = "ctorch\nFloatStorage\n"
	rebuild     = "ctorch._utils\n_rebuild_tensor_v2\n"
	emptyDict   = "}"
	storageZero = "(X\x07\x00\x00\x00storage" + floats + "X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
)

// state is the pickle of a state dictionary with one tensor, rebuilt from arguments.
func state(arguments string) string {
	return "\x80\x02}X\x01\x00\x00\x00a" + rebuild + "(" + arguments + "tRs."
}

func tensor(offset, shape, strides string) string {
	return storageZero + offset + shape + strides + "\x89}"
}

func TestPickles(t *testing.T) {
	sound := state(tensor("K\x00", "K\x04\x85", "K\x01\x85"))
	tests := []struct{ name, text, err string }{
		{"sound", sound, ""},
		{"an empty state", "\x80\x02}.", ""},
		{"a value that is no tensor", "\x80\x02}X\x01\x00\x00\x00aK\x01s.", ""},
		{"an OrderedDict of pairs", "\x80\x02ccollections\nOrderedDict\n](X\x01\x00\x00\x00aN\x86e\x85R.", ""},
		{"os.system", "\x80\x02" + system + ".", `it asks for "os.system"`},
		{"builtins.eval", "\x80\x02cbuiltins\neval\n(X\x01\x00\x00\x001tR.", `it asks for "builtins.eval"`},
		{"a name on the stack", "\x80\x04\x8c\x05posix\x8c\x06system\x93.", `it asks for "posix.system"`},
		{"names that are no texts", "\x80\x04K\x01K\x02\x93.", `it asks for "."`},
		{"torch's own loader", "\x80\x02ctorch.storage\n_load_from_bytes\n.", `"torch.storage._load_from_bytes"`},
		{"an allowed name with a dot too many", "\x80\x02ccollections.OrderedDict\nfromkeys\n.", `it asks for "collections.OrderedDict.fromkeys"`},
		{"a name without end", "\x80\x02c" + strings.Repeat("x", 5000), "does not end"},
		{"an opcode of objects", "\x80\x02(i__main__\nX\n.", "opcode 0x69"},
		{"NEWOBJ", "\x80\x02}}\x81.", "opcode 0x81"},
		{"an extension", "\x80\x02\x82\x01.", "opcode 0x82"},
		{"a call of a text", "\x80\x02X\x01\x00\x00\x00a)R.", "a call of what cannot be called"},
		{"a call of a storage type", "\x80\x02" + floats + ")R.", "torch.FloatStorage"},
		{"a call with a list", "\x80\x02" + rebuild + "]R.", "cannot be called"},
		{"attributes of a list", "\x80\x02]}b.", "attributes for what is no dictionary"},
		{"protocol 0", "\x80\x00}.", "protocol 0 is not supported"},
		{"protocol 9", "\x80\x09}.", "protocol 9 is not supported"},
		{"nothing", "", "cut short"},
		{"no end", "\x80\x02}", "cut short"},
		{"an empty stack", "\x80\x02.", "ends with 0 values"},
		{"two values", "\x80\x02}}.", "ends with 2 values"},
		{"a mark at the end", "\x80\x02(.", "ends with 1 values"},
		{"a list", "\x80\x02].", "no state dictionary"},
		{"a tuple without a mark", "\x80\x02K\x01t.", "a mark is missing"},
		{"a pair of nothing", "\x80\x02\x86.", "a value is missing"},
		{"a pair over a mark", "\x80\x02K\x01(K\x02\x86.", "a value is missing"},
		{"an item of nothing", "\x80\x02s.", "a value is missing"},
		{"items of a text", "\x80\x02X\x01\x00\x00\x00aNNs.", "no list or dictionary"},
		{"half an item", "\x80\x02}(Nu.", "no list or dictionary"},
		{"what was never remembered", "\x80\x02h\x07.", "nothing is remembered as 7"},
		{"a text of 2^32-1 bytes", "\x80\x02X\xff\xff\xff\xffa.", "a text of 4294967295 bytes"},
		{"a text cut short", "\x80\x02X\x05\x00\x00\x00a.", "cut short"},
		{"a text that is not UTF-8", "\x80\x02X\x01\x00\x00\x00\xff.", "not UTF-8"},
		{"a name twice", "\x80\x02}(X\x01\x00\x00\x00aNX\x01\x00\x00\x00aNu.", `"a" stands twice`},
		{"a key that is no text", "\x80\x02}K\x01Ns.", "a key that is no text"},

		{"a state dictionary within", "\x80\x02}X\x05\x00\x00\x00model" + strings.TrimSuffix(strings.TrimPrefix(sound, "\x80\x02"), ".") + "s.", `in a dictionary within, "model"; save model.state_dict() alone`},
		{"a tensor of nothing", state(""), "arguments are not those of a tensor"},
		{"a tensor of tensors", state("K\x00K\x00))\x89}"), "arguments are not those of a tensor"},
		{"a shape of texts", state(tensor("K\x00", "X\x01\x00\x00\x00a\x85", "K\x01\x85")), "arguments are not those of a tensor"},
		{"a shape of many dimensions", state(tensor("K\x00", "("+strings.Repeat("K\x01", 9)+"t", "("+strings.Repeat("K\x01", 9)+"t")), "arguments are not those"},
		{"beyond its storage", state(tensor("K\x01", "K\x04\x85", "K\x01\x85")), "does not fit a storage of 4"},
		{"an offset of 2^62", state(tensor("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40", "K\x01\x85", "K\x01\x85")), "begins at element 4611686018427387904"},
		{"an offset of 2^80", state(tensor("\x8a\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "K\x01\x85", "K\x01\x85")), "arguments are not those"},
		{"spread out", state(tensor("K\x00", "J\x00\x00\x00\x7f\x85", "K\x00\x85")), "several elements in one place"},
		{"a storage of another size", strings.Replace(sound, "K\x04tQ", "K\x05tQ", 1), "5 elements of F32 want 20 bytes, the file has 16"},
		{"a storage of 2^62 elements", strings.Replace(sound, "K\x04tQ", "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40tQ", 1), "unknown type or size"},
		{"a storage of -1 elements", strings.Replace(sound, "K\x04tQ", "\x8a\x01\xfftQ", 1), "unknown type or size"},
		{"a storage that is not there", strings.Replace(sound, "X\x01\x00\x00\x000", "X\x01\x00\x00\x001", 1), `entry "data/1" is missing`},
		{"a storage elsewhere", strings.Replace(sound, "X\x01\x00\x00\x000", "X\x05\x00\x00\x00../..", 1), `entry "data/../.." is missing`},
		{"an outside value", "\x80\x02K\x01Q.", "no storage"},
		{"a storage within a storage", strings.Replace(sound, "K\x04tQ", "K\x04(K\x00ttQ", 1), "no storage"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := zipped(t, "m/data.pkl", test.text, "m/data/0", strings.Repeat("\x00", 16))
			_, err := readTorch(bytes.NewReader(file), int64(len(file)))
			wants(t, err, test.err)
		})
	}
}

// TestPickleLimits feeds pickles that would take much memory or time.
func TestPickleLimits(t *testing.T) {
	pairs := "](" + strings.Repeat("NN\x86", 100_000) + "e\x85q\x00"
	tests := []struct{ name, text, err string }{
		{"deep nesting", "\x80\x02" + strings.Repeat("(", maxStack+1), "values at once"},
		{"deep tuples", "\x80\x02N" + strings.Repeat("\x85", 1_000_000) + ".", "no state dictionary"},
		{"a wide stack", "\x80\x02" + strings.Repeat("N", maxStack+1), "values at once"},
		{"many opcodes", "\x80\x02N" + strings.Repeat("\x85", maxOpcodes+1), "opcodes"},
		{"a huge memo", "\x80\x02N" + memos(maxMemo+1), "values at once"},
		{"a memo far out", "\x80\x02}r\xff\xff\xff\xff.", ""},
		{"one list for many dictionaries", "\x80\x02" + pairs + strings.Repeat("ccollections\nOrderedDict\nh\x00R", 50) + ".", "more than 1048576 items"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := unpickler{text: []byte(test.text)}
			state, err := u.next()
			if err == nil {
				_, err = views(state, nil)
			}
			wants(t, err, test.err)
		})
	}
}

func memos(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteByte('r')
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(i)))
	}
	return b.String()
}

func TestZip(t *testing.T) {
	pickle := state(tensor("K\x00", "K\x04\x85", "K\x01\x85"))
	data := strings.Repeat("\x00", 16)
	sound := zipped(t, "m/data.pkl", pickle, "m/data/0", data, "m/version", "3\n")
	tests := []struct {
		name string
		file []byte
		err  string
	}{
		{"sound", sound, ""},
		{"no pickle", zipped(t, "m/data/0", data), `entry "data.pkl" is missing`},
		{"a zip bomb", zipped(t, "compressed:m/data.pkl", strings.Repeat("N", 20<<20), "m/data/0", data), `entry "data.pkl" is compressed`},
		{"compressed elements", zipped(t, "m/data.pkl", pickle, "compressed:m/data/0", data), `entry "data/0" is compressed`},
		{"a large pickle", zipped(t, "m/data.pkl", strings.Repeat("N", maxPickle+1)), "at most 8388608 are read"},
		{"an entry twice", zipped(t, "m/data.pkl", pickle, "n/data.pkl", pickle, "m/data/0", data), `entry "data.pkl" stands twice`},
		{"TorchScript", zipped(t, "m/data.pkl", pickle, "m/constants.pkl", ""), "TorchScript"},
		{"big-endian", zipped(t, "m/data.pkl", pickle, "m/data/0", data, "m/byteorder", "big"), `byte order is "big"`},
		{"a size beyond the file", claim(sound, "m/data/0", 1<<31), "it is cut short"},
		{"a damaged pickle", bytes.Replace(sound, []byte("FloatStorage"), []byte("HalfXStorage"), 1), "CRC-32"},
		{"a tar", append(append(make([]byte, 257), "ustar"...), make([]byte, 300)...), "tar format"},
		{"another pickle", []byte("\x80\x03}."), "not one that torch.save wrote"},
		{"text", []byte("fever and cough"), "no file that torch.save wrote"},
		{"a directory too large", largeDirectory(), "directory of the zip archive is larger"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readTorch(bytes.NewReader(test.file), int64(len(test.file)))
			wants(t, err, test.err)
		})
	}
}

// claim sets both sizes of an entry in the archive's directory.
func claim(file []byte, name string, size uint32) []byte {
	file = slices.Clone(file)
	const behind = 46 // bytes of a directory entry before its name
	at := bytes.LastIndex(file, []byte(name)) - behind
	binary.LittleEndian.PutUint32(file[at+20:], size)
	binary.LittleEndian.PutUint32(file[at+24:], size)
	return file
}

// largeDirectory is an archive that is nothing but a directory of 65,535 entries with long
// names.
func largeDirectory() []byte {
	file := []byte("PK\x03\x04")
	begin := len(file)
	for i := range 65535 {
		name := fmt.Sprintf("m/%0200d", i)
		entry := make([]byte, 46)
		copy(entry, "PK\x01\x02")
		binary.LittleEndian.PutUint16(entry[28:], uint16(len(name)))
		file = append(append(file, entry...), name...)
	}
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], 65535)
	binary.LittleEndian.PutUint16(end[10:], 65535)
	binary.LittleEndian.PutUint32(end[12:], uint32(len(file)-begin))
	binary.LittleEndian.PutUint32(end[16:], uint32(begin))
	return append(file, end...)
}

// TestDamagedStorage changes an element in a zip archive: its check sum tells.
func TestDamagedStorage(t *testing.T) {
	file := seed(t, "FuzzTorch", "zip")
	at := bytes.Index(file, []byte("\x00\x00\x80\x3f\x00\x00\x00\x40")) // 1 and 2 of the first tensor
	if at < 0 {
		t.Fatal("the elements are not where they should be")
	}
	file[at+2] ^= 1
	tensors, err := readTorch(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = tensors["a"].float32s()
	wants(t, err, "is damaged: its CRC-32 is not the one written down")

	// A check sum of 0 says that there is none.
	old := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(undamaged(file, at)))
	file = bytes.ReplaceAll(file, old, make([]byte, 4))
	if tensors, err = readTorch(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	if got, err := tensors["a"].float32s(); err != nil || got[1] == 1 {
		t.Errorf("got %v, error %v", got, err)
	}
}

// undamaged is the first tensor's storage, of six elements.
func undamaged(file []byte, at int) []byte {
	storage := slices.Clone(file[at-4 : at+20])
	storage[6] ^= 1
	return storage
}

func TestLegacy(t *testing.T) {
	sound := seed(t, "FuzzTorch", "legacy")
	change := func(old, new string) []byte { return bytes.Replace(sound, []byte(old), []byte(new), 1) }
	tests := []struct {
		name string
		file []byte
		err  string
	}{
		{"sound", sound, ""},
		{"another protocol", change("M\xe9\x03.", "M\xea\x03."), "protocol 1002 of torch.save is not read, only 1001"},
		{"big-endian", change("little_endianq\x02\x88", "little_endianq\x02\x89"), "not little-endian"},
		{"a storage of another size", change("\x06\x00\x00\x00\x00\x00\x00\x00", "\x07\x00\x00\x00\x00\x00\x00\x00"), "has 7 elements, its tensors say 6"},
		{"os.system", change("ccollections\nOrderedDict\n", "cos\nsystem\n"), `it asks for "os.system"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.name != "sound" && bytes.Equal(test.file, sound) {
				t.Fatal("nothing was changed")
			}
			_, err := readTorch(bytes.NewReader(test.file), int64(len(test.file)))
			wants(t, err, test.err)
		})
	}
}

func FuzzPickle(f *testing.F) {
	f.Add([]byte(state(tensor("K\x00", "K\x04\x85", "K\x01\x85"))))
	f.Fuzz(func(t *testing.T, text []byte) {
		u := unpickler{text: text}
		for u.at < len(text) {
			state, err := u.next()
			if err != nil {
				return
			}
			_, _ = views(state, func(s storage) (*source, error) {
				return &source{bytes.NewReader(nil), 0, s.elements * int64(widths[s.dtype]), nil}, nil
			})
		}
	})
}

func FuzzTorch(f *testing.F) {
	f.Add(zipped(f, "m/data.pkl", state(tensor("K\x00", "K\x04\x85", "K\x01\x85")), "m/data/0", strings.Repeat("\x00", 16)))
	f.Fuzz(func(t *testing.T, file []byte) {
		tensors, err := readTorch(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		for name, s := range tensors {
			if s == nil {
				continue
			}
			n, err := elements(s.shape)
			if err != nil || n > int64(len(file)) {
				t.Fatalf("tensor %q of shape %v in a file of %d bytes, error %v", name, s.shape, len(file), err)
			}
			if values, err := s.float32s(); err == nil && int64(len(values)) != n {
				t.Errorf("tensor %q: %d of %d elements", name, len(values), n)
			}
		}
	})
}
