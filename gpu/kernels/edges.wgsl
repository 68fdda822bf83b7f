// Edges of one block by the closed form (docs/method.md section 3), summed over heads, for a block of target rows:
//
//   RULE attnlrp:  A[t, s] = sum_heads (1/2 P_ts dP_ts + 1/4 dS_ts S_ts)      dS holds the scale of the scores: divided out
//   RULE cplrp:    A[t, s] = sum_heads P_ts dP_ts
//
// and A[t, t] += own[t]. Hidden pairs have P = dS = 0, so their edge is 0.
// Bindings: 0 Params, 1 P, 2 dP, 3 own [rows], 4 A [block rows, keys], and for attnlrp 5 dS, 6 S. One invocation a vec4 of A.
struct Params {
  cells: u32, heads: u32, unscale: f32, width: u32,
  chunks: u32, first_query: u32, queries: u32, first_key: u32, first_row: u32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> probability: array<vec4f>;
@group(0) @binding(2) var<storage, read> probability_gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read> own: array<f32>;
@group(0) @binding(4) var<storage, read_write> edges: array<vec4f>;
#if RULE == attnlrp
@group(0) @binding(5) var<storage, read> score_gradient: array<vec4f>;
@group(0) @binding(6) var<storage, read> scores: array<vec4f>;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  if (index >= p.cells * 16u) { return; }
  var sum = vec4f(0);
  for (var head = 0u; head < p.heads; head++) {
    let at = head * p.cells * 16u + index;
    #if RULE == attnlrp
    sum += 0.5 * probability[at] * probability_gradient[at] + 0.25 * p.unscale * score_gradient[at] * scores[at];
    #else
    sum += probability[at] * probability_gradient[at];
    #end
  }
  let row = index / 16u / p.chunks * 16u + index % 16u;
  let query = p.first_query + row;
  let key = p.first_key + index / 16u % p.chunks * 4u;
  if (row < p.queries && query >= key && query < key + 4u) {
    let mine = own[p.first_row + query];
    sum += select(vec4f(0), vec4f(mine), vec4u(query) == key + vec4u(0, 1, 2, 3));
  }
  edges[index] = sum;
}
