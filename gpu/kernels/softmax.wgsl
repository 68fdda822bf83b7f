// Softmax over the visible keys of each query, in place on a block of scores [heads, block rows, block keys].
//
// Queries and keys are numbered from the start of their sequence; the block starts at query `first_query` and key
// `first_key`. A query sees itself and the `window` - 1 keys before it; other scores become 0, and so do rows past the
// last of `queries`. With BIAS, a number for each key is added to all scores toward it first; a row all of whose
// scores are as low as a hidden key's (softmax.ts) becomes 0.
// Bindings: 0 Params, 1 scores, with BIAS 2 bias [rows of the pass], from whose vec4 `bias_start` on the block's keys
// lie. One workgroup a panel (x) and head (y).
#include rows

struct Params {
  chunks: u32, panels: u32, first_query: u32, queries: u32, first_key: u32, window: u32, bias_start: u32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> scores: array<vec4f>;
#if BIAS == yes
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
#end

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = index % 16u;
  // Keys [low, high) of the block are seen; high <= low where the row is padding.
  let query = p.first_query + group.x * 16u + row;
  let high = select(0u, query + 1u - p.first_key, group.x * 16u + row < p.queries);
  let low = max(query + 1u, p.first_key + p.window) - p.first_key - p.window;
  let start = (group.y * p.panels + group.x) * p.chunks * 16u + row;
  var most = -3.0e38;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let keys = vec4u(chunk * 4u) + vec4u(0u, 1u, 2u, 3u);
    let seen = (keys >= vec4u(low)) & (keys < vec4u(high));
#if BIAS == yes
    scores[start + chunk * 16u] += bias[p.bias_start + chunk];
#end
    let v = select(vec4f(-3.0e38), scores[start + chunk * 16u], seen);
    most = max(most, max(max(v.x, v.y), max(v.z, v.w)));
  }
  most = row_max(most, index);
  var total = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let keys = vec4u(chunk * 4u) + vec4u(0u, 1u, 2u, 3u);
    let seen = (keys >= vec4u(low)) & (keys < vec4u(high));
    let at = start + chunk * 16u;
    // The argument is clamped before exp: a hidden pair's score may be far above the largest visible one.
    let e = select(vec4f(0), exp(min(scores[at] - most, vec4f(0))), seen);
    total += e.x + e.y + e.z + e.w;
    scores[at] = e;
  }
  total = row_sum(total, index);
  let scale = select(0.0, 1.0 / total, total > 0.0 && most > -1.0e29);
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) { scores[start + chunk * 16u] *= scale; }
}
