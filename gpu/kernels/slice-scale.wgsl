// r = 1 / sqrt(mean(x^2) + epsilon) over slices of a row: each head of q and k, or the whole of q and the whole of k.
// Bindings: 0 Params, 1 x [rows, q | k | v], 2 r [slices, rows]. One invocation a row and slice: workgroup 16 rows x 4.
#include slices

struct Params { slices: Slices, chunks: u32, rows: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> r: array<f32>;

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let slice = group.y * 4u + id.y;
  if (slice >= p.slices.count) { return; }
  let chunks = slice_chunks(p.slices, slice);
  let start = (group.x * p.chunks + slice_start(p.slices, slice)) * 16u + id.x;
  var squares = 0.0;
  for (var chunk = 0u; chunk < chunks; chunk++) {
    let v = x[start + chunk * 16u];
    squares += dot(v, v);
  }
  r[slice * p.rows + group.x * 16u + id.x] = inverseSqrt(squares / slice_columns(p.slices, slice) + p.epsilon);
}
