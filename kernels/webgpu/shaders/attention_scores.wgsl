// Scores in registers, for the shaders of attention that have no memory of a workgroup: a vector is 4 queries, a matrix 4
// queries of 4 keys.

fn outer(x: vec4f, y: vec4f) -> mat4x4f {
  return mat4x4f(x * y.x, x * y.y, x * y.z, x * y.w);
}

fn largest(s: mat4x4f) -> vec4f {
  return max(max(s[0], s[1]), max(s[2], s[3]));
}

fn weights(s: mat4x4f, peak: vec4f) -> mat4x4f {
  return mat4x4f(exp2(s[0] - peak), exp2(s[1] - peak), exp2(s[2] - peak), exp2(s[3] - peak));
}
