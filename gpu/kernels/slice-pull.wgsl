// What the true gradient of a norm has besides r * w * dy, over slices of a row:
//
//   dx -= x * r^2 / columns * sum(x * dx),     dx = factor * r * w * dy before
//
// dx may hold several gradients (targets of a pack), `panels` panels each, that share x and r.
// Bindings: 0 Params, 1 x [rows, q | k | v], 2 r [slices, state_rows], 3 dx [targets, rows, q | k | v].
// One invocation a row and slice: workgroup 16 rows x 4.
#include slices

struct Params { slices: Slices, chunks: u32, state_rows: u32, panels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> r: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let slice = group.y * 4u + id.y;
  if (slice >= p.slices.count) { return; }
  let panel = group.x % p.panels;
  let chunks = slice_chunks(p.slices, slice);
  let start = slice_start(p.slices, slice);
  let x_at = (panel * p.chunks + start) * 16u + id.x;
  let dx_at = (group.x * p.chunks + start) * 16u + id.x;
  let scale = r[slice * p.state_rows + panel * 16u + id.x];
  var inner = 0.0;
  for (var chunk = 0u; chunk < chunks; chunk++) { inner += dot(x[x_at + chunk * 16u], dx[dx_at + chunk * 16u]); }
  let pull = inner * scale * scale / slice_columns(p.slices, slice);
  for (var chunk = 0u; chunk < chunks; chunk++) { dx[dx_at + chunk * 16u] -= pull * x[x_at + chunk * 16u]; }
}
