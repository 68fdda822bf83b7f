// Activation ACT (silu, gelu-tanh, gelu-erf): act(x), its gate act(x) / x, and its slope.
#if ACT == silu
fn act_of(x: vec4f) -> vec4f { return x / (1.0 + exp(-x)); }
fn gate_of(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(-x)); }
fn slope_of(x: vec4f) -> vec4f {
  let sigmoid = gate_of(x);
  return sigmoid * (1.0 + x * (1.0 - sigmoid));
}
#end
#if ACT == gelu_tanh
// x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3); past 10, where tanh is 1 in f32, some drivers' is no number.
fn inner_tanh(x: vec4f) -> vec4f {
  return tanh(clamp(0.7978845608028654 * (x + 0.044715 * x * x * x), vec4f(-10), vec4f(10)));
}
fn gate_of(x: vec4f) -> vec4f { return 0.5 * (1.0 + inner_tanh(x)); }
fn act_of(x: vec4f) -> vec4f { return x * gate_of(x); }
fn slope_of(x: vec4f) -> vec4f {
  let t = inner_tanh(x);
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * x * x);
}
#end
#if ACT == gelu_erf
// x Phi(x), Phi the normal distribution: half of erfc(-x / sqrt(2)), whose Chebyshev approximation is that of Numerical
// Recipes (erfcc), of fractional error below 1.2e-7 everywhere.
fn upper_tail(z: vec4f) -> vec4f { // erfc(z) for z >= 0
  let t = 1.0 / (1.0 + 0.5 * z);
  let tail = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807 +
    t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  return t * exp(tail - z * z);
}
fn gate_of(x: vec4f) -> vec4f {
  let half_tail = 0.5 * upper_tail(abs(x) * 0.7071067811865476);
  return select(half_tail, 1.0 - half_tail, x > vec4f(0));
}
fn act_of(x: vec4f) -> vec4f { return x * gate_of(x); }
fn slope_of(x: vec4f) -> vec4f { return gate_of(x) + x * 0.3989422804014327 * exp(-0.5 * x * x); }
#end
