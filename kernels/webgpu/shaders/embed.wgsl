// Rows of one or two tables, added up; with layer norm behind it equals embed of kernels/reference.
//
// out [rows][columns] float32; ids int32 [rows]; values [..][columns] int8, four to a word, or float32; scales
// float32 [..], of int8 alone. What is bound of values may be a part of them, so many elements from one on: others count for 0.
//
// An invocation makes one element; a workgroup 64 columns of 4 rows.
const is_int8 = 0u;
const is_float = 1u;
const is_absent = 2u;

override first: u32 = 0;
override second: u32 = 2;
override onto: u32 = 0; // 1: adds to what out holds

struct Params {
  rows: u32,
  columns: u32,
  first_begin: u32,
  first_count: u32,
  second_begin: u32,
  second_count: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read_write> first_ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> first_values: array<u32>;
@group(0) @binding(4) var<storage, read_write> first_scales: array<f32>;
@group(0) @binding(5) var<storage, read_write> second_ids: array<u32>;
@group(0) @binding(6) var<storage, read_write> second_values: array<u32>;
@group(0) @binding(7) var<storage, read_write> second_scales: array<f32>;

@compute @workgroup_size(64, 4)
fn main(@builtin(global_invocation_id) at: vec3u) {
  let row = at.y;
  if (at.x >= p.columns || row >= p.rows) {
    return;
  }
  var sum = 0.0;
  if (onto == 1) {
    sum = out[row * p.columns + at.x];
  }
  // Before the first element of a part, these wrap to large numbers.
  let one = first_ids[row] * p.columns + at.x - p.first_begin;
  if (one < p.first_count) {
    if (first == is_int8) {
      sum += first_scales[first_ids[row]] * byte(first_values[one / 4], one % 4);
    } else {
      sum += bitcast<f32>(first_values[one]);
    }
  }
  if (second != is_absent) {
    let two = second_ids[row] * p.columns + at.x - p.second_begin;
    if (two < p.second_count) {
      if (second == is_int8) {
        sum += second_scales[second_ids[row]] * byte(second_values[two / 4], two % 4);
      } else {
        sum += bitcast<f32>(second_values[two]);
      }
    }
  }
  out[row * p.columns + at.x] = sum;
}

// byte is the i-th int8 of a word.
fn byte(word: u32, i: u32) -> f32 {
  return f32(extractBits(bitcast<i32>(word), 8 * i, 8));
}
