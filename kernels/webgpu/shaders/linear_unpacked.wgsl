// Multiplies where WGSL has no packed dots, or none that are quick: in float32 (bytes.wgsl), which is exact up to 2²⁴, and adds up
// every 1024 products (of at most 127 * 127) in int32.
//
// Of 16 × 4 invocations each makes 8 rows × 8 outputs in registers, so that a number unpacked serves
// eight times. Weights come straight from memory: 8 outputs of 4 inputs lie together.
const tile_rows = 32u;
const invocations = 64u;
const exact = 64u; // vectors of 16

@group(0) @binding(3) var<storage, read_write> weights: array<vec4u>;

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let tile = tile_rows * group.y;
  if (tile >= p.rows) {
    return;
  }
  prepare(tile, 16 * at.y + at.x);
  let panel = 16 * group.x + at.x;
  let row = 8 * at.y;
  if (8 * panel >= p.outputs || tile + row >= p.rows) {
    return;
  }

  var total: array<vec4i, 16>; // [row][half of the outputs]
  for (var begin = 0u; begin < p.vectors; begin += exact) {
    // Rows in columns, outputs in rows: two by two of 4 × 4.
    var s00 = mat4x4f();
    var s01 = mat4x4f();
    var s10 = mat4x4f();
    var s11 = mat4x4f();
    for (var v = begin; v < min(begin + exact, p.vectors); v++) {
      let a = vector(tile, row, v);
      let b = vector(tile, row + 1, v);
      let c = vector(tile, row + 2, v);
      let d = vector(tile, row + 3, v);
      let e = vector(tile, row + 4, v);
      let f = vector(tile, row + 5, v);
      let g = vector(tile, row + 6, v);
      let h = vector(tile, row + 7, v);
      let w = 8 * (panel * p.vectors + v);
      {
        let x0 = rows(vec4u(a.x, b.x, c.x, d.x));
        let x1 = rows(vec4u(e.x, f.x, g.x, h.x));
        let w0 = outputs(weights[w]);
        let w1 = outputs(weights[w + 1]);
        s00 += w0 * x0;
        s01 += w1 * x0;
        s10 += w0 * x1;
        s11 += w1 * x1;
      }
      {
        let x0 = rows(vec4u(a.y, b.y, c.y, d.y));
        let x1 = rows(vec4u(e.y, f.y, g.y, h.y));
        let w0 = outputs(weights[w + 2]);
        let w1 = outputs(weights[w + 3]);
        s00 += w0 * x0;
        s01 += w1 * x0;
        s10 += w0 * x1;
        s11 += w1 * x1;
      }
      {
        let x0 = rows(vec4u(a.z, b.z, c.z, d.z));
        let x1 = rows(vec4u(e.z, f.z, g.z, h.z));
        let w0 = outputs(weights[w + 4]);
        let w1 = outputs(weights[w + 5]);
        s00 += w0 * x0;
        s01 += w1 * x0;
        s10 += w0 * x1;
        s11 += w1 * x1;
      }
      {
        let x0 = rows(vec4u(a.w, b.w, c.w, d.w));
        let x1 = rows(vec4u(e.w, f.w, g.w, h.w));
        let w0 = outputs(weights[w + 6]);
        let w1 = outputs(weights[w + 7]);
        s00 += w0 * x0;
        s01 += w1 * x0;
        s10 += w0 * x1;
        s11 += w1 * x1;
      }
    }
    total[0] += vec4i(s00[0]);
    total[1] += vec4i(s01[0]);
    total[2] += vec4i(s00[1]);
    total[3] += vec4i(s01[1]);
    total[4] += vec4i(s00[2]);
    total[5] += vec4i(s01[2]);
    total[6] += vec4i(s00[3]);
    total[7] += vec4i(s01[3]);
    total[8] += vec4i(s10[0]);
    total[9] += vec4i(s11[0]);
    total[10] += vec4i(s10[1]);
    total[11] += vec4i(s11[1]);
    total[12] += vec4i(s10[2]);
    total[13] += vec4i(s11[2]);
    total[14] += vec4i(s10[3]);
    total[15] += vec4i(s11[3]);
  }
  for (var i = 0u; i < 8; i++) {
    let s = scale_of(tile, row + i);
    put(tile + row + i, 2 * panel, s, total[2 * i]);
    put(tile + row + i, 2 * panel + 1, s, total[2 * i + 1]);
  }
}

// rows is a word of four rows: column r has the four numbers of row r.
fn rows(words: vec4u) -> mat4x4f {
  return mat4x4f(numbers(words.x), numbers(words.y), numbers(words.z), numbers(words.w));
}

// outputs is a word of four outputs: column k has the weights of input k. Those below the sign
// are made positive by adding 128.
fn outputs(words: vec4u) -> mat4x4f {
  let up = words ^ vec4u(0x808080);
  return mat4x4f(
    vec4f(bitcast<vec4<i32>>(up & vec4u(0xff))) - 128,
    vec4f(bitcast<vec4<i32>>(up & vec4u(0xff00))) * second - 128,
    vec4f(bitcast<vec4<i32>>(up & vec4u(0xff0000))) * third - 128,
    vec4f(bitcast<vec4<i32>>(words & vec4u(0xff000000))) * fourth,
  );
}
