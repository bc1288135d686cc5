package asm

import "fmt"

// Func is a function under construction.
type Func struct {
	index      uint32
	parameters []byte // value types
	results    []byte
	locals     []byte
	code       []byte
	depth      int // open blocks
}

// Var is a local variable, or a parameter.
type Var[T Value] struct {
	f     *Func
	index uint32
}

// Parameter declares the next parameter, before any Local.
func Parameter[T Value](f *Func) Var[T] {
	if len(f.locals) > 0 {
		panic("asm: parameters come before locals")
	}
	f.parameters = append(f.parameters, valueType[T]())
	return Var[T]{f, uint32(len(f.parameters) - 1)}
}

// Result declares the function's result.
func Result[T Value](f *Func) { f.results = append(f.results, valueType[T]()) }

// Local declares a variable, zero at first.
func Local[T Value](f *Func) Var[T] {
	f.locals = append(f.locals, valueType[T]())
	return Var[T]{f, uint32(len(f.parameters) + len(f.locals) - 1)}
}

// Locals declares n variables.
func Locals[T Value](f *Func, n int) []Var[T] {
	vars := make([]Var[T], n)
	for i := range vars {
		vars[i] = Local[T](f)
	}
	return vars
}

// Let declares a variable and sets it.
func Let[T Value](f *Func, x T) Var[T] {
	v := Local[T](f)
	v.Set(x)
	return v
}

// Get is the variable's value where the expression is used.
func (v Var[T]) Get() T { return T{appendUnsigned([]byte{0x20}, uint64(v.index))} }

// Set gives the variable a value.
func (v Var[T]) Set(x T) {
	v.f.code = append(v.f.code, encoded(x)...)
	v.f.code = appendUnsigned(append(v.f.code, 0x21), uint64(v.index))
}

// Label is a block or loop that can be branched to.
type Label struct {
	f     *Func
	depth int
}

// Loop runs body once, and again for each branch to its label.
func (f *Func) Loop(body func(again Label)) { f.nest(0x03, body) }

// Block runs body; a branch to its label leaves it.
func (f *Func) Block(body func(end Label)) { f.nest(0x02, body) }

func (f *Func) nest(opcode byte, body func(Label)) {
	f.code = append(f.code, opcode, 0x40)
	f.depth++
	body(Label{f, f.depth})
	f.depth--
	f.code = append(f.code, 0x0b)
}

// If runs then where the condition is not 0.
func (f *Func) If(condition I32, then func()) { f.IfElse(condition, then, nil) }

// IfElse runs one of two bodies.
func (f *Func) IfElse(condition I32, then, otherwise func()) {
	f.code = append(append(f.code, condition.code...), 0x04, 0x40)
	f.depth++
	then()
	if otherwise != nil {
		f.code = append(f.code, 0x05)
		otherwise()
	}
	f.depth--
	f.code = append(f.code, 0x0b)
}

// For counts i from its present value while it is below end (signed), in steps, at the
// head of each turn.
func (f *Func) For(i Var[I32], end I32, step int32, body func()) {
	f.Block(func(done Label) {
		f.Loop(func(again Label) {
			done.BranchIf(i.Get().GeS(end))
			body()
			i.Set(i.Get().Add(Const(step)))
			again.Branch()
		})
	})
}

// Branch goes to the label.
func (l Label) Branch() { l.f.code = appendUnsigned(append(l.f.code, 0x0c), l.distance()) }

// BranchIf goes to the label where the condition is not 0.
func (l Label) BranchIf(condition I32) {
	l.f.code = append(l.f.code, condition.code...)
	l.f.code = appendUnsigned(append(l.f.code, 0x0d), l.distance())
}

// Switch runs the case that the value numbers, or otherwise.
func (f *Func) Switch(value I32, cases []func(), otherwise func()) {
	f.Block(func(end Label) {
		var open func(n int)
		open = func(n int) {
			if n < 0 {
				f.code = append(f.code, value.code...)
				f.code = appendUnsigned(append(f.code, 0x0e), uint64(len(cases)))
				for i := range len(cases) + 1 {
					f.code = appendUnsigned(f.code, uint64(i))
				}
				return
			}
			f.Block(func(Label) { open(n - 1) })
			if n < len(cases) {
				cases[n]()
				end.Branch()
			} else {
				otherwise()
			}
		}
		open(len(cases))
	})
}

func (l Label) distance() uint64 { return uint64(l.f.depth - l.depth) }

// Return ends the function with a result.
func (f *Func) Return(result I32) { f.code = append(append(f.code, result.code...), 0x0f) }

// Call runs another function of the module that has no result.
func (f *Func) Call(callee *Func, arguments ...Operand) {
	if len(callee.results) != 0 {
		panic("asm: Call drops a result")
	}
	f.code = append(f.code, f.call(callee, arguments)...)
}

// CallI32 runs another function of the module; the expression is its result.
func (f *Func) CallI32(callee *Func, arguments ...Operand) I32 {
	if string(callee.results) != string([]byte{typeI32}) {
		panic("asm: CallI32 wants an i32 result")
	}
	return I32{f.call(callee, arguments)}
}

func (f *Func) call(callee *Func, arguments []Operand) []byte {
	if len(arguments) != len(callee.parameters) {
		panic(fmt.Sprintf("asm: call with %d arguments, want %d", len(arguments), len(callee.parameters)))
	}
	var code []byte
	for i, a := range arguments {
		kind, expression := a.operand()
		if kind != callee.parameters[i] {
			panic(fmt.Sprintf("asm: argument %d has another type than the parameter", i))
		}
		code = append(code, expression...)
	}
	return appendUnsigned(append(code, 0x10), uint64(callee.index))
}

// Drop evaluates an expression for its effect.
func (f *Func) Drop(x Operand) {
	_, code := x.operand()
	f.code = append(append(f.code, code...), 0x1a)
}

func (f *Func) signature() signature { return signature{string(f.parameters), string(f.results)} }

func (f *Func) body() []byte {
	if f.depth != 0 {
		panic("asm: a block is open")
	}
	var runs [][2]uint64
	for _, t := range f.locals {
		if n := len(runs); n > 0 && runs[n-1][1] == uint64(t) {
			runs[n-1][0]++
			continue
		}
		runs = append(runs, [2]uint64{1, uint64(t)})
	}
	out := appendUnsigned(nil, uint64(len(runs)))
	for _, r := range runs {
		out = append(appendUnsigned(out, r[0]), byte(r[1]))
	}
	return append(append(out, f.code...), 0x0b)
}
