// x = cap * tanh(x / cap), elementwise and in place.
// Bindings: 0 Params, 1 x. One invocation a vec4; workgroup 64, folded over x and y.
struct Params { cells: u32, width: u32, cap: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> x: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  if (index >= p.cells * 16u) { return; }
  // Past 10, where tanh is 1 in f32, some drivers' tanh is not a number.
  x[index] = p.cap * tanh(clamp(x[index] / p.cap, vec4f(-10), vec4f(10)));
}
