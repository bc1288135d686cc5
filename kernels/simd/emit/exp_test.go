package emit

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/tetratelabs/wazero"

	. "bedside/kernels/simd/asm"
	"bedside/kernels/simd/chromium"
)

const powerAt, powerVectors = 65536, 1 << 16

// powerModule's probe replaces the floats at powerAt by their powers of two.
func powerModule(v Variant) []byte {
	e := &emitter{Module: NewModule("kernels", "memory", 2, 0), Variant: v}
	f := e.Func()
	i := Parameter[I32](f)
	Result[I32](f)
	x := e.power(f)
	i.Set(Const(0))
	f.For(i, Const(16*powerVectors), 16, func() { Store(f, i.Get(), powerAt, x.of(Load[F32x4](i.Get(), powerAt))) })
	f.Return(Const(0))
	e.Export("probe", f)
	return e.Bytes()
}

func TestPower(t *testing.T) {
	t.Run("wazero", func(t *testing.T) {
		checkPower(t, func(x []byte) { inWazero(t, powerModule(Variants()[0]), x) })
	})
	b, err := chromium.Start(context.Background())
	if errors.Is(err, chromium.ErrNoBrowser) && os.Getenv("CI") == "" {
		t.Log(err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, v := range Variants()[:2] {
		t.Run("chromium/"+v.Name, func(t *testing.T) {
			checkPower(t, func(x []byte) { inChromium(t, b, powerModule(v), x) })
		})
	}
}

// checkPower holds results against float64, over the range that power's documentation
// states, and at its ends.
func checkPower(t *testing.T, run func([]byte)) {
	special := []float32{0, float32(math.Copysign(0, -1)), 1, -1, float32(math.Inf(-1)), -math.MaxFloat32, -200, -127.1, float32(math.NaN())}
	x := make([]float32, 4*powerVectors)
	data := make([]byte, 0, 4*len(x))
	for i := range x {
		x[i] = float32(-126 + 253*float64(i)/float64(len(x)))
		if i < len(special) {
			x[i] = special[i]
		}
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x[i]))
	}
	run(data)
	worst := 0.0
	for i, v := range x {
		got := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		switch want := math.Exp2(float64(v)); {
		case want != want:
			if got == got {
				t.Errorf("NaN gives %g", got)
			}
		case want < 0x1p-127:
			if got != 0 {
				t.Errorf("%g gives %g", v, got)
			}
		case v == 0:
			if got != 1 {
				t.Errorf("%g gives %g", v, got)
			}
		default:
			worst = max(worst, math.Abs(got/want-1))
		}
	}
	t.Logf("largest relative error %.3g", worst)
	if !(worst <= 2e-7) {
		t.Errorf("largest relative error %g", worst)
	}
}

func inWazero(t *testing.T, module, data []byte) {
	ctx := t.Context()
	runtime := wazero.NewRuntime(ctx)
	defer runtime.Close(ctx)
	memory := []byte{0, 'a', 's', 'm', 1, 0, 0, 0, 5, 3, 1, 0, 2, 7, 10, 1, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0}
	m, err := runtime.InstantiateWithConfig(ctx, memory, wazero.NewModuleConfig().WithName("kernels"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := runtime.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName("power"))
	if err != nil {
		t.Fatal(err)
	}
	m.Memory().Grow(uint32(len(data)) / 65536)
	m.Memory().Write(powerAt, data)
	if _, err := k.ExportedFunction("probe").Call(ctx, 0); err != nil {
		t.Fatal(err)
	}
	result, _ := m.Memory().Read(powerAt, uint32(len(data)))
	copy(data, result)
}

func inChromium(t *testing.T, b *chromium.Browser, module, data []byte) {
	tab, err := b.OpenModule(module, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
	if !tab.Reserve(powerAt + uint32(len(data))) {
		t.Fatal("no memory")
	}
	tab.Write(powerAt, data)
	if _, _, err := tab.Probe(0); err != nil {
		t.Fatal(err)
	}
	tab.Read(data, powerAt)
}
