// w = act(x), elementwise.
// Bindings: 0 Params, 1 x, 2 w. One invocation a vec4; workgroup 64, folded over x and y.
#include activation

struct Params { cells: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> w: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  if (index >= p.cells * 16u) { return; }
  w[index] = act_of(x[index]);
}
