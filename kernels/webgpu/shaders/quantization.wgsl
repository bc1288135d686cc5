// 7-bit activations of a row whose extremes are known; equals Quantize of kernels/reference where division is
// exact. A part of shaders that quantize.

struct Grid {
  scale: f32,
  inverse: f32,
  zero: i32,
}

// grid takes extremes with low ≤ 0 ≤ high.
fn grid(low: f32, high: f32) -> Grid {
  var scale = (high - low) / 127;
  if (scale == 0) {
    scale = 1;
  }
  let inverse = 1 / scale;
  return Grid(scale, inverse, clamp(i32(round(-low * inverse)), 0, 127));
}

fn quantized(x: f32, g: Grid) -> u32 {
  return u32(clamp(i32(round(clamp(x * g.inverse, -16777216, 16777216))) + g.zero, 0, 127));
}
