// dx = (1 - tanh(x / cap)^2) * dx, elementwise and in place.
// dx may hold several gradients (targets of a pack), `shared_cells` cells each, that share x.
// Bindings: 0 Params, 1 x, 2 dx [targets, shape of x]. One invocation a vec4; workgroup 64, folded over x and y.
struct Params { cells: u32, width: u32, cap: f32, shared_cells: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  if (index >= p.cells * 16u) { return; }
  let t = tanh(clamp(x[index % (p.shared_cells * 16u)] / p.cap, vec4f(-10), vec4f(10)));
  dx[index] *= 1.0 - t * t;
}
