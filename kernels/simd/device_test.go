package simd_test

import (
	"testing"

	"github.com/tetratelabs/wazero"

	"bedside/kernels"
	"bedside/kernels/simd"
	"bedside/kernels/simd/headless"
)

// reserving notes how much memory is asked for.
type reserving struct {
	*headless.Memory
	most uint32
}

func (r *reserving) Reserve(bytes uint32) bool {
	r.most = max(r.most, bytes)
	return r.Memory.Reserve(bytes)
}

// TestScratchDoesNotPileUp runs longer and longer sequences: what the device takes for
// itself on the way is little more than what the longest needs at once.
func TestScratchDoesNotPileUp(t *testing.T) {
	took := func(lengths ...int) int {
		ctx := t.Context()
		runtime := wazero.NewRuntime(ctx)
		defer runtime.Close(ctx)
		compiled, err := headless.Compile(ctx, runtime)
		if err != nil {
			t.Fatal(err)
		}
		memory, err := compiled.New(ctx)
		if err != nil {
			t.Fatal(err)
		}
		host := &reserving{Memory: memory}
		d := simd.New(host)
		const size = 64
		last := lengths[len(lengths)-1]
		buffers, err := d.Allocate(4*last*3*size, 4*last*size)
		if err != nil {
			t.Fatal(err)
		}
		before := host.most
		for _, rows := range lengths {
			program := []kernels.Op{kernels.Attention{
				QKV:       kernels.Matrix{Buffer: buffers[0], Rows: rows, Columns: 3 * size},
				Heads:     1,
				Sequences: []kernels.Sequence{{Rows: 1, Keys: rows}},
				Out:       kernels.Matrix{Buffer: buffers[1], Rows: rows, Columns: size},
			}}
			if err := d.Run(program); err != nil {
				t.Fatal(err)
			}
		}
		return int(host.most - before)
	}
	var growing []int
	for rows := 8; rows <= 512; rows += 8 {
		growing = append(growing, rows)
	}
	if all, once := took(growing...), took(512); all > 4*once {
		t.Errorf("notes of growing length took %d bytes, the longest alone %d", all, once)
	}
}
