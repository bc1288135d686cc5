// Scaled dot-product attention where lanes can be read four by four, for GPUs in software, and 7-bit activations of the
// answer; with attention_scores.wgsl and quantization.wgsl equals attention and quantize of kernels/reference.
//
// qkv [rows][3][heads][size] float32, out [rows][heads][size], multiplier [heads][size]; values [rows][columns / 4,
// rounded up to a multiple of 4], four 7-bit numbers to a word; scales [rows], float32 scale and zero point.
//
// A workgroup, a quad, is a block of up to 32 queries that share their keys, from a table among the parameters, where blocks
// of no rows do nothing. Each of its 4 invocations takes 8 queries through all heads, and through all keys, 16 at a time: their
// 8 × 16 scores and weights stay in registers, and what the weights make of the values is added to out, which fades as the
// running maximum grows. Of keys and values, which all lanes need, each brings one of four. As nobody else has its
// rows, it can quantize them in the end.
//
// A block's last query stands in for those that it lacks, and the last key likewise, with a score that makes its
// weight 0.
enable subgroups;

const lowest = -3.4e38;
const four = vec4u(0, 1, 2, 3);

struct Params {
  columns: u32, // heads * size
  size: u32,
  scale: f32, // log2(e) / √size
  quantizes: u32, // 1: the answer, too
  multiplied: u32, // 1: it is multiplied first
  blocks: array<vec4<u32>, 128>, // first query's row, queries, first key's row, keys
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read_write> multiplier: array<f32>;
@group(0) @binding(4) var<storage, read_write> values: array<u32>;
@group(0) @binding(5) var<storage, read_write> scales: array<vec2u>;

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let block = p.blocks[group.x];
  if (block.y == 0) {
    return;
  }
  let rows0 = block.x + min(8 * me + four, vec4u(block.y - 1));
  let rows1 = block.x + min(8 * me + four + 4, vec4u(block.y - 1));
  let some = vec2<bool>(8 * me < block.y, 8 * me + 4 < block.y); // of rows0, of rows1 are this lane's own
  for (var head = 0u; head < p.columns; head += p.size) {
    attend(block, rows0, rows1, some, head, lane & 3);
  }
  for (var i = 8 * me; i < select(0, min(8 * me + 8, block.y), p.quantizes == 1); i++) {
    quantize(block.x + i);
  }
}

// attend is one head, whose first column is given.
fn attend(block: vec4u, rows0: vec4u, rows1: vec4u, some: vec2<bool>, head: u32, lane: u32) {
  var peak0 = vec4f(lowest);
  var peak1 = vec4f(lowest);
  var total0 = vec4f(0);
  var total1 = vec4f(0);
  for (var base = 0u; base < block.w; base += 16) {
    let key0 = start(block, base + lane);
    let key1 = start(block, base + lane + 4);
    let key2 = start(block, base + lane + 8);
    let key3 = start(block, base + lane + 12);

    // Scores: a vector is 4 queries, a matrix 4 queries of 4 keys.
    var s00 = mat4x4f();
    var s01 = mat4x4f();
    var s02 = mat4x4f();
    var s03 = mat4x4f();
    var s10 = mat4x4f();
    var s11 = mat4x4f();
    var s12 = mat4x4f();
    var s13 = mat4x4f();
    for (var c = head; c < head + p.size; c++) {
      let a = qkv[key0 + c];
      let b = qkv[key1 + c];
      let d = qkv[key2 + c];
      let e = qkv[key3 + c];
      let q0 = queries(rows0, c);
      let q1 = queries(rows1, c);
      let k0 = spread(a);
      s00 += outer(q0, k0);
      s10 += outer(q1, k0);
      let k1 = spread(b);
      s01 += outer(q0, k1);
      s11 += outer(q1, k1);
      let k2 = spread(d);
      s02 += outer(q0, k2);
      s12 += outer(q1, k2);
      let k3 = spread(e);
      s03 += outer(q0, k3);
      s13 += outer(q1, k3);
    }
    s00 = scaled(s00, base, block.w);
    s01 = scaled(s01, base + 4, block.w);
    s02 = scaled(s02, base + 8, block.w);
    s03 = scaled(s03, base + 12, block.w);
    s10 = scaled(s10, base, block.w);
    s11 = scaled(s11, base + 4, block.w);
    s12 = scaled(s12, base + 8, block.w);
    s13 = scaled(s13, base + 12, block.w);

    let now0 = max(peak0, max(max(largest(s00), largest(s01)), max(largest(s02), largest(s03))));
    let now1 = max(peak1, max(max(largest(s10), largest(s11)), max(largest(s12), largest(s13))));
    s00 = weights(s00, now0);
    s01 = weights(s01, now0);
    s02 = weights(s02, now0);
    s03 = weights(s03, now0);
    s10 = weights(s10, now1);
    s11 = weights(s11, now1);
    s12 = weights(s12, now1);
    s13 = weights(s13, now1);
    let fade0 = exp2(peak0 - now0);
    let fade1 = exp2(peak1 - now1);
    peak0 = now0;
    peak1 = now1;
    total0 = total0 * fade0 + (s00 + s01 + s02 + s03) * vec4f(1);
    total1 = total1 * fade1 + (s10 + s11 + s12 + s13) * vec4f(1);
    let last = base + 16 >= block.w;
    let share0 = select(vec4f(1), 1 / total0, last);
    let share1 = select(vec4f(1), 1 / total1, last);

    for (var c = head; c < head + p.size; c++) {
      let a = qkv[key0 + p.columns + c];
      let b = qkv[key1 + p.columns + c];
      let d = qkv[key2 + p.columns + c];
      let e = qkv[key3 + p.columns + c];
      let v0 = spread(a);
      let v1 = spread(b);
      let v2 = spread(d);
      let v3 = spread(e);
      if (some.x) {
        add(rows0, c, base > 0, fade0, s00 * v0 + s01 * v1 + s02 * v2 + s03 * v3, share0);
      }
      if (some.y) {
        add(rows1, c, base > 0, fade1, s10 * v0 + s11 * v1 + s12 * v2 + s13 * v3, share1);
      }
    }
  }
}

// start is where a key's row begins; its value's is that many columns later.
fn start(block: vec4u, key: u32) -> u32 {
  return (3 * (block.z + min(key, block.w - 1)) + 1) * p.columns;
}

fn queries(rows: vec4u, column: u32) -> vec4f {
  let i = 3 * rows * p.columns + column;
  return vec4f(qkv[i.x], qkv[i.y], qkv[i.z], qkv[i.w]);
}

// spread is what the four lanes have.
fn spread(x: f32) -> vec4f {
  return vec4f(quadBroadcast(x, 0), quadBroadcast(x, 1), quadBroadcast(x, 2), quadBroadcast(x, 3));
}

// scaled is scores of keys from first on, of those that there are.
fn scaled(s: mat4x4f, first: u32, keys: u32) -> mat4x4f {
  return s * p.scale + outer(vec4f(1), select(vec4f(0), vec4f(lowest), first + four >= vec4u(keys)));
}

// add puts (out * fade + x) * share into a column of 4 rows; out counts only where it holds something.
fn add(rows: vec4u, column: u32, holds: bool, fade: vec4f, x: vec4f, share: vec4f) {
  let i = rows * p.columns + column;
  let y = (select(vec4f(0), held(rows, column) * fade, holds) + x) * share;
  out[i.x] = y.x;
  out[i.y] = y.y;
  out[i.z] = y.z;
  out[i.w] = y.w;
}

fn held(rows: vec4u, column: u32) -> vec4f {
  let i = rows * p.columns + column;
  return vec4f(out[i.x], out[i.y], out[i.z], out[i.w]);
}

// quantize is for a row that this lane has made.
fn quantize(row: u32) {
  let words = (p.columns + 15) / 16 * 4;
  var low = vec4f(0);
  var high = vec4f(0);
  for (var w = 0u; w < words; w++) {
    let x = multiplied(row, 4 * w);
    low = min(low, x);
    high = max(high, x);
  }
  let g = grid(min(min(low.x, low.y), min(low.z, low.w)), max(max(high.x, high.y), max(high.z, high.w)));
  for (var w = 0u; w < words; w++) {
    let x = multiplied(row, 4 * w);
    let q = vec4u(quantized(x.x, g), quantized(x.y, g), quantized(x.z, g), quantized(x.w, g));
    values[row * words + w] = dot(q, select(vec4u(0), vec4u(1, 256, 65536, 16777216), 4 * w + four < vec4u(p.columns)));
  }
  scales[row] = vec2u(bitcast<u32>(g.scale), u32(g.zero));
}

// multiplied is four columns of a row from one on, 0 behind the last.
fn multiplied(row: u32, column: u32) -> vec4f {
  let i = row * p.columns + column;
  var x = vec4f(out[i], out[i + 1], out[i + 2], out[i + 3]);
  if (p.multiplied == 1) {
    x *= vec4f(multiplier[column], multiplier[column + 1], multiplier[column + 2], multiplier[column + 3]);
  }
  return select(vec4f(0), x, column + four < vec4u(p.columns));
}
