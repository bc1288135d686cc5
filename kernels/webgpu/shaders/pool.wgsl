// One vector of each sequence, the mean of some of its rows (of one: that row); equals pool of kernels/reference.
//
// in [rows][columns], out [sequences][columns], float32.
//
// Workgroup (x, y) makes columns 64x to 64x+63 of sequence y of the table, an invocation each. It adds rows
// up in runs of 32, so that long sums lose no more than short ones.
struct Params {
  columns: u32,
  first: u32, // the first sequence's row of out
  sequences: array<vec4<u32>, 64>, // first row, rows
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> in: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(global_invocation_id) at: vec3u) {
  let sequence = p.sequences[group.y];
  if (at.x >= p.columns) {
    return;
  }
  var total = 0.0;
  for (var begin = 0u; begin < sequence.y; begin += 32) {
    var sum = 0.0;
    for (var r = begin; r < min(begin + 32, sequence.y); r++) {
      sum += in[(sequence.x + r) * p.columns + at.x];
    }
    total += sum;
  }
  out[(p.first + group.y) * p.columns + at.x] = total / f32(sequence.y);
}
