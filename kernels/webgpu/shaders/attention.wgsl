// Scaled dot-product attention; equals attention of kernels/reference.
//
// qkv [rows][3][heads][size] float32, out [rows][heads][size]. Scores never leave the workgroup.
//
// Workgroup x is a block of up to 32 queries that share their keys, from a table among the parameters,
// where blocks of no rows do nothing; y is the head, z a slab of 32 * chunks columns of the answer, each of which
// makes the scores anew. Its 8 × 8 invocations take tiles of 32 keys one after another, and columns of queries and
// keys in chunks of 32. Invocation (x, y) makes the scores of queries 4y to 4y+3 and keys x, x+8, x+16, x+24, then adds weighted
// values to columns x, x+8, x+16, x+24 of these queries. All know the running maximum of their
// queries; each sums the weights of its own keys, and the sums meet at the end.
const tile = 32u;
const stride = 33u; // so that columns and rows of a tile both spread over banks
const lowest = -3.4e38;

override chunks: u32 = 1; // 1 to 4

struct Params {
  columns: u32, // heads * size
  size: u32,
  scale: f32, // log2(e) / √size
  blocks: array<vec4<u32>, 128>, // first query's row, queries, first key's row, keys
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

var<workgroup> queries: array<f32, tile * stride>; // [column][query]
var<workgroup> answers: array<f32, tile * stride>; // keys [column][key], then values [key][column]
var<workgroup> weights: array<f32, tile * stride>; // [key][query]
var<workgroup> parts: array<vec4f, 64>; // [invocation], of its 4 queries

// element of a row of qkv, 0 where there is none.
fn element(row: u32, within: bool, part: u32, head: u32, column: u32) -> f32 {
  if (!within || column >= p.size) {
    return 0;
  }
  return qkv[(3 * row + part) * p.columns + head * p.size + column];
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let block = p.blocks[group.x];
  let head = group.y;
  let first = group.z * chunks * tile;
  let me = 8 * at.y + at.x;
  if (block.y == 0) {
    return;
  }

  var sums: array<mat4x4f, 4>; // of a chunk: a query's columns in each vector
  var peaks = vec4f(lowest);
  var totals = vec4f(0);
  for (var base = 0u; base < block.w; base += tile) {
    let keys = min(tile, block.w - base);

    var s0 = vec4f(0);
    var s1 = vec4f(0);
    var s2 = vec4f(0);
    var s3 = vec4f(0);
    for (var column = 0u; column < p.size; column += tile) {
      workgroupBarrier();
      for (var i = me; i < tile * tile; i += 64) {
        let c = i % tile;
        let r = i / tile;
        queries[c * stride + r] = element(block.x + r, r < block.y, 0, head, column + c);
        answers[c * stride + r] = element(block.z + base + r, r < keys, 1, head, column + c);
      }
      workgroupBarrier();
      let depth = min(tile, p.size - column);
      for (var c = 0u; c < depth; c++) {
        let q = c * stride + 4 * at.y;
        let a = c * stride + at.x;
        let k = vec4f(answers[a], answers[a + 8], answers[a + 16], answers[a + 24]);
        s0 += queries[q] * k;
        s1 += queries[q + 1] * k;
        s2 += queries[q + 2] * k;
        s3 += queries[q + 3] * k;
      }
    }
    let valid = vec4u(0, 8, 16, 24) + at.x < vec4u(keys);
    s0 = select(vec4f(lowest), s0 * p.scale, valid);
    s1 = select(vec4f(lowest), s1 * p.scale, valid);
    s2 = select(vec4f(lowest), s2 * p.scale, valid);
    s3 = select(vec4f(lowest), s3 * p.scale, valid);

    parts[me] = vec4f(largest(s0), largest(s1), largest(s2), largest(s3));
    workgroupBarrier();
    var now = peaks;
    for (var i = 0u; i < 8; i++) {
      now = max(now, parts[8 * at.y + i]);
    }
    let fade = exp2(peaks - now);
    peaks = now;
    s0 = select(vec4f(0), exp2(s0 - now.x), valid);
    s1 = select(vec4f(0), exp2(s1 - now.y), valid);
    s2 = select(vec4f(0), exp2(s2 - now.z), valid);
    s3 = select(vec4f(0), exp2(s3 - now.w), valid);
    totals = totals * fade + vec4f(dot(s0, vec4f(1)), dot(s1, vec4f(1)), dot(s2, vec4f(1)), dot(s3, vec4f(1)));
    for (var j = 0u; j < 4; j++) {
      let w = (8 * j + at.x) * stride + 4 * at.y;
      weights[w] = s0[j];
      weights[w + 1] = s1[j];
      weights[w + 2] = s2[j];
      weights[w + 3] = s3[j];
    }

    for (var chunk = 0u; chunk < chunks; chunk++) {
      if (chunk > 0) {
        workgroupBarrier();
      }
      let column = first + chunk * tile;
      for (var i = me; i < tile * tile; i += 64) {
        let c = i % tile;
        let r = i / tile;
        answers[r * stride + c] = element(block.z + base + r, r < keys, 2, head, column + c);
      }
      workgroupBarrier();
      var a0 = sums[chunk][0] * fade.x;
      var a1 = sums[chunk][1] * fade.y;
      var a2 = sums[chunk][2] * fade.z;
      var a3 = sums[chunk][3] * fade.w;
      for (var k = 0u; k < keys; k++) {
        let w = k * stride + 4 * at.y;
        let a = k * stride + at.x;
        let v = vec4f(answers[a], answers[a + 8], answers[a + 16], answers[a + 24]);
        a0 += weights[w] * v;
        a1 += weights[w + 1] * v;
        a2 += weights[w + 2] * v;
        a3 += weights[w + 3] * v;
      }
      sums[chunk] = mat4x4f(a0, a1, a2, a3);
    }
  }

  workgroupBarrier();
  parts[me] = totals;
  workgroupBarrier();
  var total = vec4f(0);
  for (var i = 0u; i < 8; i++) {
    total += parts[8 * at.y + i];
  }
  for (var i = 0u; i < 4; i++) {
    let row = 4 * at.y + i;
    if (row >= block.y) {
      break;
    }
    for (var chunk = 0u; chunk < chunks; chunk++) {
      for (var j = 0u; j < 4; j++) {
        let column = first + chunk * tile + 8 * j + at.x;
        if (column < p.size) {
          out[(block.x + row) * p.columns + head * p.size + column] = sums[chunk][i][j] / total[i];
        }
      }
    }
  }
}

fn largest(x: vec4f) -> f32 {
  return max(max(x.x, x.y), max(x.z, x.w));
}
