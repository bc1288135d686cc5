package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Limits of a pickle. That of BERT's state takes 30 KB, 9,000 opcodes and a stack of 3,000.
const (
	maxPickle    = 8 << 20 // bytes
	maxOpcodes   = 1 << 20
	maxStack     = 1 << 18
	maxMemo      = 1 << 18
	maxPickled   = 64 << 10 // bytes of one text
	maxPickledID = 256      // bytes of a module's or a name's
)

// What a pickle's values become: none, bool, int64, float64, string, tuple, *list, *dict,
// global, and what the pickle's owner makes of persistent ids (storage).
type (
	none   struct{}
	tuple  []any
	list   struct{ items []any }
	dict   struct{ items []pair } // in the order they were set, keys maybe twice
	pair   struct{ key, value any }
	mark   struct{}
	global string // module and name
	large  []byte // an integer of more than 8 bytes, little-endian

	// storage is what PyTorch keeps elements in, of one type. Tensors are views of it.
	storage struct {
		key      string
		dtype    string
		elements int64
	}
	// view is a tensor: a part of a storage.
	view struct {
		of             storage
		offset         int64
		shape, strides []int
	}
)

// Callables of state dictionaries. They are not called: reduce knows what they mean.
const (
	orderedDict      global = "collections.OrderedDict"
	rebuildTensor    global = "torch._utils._rebuild_tensor_v2"
	rebuildParameter global = "torch._utils._rebuild_parameter"
)

// storages are PyTorch's storage types with their elements'.
var storages = map[global]string{
	"torch.DoubleStorage": "F64", "torch.FloatStorage": "F32", "torch.HalfStorage": "F16", "torch.BFloat16Storage": "BF16",
	"torch.LongStorage": "I64", "torch.IntStorage": "I32", "torch.ShortStorage": "I16", "torch.CharStorage": "I8",
	"torch.ByteStorage": "U8", "torch.BoolStorage": "BOOL",
}

// unpickler reads the opcodes that state dictionaries are made of and refuses the others.
// A pickle is a program; here it builds the values above and can do nothing else.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py
type unpickler struct {
	text    []byte
	at      int
	opcodes int
	stack   []any
	memo    map[uint32]any
}

// next reads one pickle from where the one before ended. An unpickler's limits hold for
// all its pickles together, but for the memo.
func (u *unpickler) next() (any, error) {
	u.stack, u.memo = u.stack[:0], map[uint32]any{}
	for {
		start := u.at
		op, err := u.take(1)
		if err != nil {
			return nil, fmt.Errorf("pickle: byte %d: %w", start, err)
		}
		if u.opcodes++; u.opcodes > maxOpcodes {
			return nil, fmt.Errorf("pickle: more than %d opcodes", maxOpcodes)
		}
		if op[0] == '.' {
			break
		}
		if err := u.step(op[0]); err != nil {
			return nil, fmt.Errorf("pickle: byte %d: %w", start, err)
		}
		if len(u.stack) > maxStack || len(u.memo) > maxMemo {
			return nil, fmt.Errorf("pickle: byte %d: more than %d values at once", start, maxStack)
		}
	}
	if len(u.stack) != 1 || u.stack[0] == (mark{}) {
		return nil, fmt.Errorf("pickle: it ends with %d values, want 1", len(u.stack))
	}
	return u.stack[0], nil
}

var errCut = errors.New("it is cut short")

func (u *unpickler) take(n int) ([]byte, error) {
	if n < 0 || n > len(u.text)-u.at {
		return nil, errCut
	}
	u.at += n
	return u.text[u.at-n : u.at], nil
}

// number takes an unsigned little-endian number of n bytes, at most 8.
func (u *unpickler) number(n int) (uint64, error) {
	raw, err := u.take(n)
	var wide [8]byte
	copy(wide[:], raw)
	return binary.LittleEndian.Uint64(wide[:]), err
}

func (u *unpickler) push(v any) error {
	u.stack = append(u.stack, v)
	return nil
}

var errEmpty = errors.New("a value is missing on the stack")

// pop takes the top value, which must not be a mark.
func (u *unpickler) pop() (any, error) {
	if len(u.stack) == 0 || u.stack[len(u.stack)-1] == (mark{}) {
		return nil, errEmpty
	}
	v := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return v, nil
}

// popN takes the n values on top, in the order they were pushed.
func (u *unpickler) popN(n int) ([]any, error) {
	if len(u.stack) < n || slices.Contains(u.stack[len(u.stack)-n:], any(mark{})) {
		return nil, errEmpty
	}
	values := slices.Clone(u.stack[len(u.stack)-n:])
	u.stack = u.stack[:len(u.stack)-n]
	return values, nil
}

// popMark takes the values above the topmost mark, and the mark.
func (u *unpickler) popMark() ([]any, error) {
	for i := len(u.stack) - 1; i >= 0; i-- {
		if u.stack[i] == (mark{}) {
			values := slices.Clone(u.stack[i+1:])
			u.stack = u.stack[:i]
			return values, nil
		}
	}
	return nil, errors.New("a mark is missing on the stack")
}

// step performs one opcode.
func (u *unpickler) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		version, err := u.number(1)
		if err == nil && (version < 2 || version > 5) {
			err = fmt.Errorf("protocol %d is not supported, only 2 to 5", version)
		}
		return err
	case 0x95: // FRAME: the length of what follows, which take checks anyway
		_, err := u.number(8)
		return err
	case '(':
		return u.push(mark{})
	case 'N', 0x88, 0x89, 'J', 'K', 'M', 0x8a, 'G', 'X', 0x8c, 'T', 'U':
		return u.constant(op)
	case ')', '}', ']', 't', 0x85, 0x86, 0x87:
		return u.container(op)
	case 'a', 'e', 's', 'u':
		return u.fill(op)
	case 'q', 'r', 0x94, 'h', 'j':
		return u.remember(op)
	case 'c', 0x93:
		return u.global(op)
	case 'R', 'b', 'Q':
		return u.call(op)
	}
	return fmt.Errorf("opcode 0x%02x does not occur in state dictionaries and is refused", op)
}

func (u *unpickler) constant(op byte) error {
	switch op {
	case 'N':
		return u.push(none{})
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return u.push(op == 0x88)
	case 'J', 'K', 'M': // BININT, BININT1, BININT2
		n, err := u.number(map[byte]int{'J': 4, 'K': 1, 'M': 2}[op])
		if err != nil {
			return err
		}
		if op == 'J' {
			return u.push(int64(int32(n)))
		}
		return u.push(int64(n))
	case 0x8a: // LONG1
		return u.long()
	case 'G': // BINFLOAT
		raw, err := u.take(8)
		if err != nil {
			return err
		}
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(raw)))
	}
	// BINUNICODE, SHORT_BINUNICODE, and Python 2's BINSTRING, SHORT_BINSTRING
	n, err := u.number(map[byte]int{'X': 4, 0x8c: 1, 'T': 4, 'U': 1}[op])
	if err == nil && n > maxPickled {
		return fmt.Errorf("a text of %d bytes, at most %d", n, maxPickled)
	}
	raw, err := u.take(int(n))
	if err != nil {
		return err
	}
	if !utf8.Valid(raw) {
		return errors.New("a text that is not UTF-8")
	}
	return u.push(string(raw))
}

// long reads LONG1: two's complement in as many bytes as it says.
func (u *unpickler) long() error {
	n, err := u.number(1)
	if err != nil {
		return err
	}
	raw, err := u.take(int(n))
	if err != nil {
		return err
	}
	if n > 8 {
		return u.push(large(raw))
	}
	var value int64
	for i := len(raw) - 1; i >= 0; i-- {
		value = value<<8 | int64(raw[i])
	}
	if shift := 64 - 8*len(raw); n > 0 {
		value = value << shift >> shift
	}
	return u.push(value)
}

func (u *unpickler) container(op byte) (err error) {
	var items []any
	switch op {
	case '}':
		return u.push(&dict{})
	case ']':
		return u.push(&list{})
	case 't':
		items, err = u.popMark()
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		items, err = u.popN(int(op-0x85) + 1)
	}
	if err != nil {
		return err
	}
	return u.push(tuple(items))
}

// fill performs APPEND, APPENDS, SETITEM and SETITEMS.
func (u *unpickler) fill(op byte) error {
	var items []any
	var err error
	switch op {
	case 'a':
		items, err = u.popN(1)
	case 's':
		items, err = u.popN(2)
	default:
		items, err = u.popMark()
	}
	if err != nil {
		return err
	}
	if len(u.stack) == 0 {
		return errEmpty
	}
	switch to := u.stack[len(u.stack)-1].(type) {
	case *list:
		if op == 'a' || op == 'e' {
			to.items = append(to.items, items...)
			return nil
		}
	case *dict:
		if (op == 's' || op == 'u') && len(items)%2 == 0 {
			for i := 0; i < len(items); i += 2 {
				to.items = append(to.items, pair{items[i], items[i+1]})
			}
			return nil
		}
	}
	return errors.New("items for what is no list or dictionary")
}

// remember performs BINPUT, LONG_BINPUT, MEMOIZE, BINGET and LONG_BINGET.
func (u *unpickler) remember(op byte) error {
	index := uint64(len(u.memo))
	var err error
	switch op {
	case 'q', 'h':
		index, err = u.number(1)
	case 'r', 'j':
		index, err = u.number(4)
	}
	if err != nil {
		return err
	}
	if op == 'h' || op == 'j' {
		v, ok := u.memo[uint32(index)]
		if !ok {
			return fmt.Errorf("nothing is remembered as %d", index)
		}
		return u.push(v)
	}
	v, err := u.pop()
	if err != nil {
		return err
	}
	u.memo[uint32(index)] = v
	return u.push(v)
}

// global performs GLOBAL and STACK_GLOBAL: it pushes the name of something of Python, if
// state dictionaries need it.
func (u *unpickler) global(op byte) error {
	var names [2]string
	if op == 'c' {
		for i := range names {
			rest := u.text[u.at:]
			n := bytes.IndexByte(rest[:min(len(rest), maxPickledID)], '\n')
			if n < 0 {
				return errors.New("the name of something of Python does not end")
			}
			names[i] = string(rest[:n])
			u.at += n + 1
		}
	} else {
		values, err := u.popN(2)
		if err != nil {
			return err
		}
		for i, v := range values {
			names[i], _ = v.(string)
		}
	}
	name := global(names[0] + "." + names[1])
	switch _, ok := storages[name]; {
	case ok, name == orderedDict, name == rebuildTensor, name == rebuildParameter:
		return u.push(name)
	}
	return fmt.Errorf("it asks for %.120q, which weights do not need: refused, and nothing was run", string(name))
}

// call performs REDUCE, BUILD and BINPERSID.
func (u *unpickler) call(op byte) error {
	top, err := u.pop()
	if err != nil {
		return err
	}
	if op == 'Q' {
		s, err := persistent(top)
		if err != nil {
			return err
		}
		return u.push(s)
	}
	below, err := u.pop()
	if err != nil {
		return err
	}
	if op == 'b' {
		// A state dictionary carries its modules' versions as attributes.
		if _, ok := below.(*dict); !ok {
			return errors.New("attributes for what is no dictionary")
		}
		return u.push(below)
	}
	arguments, ok := top.(tuple)
	called, isName := below.(global)
	if !ok || !isName {
		return errors.New("a call of what cannot be called")
	}
	v, err := u.reduce(called, arguments)
	if err != nil {
		return fmt.Errorf("%s: %w", called, err)
	}
	return u.push(v)
}

var errArguments = errors.New("its arguments are not those of a tensor or a state dictionary")

// reduce is what a callable makes of its arguments.
func (u *unpickler) reduce(called global, arguments tuple) (any, error) {
	switch called {
	case orderedDict:
		return u.ordered(arguments)
	case rebuildTensor:
		return rebuilt(arguments)
	case rebuildParameter: // (tensor, requires_grad, hooks)
		if len(arguments) == 3 {
			if v, ok := arguments[0].(view); ok {
				return v, nil
			}
		}
	}
	return nil, errArguments
}

// ordered makes OrderedDict(), or OrderedDict of a list of pairs, as Python 2 wrote it.
func (u *unpickler) ordered(arguments tuple) (*dict, error) {
	d := &dict{}
	if len(arguments) == 0 {
		return d, nil
	}
	from, ok := arguments[0].(*list)
	if !ok || len(arguments) != 1 {
		return nil, errArguments
	}
	if u.opcodes += len(from.items); u.opcodes > maxOpcodes { // one list may serve many times
		return nil, fmt.Errorf("more than %d items", maxOpcodes)
	}
	for _, item := range from.items {
		var both []any
		switch item := item.(type) {
		case tuple:
			both = item
		case *list:
			both = item.items
		}
		if len(both) != 2 {
			return nil, errArguments
		}
		d.items = append(d.items, pair{both[0], both[1]})
	}
	return d, nil
}

// rebuilt is a tensor of (storage, offset, shape, strides, requires_grad, hooks).
func rebuilt(arguments tuple) (view, error) {
	if len(arguments) != 6 {
		return view{}, errArguments
	}
	of, isStorage := arguments[0].(storage)
	offset, isNumber := arguments[1].(int64)
	shape, isShape := numbers(arguments[2])
	strides, areStrides := numbers(arguments[3])
	if !isStorage || !isNumber || !isShape || !areStrides {
		return view{}, errArguments
	}
	return view{of, offset, shape, strides}, nil
}

func numbers(of any) ([]int, bool) {
	items, ok := of.(tuple)
	if !ok || len(items) > MaxRank {
		return nil, false
	}
	n := make([]int, len(items))
	for i, item := range items {
		v, ok := item.(int64)
		if !ok {
			return nil, false
		}
		n[i] = int(v)
	}
	return n, true
}

// persistent is the storage of ("storage", type, key, location, elements), behind which
// old files have one item more, for storages within storages.
func persistent(id any) (storage, error) {
	items, _ := id.(tuple)
	if len(items) == 6 && items[5] == (none{}) {
		items = items[:5]
	}
	if len(items) != 5 || items[0] != "storage" {
		return storage{}, errors.New("an outside value that is no storage")
	}
	kind, _ := items[1].(global)
	dtype, known := storages[kind]
	key, isText := items[2].(string)
	n, isNumber := items[4].(int64)
	if !known || !isText || len(key) > maxPickledID || !isNumber || n < 0 || n > maxElements {
		return storage{}, errors.New("a storage of unknown type or size")
	}
	return storage{key, dtype, n}, nil
}
