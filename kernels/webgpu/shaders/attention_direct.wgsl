// Scaled dot-product attention without memory of a workgroup and without quads, for GPUs in software, where such memory is dear; with
// attention_scores.wgsl equals attention of kernels/reference.
//
// qkv [rows][3][heads][size] float32, out [rows][heads][size].
//
// Workgroup x is a block of up to 32 queries that share their keys, from a table among the parameters,
// where blocks of no rows do nothing; y is the head. Each of its 4 invocations takes 8 queries through all
// keys, 8 at a time: their 8 × 8 scores and weights stay in registers, and what the weights make of the values is added
// to out, which fades as the running maximum grows.
//
// A block's last query stands in for those that it lacks, and the last key likewise, with a score that makes its
// weight 0.
const lowest = -3.4e38;

struct Params {
  columns: u32, // heads * size
  size: u32,
  scale: f32, // log2(e) / √size
  blocks: array<vec4<u32>, 128>, // first query's row, queries, first key's row, keys
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let block = p.blocks[group.x];
  let head = group.y * p.size;
  let four = vec4u(0, 1, 2, 3);
  if (8 * at.x >= block.y) {
    return;
  }
  let rows0 = block.x + min(8 * at.x + four, vec4u(block.y - 1));
  let rows1 = block.x + min(8 * at.x + four + 4, vec4u(block.y - 1));

  var peak0 = vec4f(lowest);
  var peak1 = vec4f(lowest);
  var total0 = vec4f(0);
  var total1 = vec4f(0);
  for (var base = 0u; base < block.w; base += 8) {
    let keys0 = block.z + min(base + four, vec4u(block.w - 1));
    let keys1 = block.z + min(base + four + 4, vec4u(block.w - 1));
    let lacking0 = select(vec4f(0), vec4f(lowest), base + four >= vec4u(block.w));
    let lacking1 = select(vec4f(0), vec4f(lowest), base + four + 4 >= vec4u(block.w));

    // Scores: a vector is 4 queries, a matrix 4 queries of 4 keys.
    var s00 = mat4x4f();
    var s01 = mat4x4f();
    var s10 = mat4x4f();
    var s11 = mat4x4f();
    for (var c = head; c < head + p.size; c++) {
      let q0 = loaded(rows0, 0, c);
      let q1 = loaded(rows1, 0, c);
      let k0 = loaded(keys0, 1, c);
      let k1 = loaded(keys1, 1, c);
      s00 += outer(q0, k0);
      s01 += outer(q0, k1);
      s10 += outer(q1, k0);
      s11 += outer(q1, k1);
    }
    s00 = s00 * p.scale + outer(vec4f(1), lacking0);
    s01 = s01 * p.scale + outer(vec4f(1), lacking1);
    s10 = s10 * p.scale + outer(vec4f(1), lacking0);
    s11 = s11 * p.scale + outer(vec4f(1), lacking1);

    let now0 = max(peak0, max(largest(s00), largest(s01)));
    let now1 = max(peak1, max(largest(s10), largest(s11)));
    s00 = weights(s00, now0);
    s01 = weights(s01, now0);
    s10 = weights(s10, now1);
    s11 = weights(s11, now1);
    let fade0 = exp2(peak0 - now0);
    let fade1 = exp2(peak1 - now1);
    peak0 = now0;
    peak1 = now1;
    total0 = total0 * fade0 + (s00 + s01) * vec4f(1);
    total1 = total1 * fade1 + (s10 + s11) * vec4f(1);
    let last = base + 8 >= block.w;
    let share0 = select(vec4f(1), 1 / total0, last);
    let share1 = select(vec4f(1), 1 / total1, last);

    for (var c = head; c < head + p.size; c++) {
      let v0 = loaded(keys0, 2, c);
      let v1 = loaded(keys1, 2, c);
      add(rows0, c, base > 0, fade0, s00 * v0 + s01 * v1, share0);
      if (8 * at.x + 4 < block.y) {
        add(rows1, c, base > 0, fade1, s10 * v0 + s11 * v1, share1);
      }
    }
  }
}

fn loaded(rows: vec4u, part: u32, column: u32) -> vec4f {
  let i = (3 * rows + part) * p.columns + column;
  return vec4f(qkv[i.x], qkv[i.y], qkv[i.z], qkv[i.w]);
}

// add puts (out * fade + x) * share into a column of 4 rows; out counts only where it holds something.
fn add(rows: vec4u, column: u32, holds: bool, fade: vec4f, x: vec4f, share: vec4f) {
  let i = rows * p.columns + column;
  var y = x;
  if (holds) {
    y += vec4f(out[i.x], out[i.y], out[i.z], out[i.w]) * fade;
  }
  y *= share;
  out[i.x] = y.x;
  out[i.y] = y.y;
  out[i.z] = y.z;
  out[i.w] = y.w;
}
