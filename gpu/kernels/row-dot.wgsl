// out[row] = sum over columns a * b: the relevance <h, g> of each row.
// b may hold several gradients (targets of a pack), `panels` panels each, that share a.
// Bindings: 0 Params, 1 a [rows, columns], 2 b [targets, rows, columns], 3 out [targets, rows], written from `start` on.
#include rows

struct Params { chunks: u32, start: u32, panels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let start = group.x * p.chunks * 16u + index % 16u;
  let a_start = (group.x % p.panels) * p.chunks * 16u + index % 16u;
  var sum = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    sum += dot(a[a_start + chunk * 16u], b[start + chunk * 16u]);
  }
  sum = row_sum(sum, index);
  if (index < 16u) { out[p.start + group.x * 16u + index] = sum; }
}
