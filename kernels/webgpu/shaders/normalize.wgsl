// Layer norm of each row, and 7-bit activations of the answer; with quantization.wgsl equals normalize of
// kernels/reference.
//
// matrix and out [rows][columns] float32, gamma, beta and multiplier [columns]; values [rows][columns / 4,
// rounded up to a multiple of 4], four 7-bit numbers to a word; scales [rows], float32 scale and zero point.
//
// normalize_shared.wgsl or normalize_alone.wgsl says how many rows a workgroup does, how many lanes share a row, and how
// they add up what they found.
//
// The mean is taken twice, the second time of the differences from the first: what rounding took from it
// shows neither in the differences nor in the variance. Rows whose squares could exceed float32 are scaled down.
const huge = 2.8e14; // of which squares are far from overflow
const tiny = 5.421010862427522e-20; // 2⁻⁶⁴, which takes no digits away

override in_place: u32 = 0; // 1: out is matrix

struct Params {
  rows: u32,
  columns: u32,
  epsilon: f32,
  quantizes: u32, // 1: the answer too; 2: multiplied first
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> multiplier: array<f32>;
@group(0) @binding(6) var<storage, read_write> values: array<u32>;
@group(0) @binding(7) var<storage, read_write> scales: array<vec2<u32>>;

@compute @workgroup_size(lanes, rows)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let row = rows * group.x + at.y;
  let columns = select(0, p.columns, row < p.rows); // rows that are none still meet at barriers
  let first = row * p.columns;

  var sums = vec2f(0); // of elements, and of their sizes
  for (var c = at.x; c < columns; c += lanes) {
    let x = matrix[first + c];
    sums += vec2f(x, abs(x));
  }
  sums = added(at, sums);
  let mean = sums.x / f32(p.columns);
  let shrink = select(1.0, tiny, sums.y > huge);

  var moments = vec2f(0); // of differences, and of their squares
  for (var c = at.x; c < columns; c += lanes) {
    let d = (matrix[first + c] - mean) * shrink;
    moments += vec2f(d, d * d);
  }
  moments = added(at, moments) / f32(p.columns);
  let variance = max(moments.y - moments.x * moments.x, 0) + p.epsilon * shrink * shrink;
  let factor = 1 / sqrt(max(variance, 1e-36));

  var range = vec2f(0); // -low and high
  for (var c = at.x; c < columns; c += lanes) {
    let unit = ((matrix[first + c] - mean) * shrink - moments.x) * factor;
    let y = unit * gamma[c] + beta[c];
    put(first + c, y);
    let x = multiplied(y, c);
    range = max(range, vec2f(-x, x));
  }
  if (p.quantizes == 0) {
    return;
  }
  range = largest(at, range);
  let g = grid(-range.x, range.y);
  let words = (columns + 15) / 16 * 4;
  for (var w = at.x; w < words; w += lanes) {
    var word = 0u;
    var place = 1u; // SwiftShader shifts one lane at a time
    for (var c = 4 * w; c < min(4 * w + 4, columns); c++) {
      word += place * quantized(multiplied(got(first + c), c), g);
      place *= 256;
    }
    values[row * words + w] = word;
  }
  if (at.x == 0 && row < p.rows) {
    scales[row] = vec2u(bitcast<u32>(g.scale), u32(g.zero));
  }
}

fn put(i: u32, x: f32) {
  if (in_place == 1) {
    matrix[i] = x;
  } else {
    out[i] = x;
  }
}

fn got(i: u32) -> f32 {
  if (in_place == 1) {
    return matrix[i];
  }
  return out[i];
}

fn multiplied(x: f32, c: u32) -> f32 {
  if (p.quantizes == 2) {
    return x * multiplier[c];
  }
  return x;
}
