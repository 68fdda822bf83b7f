// x[target, row] *= scale[row], elementwise.
// Bindings: 0 Params, 1 scale [rows], 2 x [targets, rows, columns], `panels` panels of a target.
// One invocation a vec4; workgroup 64, folded over x and y.
struct Params { chunks: u32, cells: u32, width: u32, panels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  let cell = index / 16u;
  if (cell >= p.cells) { return; }
  x[index] *= scale[((cell / p.chunks) % p.panels) * 16u + index % 16u];
}
