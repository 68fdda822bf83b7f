// w = act(gate) * up, elementwise; gate and up lie side by side in x [rows, 2 * chunks].
// Bindings: 0 Params, 1 x, 2 w [rows, chunks]. One invocation a vec4; workgroup 64, folded over x and y.
#include activation

struct Params { chunks: u32, cells: u32, width: u32 } // cells: of w (16 rows x 4 columns)
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> w: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  let cell = index / 16u;
  if (cell >= p.cells) { return; }
  let gate_at = ((cell / p.chunks) * 2u * p.chunks + cell % p.chunks) * 16u + index % 16u;
  w[index] = act_of(x[gate_at]) * x[gate_at + p.chunks * 16u];
}
