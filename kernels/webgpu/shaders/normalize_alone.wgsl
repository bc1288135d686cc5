// Rows of normalize.wgsl that one lane has alone, four a workgroup, for GPUs in software: to meet costs more there than
// the work.
const lanes = 1u;
const rows = 4u;

fn added(at: vec3u, x: vec2f) -> vec2f {
  return x;
}

fn largest(at: vec3u, x: vec2f) -> vec2f {
  return x;
}
