// 7-bit activations of each row; with activation.wgsl and quantization.wgsl equals quantize of kernels/reference.
//
// matrix [rows][columns] and multiplier [columns] float32; values [rows][columns / 4, rounded up to a multiple
// of 4], four 7-bit numbers to a word, 0 behind the last column; scales [rows], float32 scale and zero point.
//
// quantize_shared.wgsl or quantize_alone.wgsl says how many rows a workgroup does, how many lanes share a row, and how they
// put together what they found. A lane takes words in turn, first for the extremes, then for the numbers: what an activation
// answers is cheaper had again than kept.

override multiplied: u32 = 0;

struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> multiplier: array<f32>;
@group(0) @binding(3) var<storage, read_write> values: array<u32>;
@group(0) @binding(4) var<storage, read_write> scales: array<vec2u>;

@compute @workgroup_size(lanes, rows)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let row = rows * group.x + at.y;
  let columns = select(0, p.columns, row < p.rows); // rows that are none still meet at the barrier
  let words = (columns + 15) / 16 * 4;

  var low = vec4f(0);
  var high = vec4f(0);
  for (var w = at.x; w < words; w += lanes) {
    let x = four(row, 4 * w);
    low = min(low, x);
    high = max(high, x);
  }
  let range = extremes(at, vec2f(min(min(low.x, low.y), min(low.z, low.w)), max(max(high.x, high.y), max(high.z, high.w))));
  let g = grid(range.x, range.y);
  for (var w = at.x; w < words; w += lanes) {
    let x = four(row, 4 * w);
    let q = vec4u(quantized(x.x, g), quantized(x.y, g), quantized(x.z, g), quantized(x.w, g));
    let places = select(vec4u(0), vec4u(1, 256, 65536, 16777216), 4 * w + vec4u(0, 1, 2, 3) < vec4u(columns));
    values[row * words + w] = dot(q, places);
  }
  if (at.x == 0 && row < p.rows) {
    scales[row] = vec2u(bitcast<u32>(g.scale), u32(g.zero));
  }
}

// four is what four columns stand for from one on, 0 behind the last.
fn four(row: u32, column: u32) -> vec4f {
  let i = row * p.columns + column;
  var x = activated(vec4f(matrix[i], matrix[i + 1], matrix[i + 2], matrix[i + 3]));
  if (multiplied == 1) {
    x *= vec4f(multiplier[column], multiplier[column + 1], multiplier[column + 2], multiplier[column + 3]);
  }
  return select(vec4f(0), x, column + vec4u(0, 1, 2, 3) < vec4u(p.columns));
}
