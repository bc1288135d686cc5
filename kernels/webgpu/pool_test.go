package webgpu_test

import (
	"testing"

	"bedside/kernels"
	"bedside/kernels/devicetest"
)

func TestPool(t *testing.T) {
	var many []kernels.Sequence
	for i := range 70 { // more than a dispatch takes
		many = append(many, kernels.Sequence{First: 4 * i, Rows: 4, Keys: 1 + i%4})
	}
	batches := [][]kernels.Sequence{
		{{Rows: 1, Keys: 1}},
		{{Rows: 7, Keys: 3}, {First: 7, Rows: 6, Keys: 6}, {First: 2, Rows: 4, Keys: 4}},
		{{Rows: 64, Keys: 64}, {First: 64, Rows: 200, Keys: 129}, {First: 263, Rows: 1, Keys: 1}},
		many,
	}
	each(t, func(t *testing.T, d kernels.Device) {
		for _, batch := range batches {
			devicetest.Pool(t, d, batch)
		}
	})
}
