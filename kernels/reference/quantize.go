package reference

import "math"

// Quantize makes one row of x, of any length, 7-bit activations: x ≈ scale * (q - zero).
// Every step is rounded to float32, as kernels.Quantize says; other devices must answer
// the same q, scale and zero for the same x. What is not finite makes scale so, too.
func Quantize(q []uint8, x []float32) (scale float32, zero int32) {
	low, high := float32(0), float32(0)
	for _, v := range x {
		low, high = min(low, v), max(high, v)
	}
	if scale = float32(high-low) / 127; scale == 0 {
		scale = 1
	}
	inverse := 1 / scale
	zero = min(round(float32(-low*inverse)), 127)
	for i, v := range x {
		q[i] = uint8(min(max(round(float32(v*inverse))+zero, 0), 127))
	}
	return scale, zero
}

// round is x to the nearest whole number, half to even, within ±2^24; 0 for NaN.
func round(x float32) int32 {
	if x != x {
		return 0
	}
	const most = 1 << 24
	return int32(math.RoundToEven(float64(min(max(x, -most), most))))
}
