// The input of a dense layer as it was quantized before: values [rows][depth / 4], four 7-bit numbers to a word;
// scales [rows], float32 scale and zero point.
@group(0) @binding(1) var<storage, read_write> values: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> scales: array<vec2u>;

fn prepare(tile: u32, me: u32) {}

// vector is 16 numbers of a row of the tile; rows behind the last repeat it.
fn vector(tile: u32, row: u32, i: u32) -> vec4u {
  return values[min(tile + row, p.rows - 1) * p.vectors + i];
}

fn scale_of(tile: u32, row: u32) -> Scale {
  let s = scales[min(tile + row, p.rows - 1)];
  return Scale(bitcast<f32>(s.x), bitcast<i32>(s.y));
}
