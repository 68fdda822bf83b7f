// y[row, column] += bias[column], elementwise.
// Bindings: 0 Params, 1 bias [columns], 2 y [rows, columns]. One invocation a vec4; workgroup 64, folded over x and y.
struct Params { chunks: u32, cells: u32, width: u32 } // cells: of y (16 rows x 4 columns)
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> bias: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  let cell = index / 16u;
  if (cell >= p.cells) { return; }
  y[index] += bias[cell % p.chunks];
}
