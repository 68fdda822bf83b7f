// r = 1 / sqrt(mean(x^2) + epsilon) over segments of a row: each head of q and k, or the whole of q and the whole of k.
// Bindings: 0 Params, 1 x [rows, q | k | v], 2 r [segments, rows]. One invocation a row and segment: workgroup 16 rows x 4.
#include segments

struct Params { segments: Segments, chunks: u32, rows: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> r: array<f32>;

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let segment = group.y * 4u + id.y;
  if (segment >= p.segments.count) { return; }
  let chunks = segment_chunks(p.segments, segment);
  let start = (group.x * p.chunks + segment_start(p.segments, segment)) * 16u + id.x;
  var squares = 0.0;
  for (var chunk = 0u; chunk < chunks; chunk++) {
    let v = x[start + chunk * 16u];
    squares += dot(v, v);
  }
  r[segment * p.rows + group.x * 16u + id.x] = inverseSqrt(squares / f32(chunks * 4u) + p.epsilon);
}
