// Rows of quantize.wgsl that 16 lanes share, four a workgroup.
const lanes = 16u;
const rows = 4u;

var<workgroup> parts: array<vec2f, 64>;

// extremes is the lowest and the highest of what the lanes of a row found.
fn extremes(at: vec3u, mine: vec2f) -> vec2f {
  parts[lanes * at.y + at.x] = mine;
  workgroupBarrier();
  var range = mine;
  for (var i = 0u; i < lanes; i++) {
    let part = parts[lanes * at.y + i];
    range = vec2f(min(range.x, part.x), max(range.y, part.y));
  }
  return range;
}
