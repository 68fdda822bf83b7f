// Adds to the diagonal of a block of edges what reaches a target from its own row other than through its value and key:
//
//   A[t, t] += <x_t, g1_t>  (the residual that skips attention)  + RULE attnlrp: 1/4 sum_heads sum_s dS_ts S_ts  (its query)
//
// Bindings: 0 Params, 1 A [block rows, keys], 2 residual [rows], and for attnlrp 3 dS, 4 S. One workgroup a panel of rows.
#include rows

struct Params { chunks: u32, panels: u32, heads: u32, first_query: u32, queries: u32, first_key: u32, first_row: u32, unscale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> edges: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<f32>;
#if RULE == attnlrp
@group(0) @binding(3) var<storage, read> score_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read> scores: array<vec4f>;
#end

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = index % 16u;
  var sum = 0.0;
  #if RULE == attnlrp
  for (var head = 0u; head < p.heads; head++) {
    let start = (head * p.panels + group.x) * p.chunks * 16u + row;
    for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
      sum += dot(score_gradient[start + chunk * 16u], scores[start + chunk * 16u]);
    }
  }
  sum = 0.25 * p.unscale * row_sum(sum, index);
  #end
  let query = group.x * 16u + row;
  if (index < 16u && query < p.queries) {
    let token = p.first_query + query;
    let key = token - p.first_key;
    edges[((group.x * p.chunks + key / 4u) * 16u + row) * 4u + key % 4u] += sum + residual[p.first_row + token];
  }
}
