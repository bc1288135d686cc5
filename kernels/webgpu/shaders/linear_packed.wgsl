// Multiplies by packed dots, four products an instruction.
//
// Of 16 × 4 invocations each makes 4 rows × 4 outputs in registers. Weights of 32 inputs at a time are brought to
// the workgroup's memory; a row's numbers, which 16 invocations read at once, come straight from where they are.
requires packed_4x8_integer_dot_product;

const tile_rows = 16u;
const tile_outputs = 64u;
const invocations = 64u;
const words = 8u; // of 4 inputs, brought at a time

@group(0) @binding(3) var<storage, read_write> weights: array<vec4u>;

var<workgroup> brought: array<vec4u, words * tile_outputs / 4>; // [word][output / 4]

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let tile = tile_rows * group.y;
  if (tile >= p.rows) {
    return;
  }
  let me = 16 * at.y + at.x;
  prepare(tile, me);
  let row = 4 * at.y;
  let n = tile_outputs / 4 * group.x + at.x;

  var s0 = vec4i();
  var s1 = vec4i();
  var s2 = vec4i();
  var s3 = vec4i();
  for (var begin = 0u; begin < p.vectors; begin += words / 4) {
    for (var i = me; i < words * tile_outputs / 4; i += invocations) {
      // i is [panel][word][half of the panel], as the weights are.
      brought[i / 2 % words * (tile_outputs / 4) + i / (2 * words) * 2 + i % 2] = weight(tile_outputs / 8 * group.x + i / (2 * words), 4 * begin + i / 2 % words, i % 2);
    }
    workgroupBarrier();
    for (var v = 0u; v < words / 4; v++) {
      let last = min(begin + v, p.vectors - 1); // behind the last, weights are 0
      let a = vector(tile, row, last);
      let b = vector(tile, row + 1, last);
      let c = vector(tile, row + 2, last);
      let d = vector(tile, row + 3, last);
      for (var k = 0u; k < 4; k++) {
        let w = brought[(4 * v + k) * (tile_outputs / 4) + at.x];
        s0 += dots(a[k], w);
        s1 += dots(b[k], w);
        s2 += dots(c[k], w);
        s3 += dots(d[k], w);
      }
    }
    workgroupBarrier();
  }
  put(tile + row, n, scale_of(tile, row), s0);
  put(tile + row + 1, n, scale_of(tile, row + 1), s1);
  put(tile + row + 2, n, scale_of(tile, row + 2), s2);
  put(tile + row + 3, n, scale_of(tile, row + 3), s3);
}

// weight is half a panel's weights of four inputs, 0 where there are none.
fn weight(panel: u32, word: u32, half: u32) -> vec4u {
  if (8 * panel >= p.outputs || word >= 4 * p.vectors) {
    return vec4u();
  }
  return weights[(panel * 4 * p.vectors + word) * 2 + half];
}

fn dots(a: u32, w: vec4u) -> vec4i {
  return vec4i(dot4I8Packed(a, w.x), dot4I8Packed(a, w.y), dot4I8Packed(a, w.z), dot4I8Packed(a, w.w));
}
