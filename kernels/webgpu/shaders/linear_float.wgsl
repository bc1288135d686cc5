// A dense layer in float32; equals linearFloat of kernels/reference.
//
// matrix [rows][inputs], weights [outputs / 8][inputs][8], bias [outputs / 8 * 8], out and residual [rows][outputs].
//
// Of 16 × 4 invocations each makes 4 rows × 8 outputs in registers: a workgroup 16 rows × 128 outputs.
const tile_rows = 16u;

override added: u32 = 0; // the residual: 0 none, 1 what out holds, 2 residual

struct Params {
  rows: u32,
  inputs: u32,
  outputs: u32,
  width: u32, // of a row of out: where outputs are a part of all, out and residual begin with the first of them
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> residual: array<f32>;

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let panel = 16 * group.x + at.x;
  let row = tile_rows * group.y + 4 * at.y;
  if (8 * panel >= p.outputs || row >= p.rows) {
    return;
  }
  let last = p.rows - 1; // rows behind it repeat it
  let a = row * p.inputs;
  let b = min(row + 1, last) * p.inputs;
  let c = min(row + 2, last) * p.inputs;
  let d = min(row + 3, last) * p.inputs;

  var s00 = bias[2 * panel];
  var s01 = bias[2 * panel + 1];
  var s10 = s00;
  var s11 = s01;
  var s20 = s00;
  var s21 = s01;
  var s30 = s00;
  var s31 = s01;
  for (var k = 0u; k < p.inputs; k++) {
    let w0 = weights[2 * (panel * p.inputs + k)];
    let w1 = weights[2 * (panel * p.inputs + k) + 1];
    s00 += matrix[a + k] * w0;
    s01 += matrix[a + k] * w1;
    s10 += matrix[b + k] * w0;
    s11 += matrix[b + k] * w1;
    s20 += matrix[c + k] * w0;
    s21 += matrix[c + k] * w1;
    s30 += matrix[d + k] * w0;
    s31 += matrix[d + k] * w1;
  }
  var sums = array<vec4f, 8>(s00, s01, s10, s11, s20, s21, s30, s31);
  for (var i = 0u; i < 8; i++) {
    put(row + i / 2, 8 * panel + 4 * (i % 2), sums[i]);
  }
}

fn put(row: u32, column: u32, y: vec4f) {
  if (row >= p.rows) {
    return;
  }
  store(row, column, y.x);
  store(row, column + 1, y.y);
  store(row, column + 2, y.z);
  store(row, column + 3, y.w);
}

fn store(row: u32, column: u32, y: f32) {
  if (column >= p.outputs) {
    return;
  }
  let i = row * p.width + column;
  if (added == 1) {
    out[i] += y;
  } else if (added == 2) {
    out[i] = y + residual[i];
  } else {
    out[i] = y;
  }
}
