// The terms of chosen edges head by head (docs/method.md section 3):
//
//   RULE attnlrp:  ov = 1/2 P_ts dP_ts,  qk = 1/4 dS_ts S_ts          RULE cplrp:  ov = P_ts dP_ts,  qk = 0
//
// Bindings: 0 Params, 1 pairs [count, (target, source)] in the sequence, 2 P, 3 dP,
// 4 out [count, heads, (ov, qk)], and for attnlrp 5 dS, 6 S. One invocation an edge and head.
struct Params {
  chunks: u32, panels: u32, heads: u32, count: u32, unscale: f32, first_query: u32, first_key: u32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> pairs: array<vec2u>;
@group(0) @binding(2) var<storage, read> probability: array<f32>;
@group(0) @binding(3) var<storage, read> probability_gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec2f>;
#if RULE == attnlrp
@group(0) @binding(5) var<storage, read> score_gradient: array<f32>;
@group(0) @binding(6) var<storage, read> scores: array<f32>;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.count || id.y >= p.heads) { return; }
  let row = pairs[id.x].x - p.first_query;
  let key = pairs[id.x].y - p.first_key;
  let cell = (id.y * p.panels + row / 16u) * p.chunks + key / 4u;
  let at = (cell * 16u + row % 16u) * 4u + key % 4u;
  #if RULE == attnlrp
  let ov = 0.5 * probability[at] * probability_gradient[at];
  let qk = 0.25 * p.unscale * score_gradient[at] * scores[at];
  #else
  let ov = probability[at] * probability_gradient[at];
  let qk = 0.0;
  #end
  out[id.x * p.heads + id.y] = vec2f(ov, qk);
}
