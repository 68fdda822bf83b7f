// Backward of w = act(x), elementwise:
//
//   RULE attnlrp, cplrp:  dx = act(x) / x * dw          RULE gradient:  dx = act'(x) * dw
//
// dw and dx may hold several gradients (targets of a pack), `shared_cells` cells each, that share x.
// Bindings: 0 Params, 1 x, 2 dw [targets, shape of x], 3 dx. One invocation a vec4; workgroup 64, folded over x and y.
#include activation

struct Params { cells: u32, width: u32, shared_cells: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dw: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  if (index >= p.cells * 16u) { return; }
  let own = x[index % (p.shared_cells * 16u)];
  #if RULE == gradient
  dx[index] = slope_of(own) * dw[index];
  #else
  dx[index] = gate_of(own) * dw[index];
  #end
}
