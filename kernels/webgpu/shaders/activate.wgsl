// A function of each element, in place; with activation.wgsl equals Activate of kernels/reference.
//
// matrix [rows][columns] float32. An invocation does one element; a workgroup 64 columns of 4 rows.
struct Params {
  rows: u32,
  columns: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> matrix: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) at: vec3u) {
  if (at.x >= p.columns || at.y >= p.rows) {
    return;
  }
  let i = at.y * p.columns + at.x;
  matrix[i] = activated(vec4f(matrix[i])).x;
}
