// What the shaders of a dense layer in integers share: operands, and what becomes of a sum. Together with how the input
// is had (linear_given.wgsl, or linear_quantize.wgsl) and how it is multiplied (linear_packed.wgsl, or linear_unpacked.wgsl), or
// with linear_quads.wgsl, which does both, it equals linear of kernels/reference; the sums are the same bit for bit.
//
// weights [outputs / 8][depth / 4][8], four int8 to a word, depth being the inputs padded to a multiple of 16; factors, sums
// and bias [outputs / 8 * 8]; out and residual [rows][outputs].
//
// A workgroup makes so many rows × outputs of out as its kernel says.
struct Params {
  rows: u32,
  inputs: u32,
  outputs: u32,
  vectors: u32, // depth / 16
  width: u32, // of a row of out: where outputs are a part of all, out and residual begin with the first of them
  added: u32, // the residual: 0 none, 1 what out holds, 2 residual
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(4) var<storage, read_write> factors: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec4i>;
@group(0) @binding(6) var<storage, read_write> bias: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
@group(0) @binding(8) var<storage, read_write> residual: array<f32>;

// put finishes the n-th four outputs of a row: dots are Σ q * weight.
fn put(row: u32, n: u32, s: Scale, dots: vec4i) {
  if (row >= p.rows) {
    return;
  }
  let y = vec4f(dots - s.zero * sums[n]) * (s.scale * factors[n]) + bias[n];
  store(row, 4 * n, y.x);
  store(row, 4 * n + 1, y.y);
  store(row, 4 * n + 2, y.z);
  store(row, 4 * n + 3, y.w);
}

fn store(row: u32, column: u32, y: f32) {
  if (column >= p.outputs) {
    return;
  }
  let i = row * p.width + column;
  var z = y;
  if (p.added == 1) {
    z += out[i];
  }
  if (p.added == 2) {
    z += residual[i];
  }
  out[i] = z;
}

// Scale is what a row's numbers stand for: scale * (q - zero).
struct Scale {
  scale: f32,
  zero: i32,
}
