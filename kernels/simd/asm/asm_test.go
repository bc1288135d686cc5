package asm_test

import (
	"context"
	"encoding/binary"
	"math"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	. "bedside/kernels/simd/asm"
)

// memory exports one page.
var memory = []byte{0, 'a', 's', 'm', 1, 0, 0, 0, 5, 3, 1, 0, 1, 7, 10, 1, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0}

// run executes a function of one i32 parameter; what it leaves in memory and answers is returned.
func run(t *testing.T, argument int32, body func(m *Module, f *Func, x Var[I32])) (answer int32, data api.Memory) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	t.Cleanup(func() { r.Close(ctx) })
	env, err := r.InstantiateWithConfig(ctx, memory, wazero.NewModuleConfig().WithName("m"))
	if err != nil {
		t.Fatal(err)
	}
	m := NewModule("m", "memory", 1, 0)
	f := m.Func()
	x := Parameter[I32](f)
	Result[I32](f)
	body(m, f, x)
	m.Export("f", f)
	ctx = experimental.WithImportResolver(ctx, func(string) api.Module { return env })
	i, err := r.Instantiate(ctx, m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	results, err := i.ExportedFunction("f").Call(ctx, api.EncodeI32(argument))
	if err != nil {
		t.Fatal(err)
	}
	return api.DecodeI32(results[0]), env.Memory()
}

func TestConstants(t *testing.T) {
	for _, v := range []int32{0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 1 << 20, math.MaxInt32, math.MinInt32} {
		got, _ := run(t, 0, func(m *Module, f *Func, x Var[I32]) { f.Return(Const(v)) })
		if got != v {
			t.Errorf("constant %d came out as %d", v, got)
		}
		got, _ = run(t, 0, func(m *Module, f *Func, x Var[I32]) { f.Return(Wide(Const(v), Const(7)).High()) })
		if got != v {
			t.Errorf("the high half of a wide %d came out as %d", v, got)
		}
	}
}

func TestControl(t *testing.T) {
	sum := func(m *Module, f *Func, x Var[I32]) { // 0 + 3 + 6 + … below x
		i, total := Local[I32](f), Local[I32](f)
		f.For(i, x.Get(), 3, func() { total.Set(total.Get().Add(i.Get())) })
		f.Return(total.Get())
	}
	choose := func(m *Module, f *Func, x Var[I32]) {
		var cases []func()
		for n := range 3 {
			cases = append(cases, func() { f.Return(Const(int32(10 * (n + 1)))) })
		}
		f.Switch(x.Get(), cases, func() { f.Return(Const(-1)) })
		f.Return(Const(-2))
	}
	factorial := func(m *Module, f *Func, x Var[I32]) {
		callee := m.Func()
		n := Parameter[I32](callee)
		Result[I32](callee)
		callee.IfElse(n.Get().LtS(Const(2)), func() { callee.Return(Const(1)) },
			func() { callee.Return(n.Get().Mul(callee.CallI32(callee, n.Get().Sub(Const(1))))) })
		callee.Return(Const(0))
		f.Return(f.CallI32(callee, x.Get()))
	}
	for _, c := range []struct {
		name     string
		body     func(*Module, *Func, Var[I32])
		in, want int32
	}{
		{"for", sum, 0, 0}, {"for", sum, -5, 0}, {"for", sum, 1, 0}, {"for", sum, 10, 18},
		{"switch", choose, 0, 10}, {"switch", choose, 1, 20}, {"switch", choose, 2, 30}, {"switch", choose, 3, -1}, {"switch", choose, -1, -1},
		{"call", factorial, 5, 120},
	} {
		if got, _ := run(t, c.in, c.body); got != c.want {
			t.Errorf("%s of %d is %d, want %d", c.name, c.in, got, c.want)
		}
	}
}

// TestVectors stores one vector for each instruction that the other tests do not pin down.
func TestVectors(t *testing.T) {
	bytes := func(v ...int8) (out [16]byte) {
		for i := range out {
			out[i] = byte(v[i%len(v)])
		}
		return out
	}
	words := func(v ...int32) (out [16]byte) {
		for i := range 4 {
			binary.LittleEndian.PutUint32(out[4*i:], uint32(v[i%len(v)]))
		}
		return out
	}
	halves := func(v ...int16) (out [16]byte) {
		for i := range 8 {
			binary.LittleEndian.PutUint16(out[2*i:], uint16(v[i%len(v)]))
		}
		return out
	}
	at := Const(256) // where the test puts bytes 0, 1, 2, …
	b := Load[I8x16](at, 0)
	small, big := ConstI32x4(-200), ConstI32x4(70000)
	for _, c := range []struct {
		name string
		x    I32x4
		want [16]byte
	}{
		{"splat 32", LoadSplat32[I32x4](at, 4), bytes(4, 5, 6, 7)},
		{"splat 64", LoadSplat64[I32x4](at, 8), bytes(8, 9, 10, 11, 12, 13, 14, 15)},
		{"low 32", LoadLow32[I32x4](at, 4), words(0x07060504, 0, 0, 0)},
		{"low 64", LoadLow64[I32x4](at, 4), words(0x07060504, 0x0b0a0908, 0, 0)},
		{"widen", b.Low().I32x4(), halves(0, 1, 2, 3, 4, 5, 6, 7)},
		{"widen high", b.High().HighU(), words(12, 13, 14, 15)},
		{"narrow 32", small.NarrowS(big).I32x4(), halves(-200, -200, -200, -200, 32767, 32767, 32767, 32767)},
		{"narrow 16", small.NarrowS(big).NarrowS(ConstI16x8(5)).I32x4(), bytes(-128, -128, -128, -128, 127, 127, 127, 127, 5, 5, 5, 5, 5, 5, 5, 5)},
		{"narrow 16 u", small.NarrowS(big).NarrowU(ConstI16x8(200)).I32x4(), bytes(0, 0, 0, 0, -1, -1, -1, -1, -56, -56, -56, -56, -56, -56, -56, -56)},
		{"dot", b.Low().Dot(ConstI16x8(-3)), words(-3, -15, -27, -39)},
		{"pairs", b.Low().Pairs(), words(1, 5, 9, 13)},
		{"shuffle", b.I32x4().Shuffle(big, [4]byte{3, 0, 7, 1}), words(0x0f0e0d0c, 0x03020100, 70000, 0x07060504)},
		{"bits", ConstI32x4(0x00ff00ff).Bits(ConstI32x4(-1), ConstI32x4(0)), words(0x00ff00ff)},
		{"compare", ConstF32x4(1).Lt(ConstF32x4(2)), words(-1)},
		{"differ", ConstF32x4(float32(math.NaN())).Ne(ConstF32x4(1)), words(-1)},
		{"any true", SplatI32(b.I32x4().AnyTrue().Add(ConstI32x4(0).AnyTrue())), words(1)},
		{"less", SplatI32(ConstF32(1).Lt(ConstF32(2)).Add(ConstF32(2).Lt(ConstF32(2)))), words(1)},
		{"convert", ConstF32x4(-2.5).Nearest().ToI32x4(), words(-2)},
		{"saturate", ConstF32x4(1e20).ToI32x4(), words(math.MaxInt32)},
		{"madd", ConstF32x4(3).MulAdd(ConstF32x4(4), ConstF32x4(5), false).ToI32x4(), words(17)},
		{"pmax", ConstF32x4(3).PMax(ConstF32x4(4)).ToI32x4(), words(4)},
		{"pmin", ConstF32x4(3).PMin(ConstF32x4(4)).ToI32x4(), words(3)},
		{"select", Select(small, big, Const(0)), words(70000)},
	} {
		_, data := run(t, 0, func(m *Module, f *Func, x Var[I32]) {
			i := Local[I32](f)
			f.For(i, Const(16), 1, func() { f.StoreByte(i.Get(), 256, i.Get()) })
			Store(f, Const(16), 16, c.x)
			f.Return(Const(0))
		})
		if got, _ := data.Read(32, 16); string(got) != string(c.want[:]) {
			t.Errorf("%s: % x, want % x", c.name, got, c.want)
		}
	}
}

func TestMemory(t *testing.T) {
	_, data := run(t, 0, func(m *Module, f *Func, x Var[I32]) {
		f.Fill(Const(64), Const(7), Const(8))
		f.Copy(Const(100), Const(66), Const(4))
		f.StoreLane32(Const(200), 4, LoadSplat32[I32x4](Const(100), 0), 2)
		f.StoreLane64(Const(300), 0, ConstI32x4(-2), 1)
		f.Return(Const(0))
	})
	for _, c := range []struct {
		at   uint32
		want string
	}{{63, "\x00\x07\x07"}, {71, "\x07\x00"}, {99, "\x00\x07\x07\x07\x07\x00"}, {203, "\x00\x07\x07\x07\x07\x00"}, {300, "\xfe\xff\xff\xff\xfe\xff\xff\xff\x00"}} {
		if got, _ := data.Read(c.at, uint32(len(c.want))); string(got) != c.want {
			t.Errorf("at %d: % x, want % x", c.at, got, c.want)
		}
	}
}

func TestMisuse(t *testing.T) {
	for name, build := range map[string]func(m *Module, f *Func){
		"arguments":      func(m *Module, f *Func) { f.Call(m.Func(), Const(1)) },
		"argument type":  func(m *Module, f *Func) { c := m.Func(); Parameter[F32](c); f.Call(c, Const(1)) },
		"late parameter": func(m *Module, f *Func) { Local[I32](f); Parameter[I32](f) },
		"dropped result": func(m *Module, f *Func) { c := m.Func(); Result[I32](c); f.Call(c) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			m := NewModule("m", "memory", 1, 0)
			build(m, m.Func())
		})
	}
}
