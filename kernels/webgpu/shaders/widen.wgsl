// Half precision to float32; equals widen of kernels/reference.
//
// in [count / 2, rounded up], two to a word; out [count] float32. An invocation widens a word, and every
// so many behind it: no dispatch has workgroups for the largest buffers.
struct Params {
  count: u32,
  step: u32, // words
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> in: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3u) {
  for (var i = at.x; 2 * i < p.count; i += p.step) {
    out[2 * i] = widened(in[i] & 0xffff);
    if (2 * i + 1 < p.count) {
      out[2 * i + 1] = widened(in[i] >> 16);
    }
  }
}

// widened is the bits of the float32 equal to a half. They are moved, since arithmetic may take small ones for 0.
fn widened(half: u32) -> u32 {
  let sign = (half & 0x8000) << 16;
  let exponent = (half >> 10) & 31;
  let fraction = half & 1023;
  if (exponent == 31) {
    return sign | 0x7f800000 | (fraction << 13);
  }
  if (exponent > 0) {
    return sign | ((exponent + 112) << 23) | (fraction << 13);
  }
  if (fraction == 0) {
    return sign;
  }
  let up = 10 - firstLeadingBit(fraction);
  return sign | ((113 - up) << 23) | (((fraction << up) & 1023) << 13);
}
