// Rows of quantize.wgsl that one lane has alone, four a workgroup, for GPUs in software: to meet costs more there
// than the work.
const lanes = 1u;
const rows = 4u;

fn extremes(at: vec3u, mine: vec2f) -> vec2f {
  return mine;
}
