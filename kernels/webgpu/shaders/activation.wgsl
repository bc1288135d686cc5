// The activations of kernels.Activation, of four elements; equals Activate of kernels/reference. A part of shaders that apply one.

override activation: u32 = 0;

fn activated(x: vec4f) -> vec4f {
  switch activation {
    case 1: {
      return gelu(x);
    }
    case 2: {
      return gelu_tanh(x);
    }
    case 3: {
      return max(x, vec4f(0));
    }
    case 4: {
      return tanh_near(x);
    }
    default: {
      return x;
    }
  }
}

// GELU is max(x, 0) - a/P(a)⁸ with a = |x|; kernels/simd/emit/activation.go has where the polynomials come from.
fn gelu(x: vec4f) -> vec4f {
  let a = min(abs(x), vec4f(9));
  var y = vec4f(2.969183e-06);
  y = y * a - 1.56843e-05;
  y = y * a + 9.5032054e-05;
  y = y * a + 0.00014631927;
  y = y * a + 0.0010416612;
  y = y * a + 0.00938298;
  y = y * a + 0.048841864;
  y = y * a + 0.10875762;
  y = y * a + 1.090508;
  return max(x, vec4f(0)) - abs(x) / eighth(y);
}

fn gelu_tanh(x: vec4f) -> vec4f {
  let a = min(abs(x), vec4f(9));
  var y = vec4f(2.9254e-06);
  y = y * a - 2.797628e-05;
  y = y * a + 0.00013433969;
  y = y * a - 0.00021165953;
  y = y * a + 0.00059051707;
  y = y * a + 0.0005594744;
  y = y * a + 0.009511942;
  y = y * a + 0.04877463;
  y = y * a + 0.108767636;
  y = y * a + 1.0905075;
  return max(x, vec4f(0)) - abs(x) / eighth(y);
}

fn eighth(y: vec4f) -> vec4f {
  let two = y * y;
  let four = two * two;
  return four * four;
}

// tanh_near is x*N(x²)/D(x²) to within 4e-7 of tanh; what WGSL has may be 1e-5 off.
fn tanh_near(x: vec4f) -> vec4f {
  let v = clamp(x, vec4f(-8.4), vec4f(8.4));
  let t = v * v;
  let over = (((1.4457814e-08 * t + 2.1379747e-05) * t + 0.0035416158) * t + 0.13419579) * t + 1;
  let under = (((8.219946e-07 * t + 0.00033614246) * t + 0.026051434) * t + 0.46752903) * t + 1;
  return clamp(v * over / under, vec4f(-1), vec4f(1));
}
