// Bytes of a word as float32, for the dense layers that multiply those. They are had without shifting, as multiples of powers
// of 2: SwiftShader shifts one lane at a time.
const second = 0.00390625; // 2⁻⁸
const third = 0.0000152587890625;
const fourth = 0.000000059604644775390625;

// numbers is four of 7 bits.
fn numbers(word: u32) -> vec4f {
  return vec4f(bitcast<vec4<i32>>(vec4u(word) & vec4u(0x7f, 0x7f00, 0x7f0000, 0x7f000000))) * vec4f(1, second, third, fourth);
}
