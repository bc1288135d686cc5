// 7-bit activations of each row; with activation.wgsl and quantization.wgsl equals quantize of kernels/reference.
//
// matrix [rows][columns] and multiplier [columns] float32; values [rows][columns / 4, rounded up to a multiple
// of 4], four 7-bit numbers to a word, 0 behind the last column; scales [rows], float32 scale and zero point.
//
// A workgroup does 4 rows, 16 invocations each. An invocation takes every sixteenth word of its row, first
// for the extremes, then for the numbers; an activation's answers it puts back in between.
const lanes = 16u;

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

var<workgroup> parts: array<vec2f, 64>;

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let row = 4 * group.x + at.y;
  let columns = select(0, p.columns, row < p.rows); // rows that are none still meet at the barrier
  let words = (columns + 15) / 16 * 4;

  var range = vec2f(0);
  for (var w = at.x; w < words; w += lanes) {
    for (var c = 4 * w; c < min(4 * w + 4, columns); c++) {
      let x = first(row * columns + c, c);
      range = vec2f(min(range.x, x), max(range.y, x));
    }
  }
  parts[lanes * at.y + at.x] = range;
  workgroupBarrier();
  for (var i = 0u; i < lanes; i++) {
    let part = parts[lanes * at.y + i];
    range = vec2f(min(range.x, part.x), max(range.y, part.y));
  }

  let g = grid(range.x, range.y);
  for (var w = at.x; w < words; w += lanes) {
    var word = 0u;
    for (var c = 4 * w; c < min(4 * w + 4, columns); c++) {
      word |= quantized(again(row * columns + c, c), g) << (8 * (c % 4));
    }
    values[row * words + w] = word;
  }
  if (at.x == 0 && row < p.rows) {
    scales[row] = vec2u(bitcast<u32>(g.scale), u32(g.zero));
  }
}

// first is the number that element i of column c stands for.
fn first(i: u32, c: u32) -> f32 {
  if (activation == 0) {
    return again(i, c);
  }
  var x = activated(matrix[i]);
  if (multiplied == 1) {
    x *= multiplier[c];
  }
  matrix[i] = x;
  return x;
}

fn again(i: u32, c: u32) -> f32 {
  if (activation == 0 && multiplied == 1) {
    return matrix[i] * multiplier[c];
  }
  return matrix[i];
}
