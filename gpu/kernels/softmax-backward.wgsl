// ds = factor * probability * (dp - sum over keys (probability * dp)), for a block of scores.
// Hidden pairs have probability 0, so their ds is 0. Several targets of a pack share the probabilities.
// Bindings: 0 Params, 1 probability [heads, block rows, block keys], 2 dp [targets, heads, block rows, block keys],
// 3 ds (shape of dp). One workgroup a panel (x) and head of a target (y).
#include rows

struct Params { chunks: u32, panels: u32, factor: f32, heads: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> probability: array<vec4f>;
@group(0) @binding(2) var<storage, read> dp: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> ds: array<vec4f>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let start = (group.y * p.panels + group.x) * p.chunks * 16u + index % 16u;
  let p_start = ((group.y % p.heads) * p.panels + group.x) * p.chunks * 16u + index % 16u;
  var inner = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    inner += dot(probability[p_start + chunk * 16u], dp[start + chunk * 16u]);
  }
  inner = row_sum(inner, index);
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let at = start + chunk * 16u;
    ds[at] = p.factor * probability[p_start + chunk * 16u] * (dp[at] - inner);
  }
}
