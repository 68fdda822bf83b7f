// The terms of chosen edges head by head (docs/method.md sections 3 and 11), from the rows of target and source and what
// attention by tiles keeps of each row:
//
//   RULE attnlrp:  ov = 1/2 P_ts dP_ts,  qk = 1/4 dS_ts S_ts          RULE cplrp:  ov = P_ts dP_ts,  qk = 0
//
// P, dP, dS and S as in attention-edges.wgsl, with LINEAR too. One invocation an edge (x) and head (y): neighbours mostly
// share their target.
// Bindings: 0 Params, 1 pairs [count, (target, source)] in the sequence, 2 q | k rotated, 3 q | k | v, 4 dO [rows, q],
// 5 stats [heads, rows], 6 out [count, heads, (ov, qk)], for attnlrp 7 inner products [heads, rows], with LINEAR 8 linear
// parts of q | k rotated | v.
#include attention-tile

struct Params {
  shape: Shape, window: u32, scale: f32, raise: f32, cap: f32, heads: u32, first_row: u32, count: u32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> pairs: array<vec2u>;
@group(0) @binding(2) var<storage, read> rotated: array<vec4f>;
@group(0) @binding(3) var<storage, read> projections: array<vec4f>;
@group(0) @binding(4) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(5) var<storage, read> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> out: array<vec2f>;
#if RULE == attnlrp
@group(0) @binding(7) var<storage, read> inner: array<f32>;
#end
#if LINEAR == yes
@group(0) @binding(8) var<storage, read> linear: array<vec4f>;
#end

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.count) { return; }
  let pair = pairs[id.x];
  let head = id.y;
  let row = p.first_row + pair.x;
  let key_row = p.first_row + pair.y;
  let k_head = p.shape.queries + head / p.shape.group * p.shape.chunks;
  let v_head = p.shape.rotated + head / p.shape.group * p.shape.chunks;
  let q_at = cell(row, p.shape.rotated, head * p.shape.chunks);
  let o_at = cell(row, p.shape.queries, head * p.shape.chunks);
  let k_at = cell(key_row, p.shape.rotated, k_head);
  let v_at = cell(key_row, p.shape.projections, v_head);
  #if LINEAR == yes
  let linear_k_at = cell(key_row, p.shape.projections, k_head);
  var linear_k = 0.0;
  var linear_v = 0.0;
  #end
  var product = 0.0;
  var gradient_v = 0.0;
  for (var c = 0u; c < p.shape.chunks; c++) {
    let q = rotated[q_at + c * 16u];
    let o = gradient[o_at + c * 16u];
    product += dot(q, rotated[k_at + c * 16u]);
    gradient_v += dot(o, projections[v_at + c * 16u]);
    #if LINEAR == yes
    linear_k += dot(q, linear[linear_k_at + c * 16u]);
    linear_v += dot(o, linear[v_at + c * 16u]);
    #end
  }
  let stat = stats[head * p.shape.rows + row];
  let seen = sees(pair.x, pair.y, p.window);
  #include attention-probability
  #if LINEAR == no
  let linear_k = product;
  let linear_v = gradient_v;
  #end
  #if RULE == attnlrp
  var ds = p.scale * probability * (gradient_v - inner[head * p.shape.rows + row]);
  #if CAP == yes
  ds *= slope;
  #end
  let terms = vec2f(0.5 * probability * linear_v, 0.25 * ds * linear_k);
  #else
  let terms = vec2f(probability * linear_v, 0.0);
  #end
  out[id.x * p.heads + head] = terms;
}
