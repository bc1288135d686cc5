// Rows of normalize.wgsl that 16 lanes share, two a workgroup. What a lane has put into a row before they add up, the
// others may read.
const lanes = 16u;
const rows = 2u;

var<workgroup> parts: array<array<vec2f, lanes>, rows>;

fn added(at: vec3u, x: vec2f) -> vec2f {
  share(at, x);
  var sum = vec2f(0);
  for (var i = 0u; i < lanes; i++) {
    sum += parts[at.y][i];
  }
  return sum;
}

fn largest(at: vec3u, x: vec2f) -> vec2f {
  share(at, x);
  var most = x;
  for (var i = 0u; i < lanes; i++) {
    most = max(most, parts[at.y][i]);
  }
  return most;
}

fn share(at: vec3u, x: vec2f) {
  workgroupBarrier();
  parts[at.y][at.x] = x;
  storageBarrier();
  workgroupBarrier();
}
