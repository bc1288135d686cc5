// The input of a dense layer quantized at once, into memory of the workgroup; with quantization.wgsl equals quantize of
// kernels/reference, and saves a pass over it. Every workgroup along a tile of rows does it again.
//
// matrix [rows][inputs] and multiplier [inputs], float32. The invocations share each row: every lane takes
// 16 columns in turn.
override multiplied: u32 = 0;

const most_vectors = 768u / tile_rows; // of a row: 12 KiB in all
const lanes = invocations / tile_rows;

@group(0) @binding(1) var<storage, read_write> matrix: array<f32>;
@group(0) @binding(2) var<storage, read_write> multiplier: array<f32>;

var<workgroup> kept: array<vec4u, tile_rows * most_vectors>; // [row][vector]
var<workgroup> parts: array<vec2f, invocations>; // lowest and highest of a lane's columns

// prepare is for all invocations of a workgroup, me being the number of this one.
fn prepare(tile: u32, me: u32) {
  let row = me / lanes;
  let lane = me % lanes;
  let start = min(tile + row, p.rows - 1) * p.inputs;
  var range = vec2f(0);
  for (var v = lane; v < p.vectors; v += lanes) {
    for (var c = 16 * v; c < min(16 * v + 16, p.inputs); c++) {
      let x = element(start, c);
      range = vec2f(min(range.x, x), max(range.y, x));
    }
  }
  parts[me] = range;
  workgroupBarrier();
  let g = grid_of(row);
  for (var v = lane; v < p.vectors; v += lanes) {
    let c = 16 * v;
    kept[row * most_vectors + v] = vec4u(word(start, c, g), word(start, c + 4, g), word(start, c + 8, g), word(start, c + 12, g));
  }
  workgroupBarrier();
}

// word is four numbers of the row that starts there, from column c on.
fn word(start: u32, c: u32, g: Grid) -> u32 {
  var w = 0u;
  for (var i = 0u; i < 4 && c + i < p.inputs; i++) {
    w |= quantized(element(start, c + i), g) << (8 * i);
  }
  return w;
}

fn element(start: u32, c: u32) -> f32 {
  if (multiplied == 1) {
    return matrix[start + c] * multiplier[c];
  }
  return matrix[start + c];
}

fn grid_of(row: u32) -> Grid {
  var range = vec2f(0);
  for (var i = 0u; i < lanes; i++) {
    let part = parts[row * lanes + i];
    range = vec2f(min(range.x, part.x), max(range.y, part.y));
  }
  return grid(range.x, range.y);
}

// vector is 16 numbers of a row of the tile; rows behind the last repeat it.
fn vector(tile: u32, row: u32, i: u32) -> vec4u {
  return kept[row * most_vectors + i];
}

fn scale_of(tile: u32, row: u32) -> Scale {
  let g = grid_of(row);
  return Scale(g.scale, g.zero);
}
