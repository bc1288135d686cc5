// Multiplies where WGSL has no packed dots, or none that are quick, but lanes can be read four by four: in float32 (bytes.wgsl),
// which is exact up to 2²⁴, and adds up every 1024 products (of at most 127 * 127) in int32.
//
// values [rows][depth / 4], four 7-bit numbers to a word; scales [rows], float32 scale and zero point.
//
// Of 4 invocations, which are to be a quad, each makes 8 rows × 8 outputs in registers. Its rows are its
// own; the weights of the outputs, which all four need, each lane brings for one output of four.
enable subgroups;

const exact = 256u; // words of 4

@group(0) @binding(1) var<storage, read_write> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> weights: array<u32>;

@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) me: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = 32 * group.y + 8 * me;
  let words = 4 * p.vectors;
  let mine = 8 * group.x * words + (lane & 3);
  let x0 = start(row, words);
  let x1 = start(row + 1, words);
  let x2 = start(row + 2, words);
  let x3 = start(row + 3, words);
  let x4 = start(row + 4, words);
  let x5 = start(row + 5, words);
  let x6 = start(row + 6, words);
  let x7 = start(row + 7, words);

  var total: array<vec4i, 16>; // [row][half of the outputs]
  for (var begin = 0u; begin < words; begin += exact) {
    // Outputs in rows, rows in columns: two by two of 4 × 4.
    var s00 = mat4x4f();
    var s01 = mat4x4f();
    var s10 = mat4x4f();
    var s11 = mat4x4f();
    for (var w = begin; w < min(begin + exact, words); w++) {
      // Everything is fetched before it is used: SwiftShader's fetches are long chains.
      let u = weights[mine + 8 * w];
      let v = weights[mine + 8 * w + 4];
      let a = values[x0 + w];
      let b = values[x1 + w];
      let c = values[x2 + w];
      let d = values[x3 + w];
      let e = values[x4 + w];
      let f = values[x5 + w];
      let g = values[x6 + w];
      let h = values[x7 + w];
      let w0 = outputs(u);
      let w1 = outputs(v);
      let i0 = mat4x4f(numbers(a), numbers(b), numbers(c), numbers(d));
      let i1 = mat4x4f(numbers(e), numbers(f), numbers(g), numbers(h));
      s00 += w0 * i0;
      s01 += w0 * i1;
      s10 += w1 * i0;
      s11 += w1 * i1;
    }
    total[0] += vec4i(s00[0]);
    total[1] += vec4i(s10[0]);
    total[2] += vec4i(s00[1]);
    total[3] += vec4i(s10[1]);
    total[4] += vec4i(s00[2]);
    total[5] += vec4i(s10[2]);
    total[6] += vec4i(s00[3]);
    total[7] += vec4i(s10[3]);
    total[8] += vec4i(s01[0]);
    total[9] += vec4i(s11[0]);
    total[10] += vec4i(s01[1]);
    total[11] += vec4i(s11[1]);
    total[12] += vec4i(s01[2]);
    total[13] += vec4i(s11[2]);
    total[14] += vec4i(s01[3]);
    total[15] += vec4i(s11[3]);
  }
  for (var i = 0u; i < 16; i++) {
    let at = row + i / 2;
    let s = scales[min(at, p.rows - 1)];
    put(at, 2 * group.x + i % 2, Scale(bitcast<f32>(s.x), bitcast<i32>(s.y)), total[i]);
  }
}

// start is where a row begins; rows behind the last repeat it.
fn start(row: u32, words: u32) -> u32 {
  return min(row, p.rows - 1) * words;
}

// outputs is the weights of four outputs, of which this lane has a word: column k has those of input k. What is below
// the sign is made positive by adding 128.
fn outputs(word: u32) -> mat4x4f {
  let up = vec4u(word ^ 0x808080) & vec4u(0xff, 0xff00, 0xff0000, 0xff000000);
  let mine = vec4f(bitcast<vec4i>(up)) * vec4f(1, second, third, fourth) - vec4f(128, 128, 128, 0);
  return transpose(mat4x4f(quadBroadcast(mine, 0), quadBroadcast(mine, 1), quadBroadcast(mine, 2), quadBroadcast(mine, 3)));
}
