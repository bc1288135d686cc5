package webgpu_test

import (
	"testing"

	"bedside/kernels/webgpu"
	"bedside/kernels/webgpu/native"
)

// TestPipelines: every pipeline that devices begin with compiles.
func TestPipelines(t *testing.T) {
	for _, h := range hosts[:2] {
		t.Run(h.name, func(t *testing.T) {
			host := h.open(t).(*native.Host)
			defer host.Close()
			if _, err := webgpu.New(host); err != nil {
				t.Fatal(err)
			}
			if err := host.Compile(); err != nil {
				t.Error(err)
			}
		})
	}
}
