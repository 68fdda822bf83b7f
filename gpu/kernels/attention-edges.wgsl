// Edges of one block of target rows by the closed form (docs/method.md section 3), without matrices of P, dP and dS, for
// subgroups of software adapters:
//
//   RULE attnlrp:  A[t, s] = sum_heads (1/2 P_ts dP_ts + 1/4 dS_ts S_ts),  A[t, t] += residual[t] + 1/4 <q_t, dq_t>
//   RULE cplrp:    A[t, s] = sum_heads P_ts dP_ts,                         A[t, t] += residual[t]
//
// P, dP and dS as in attention-queries.wgsl, which gives <dO, O> and dq, S with its scale and before its cap: since
// dq = scale sum_s dS_ts k_s, the sum over s of dS_ts S_ts is <q_t, dq_t>. Lanes own QV targets each, T sources come by
// broadcast; the sum over heads stays in a lane. Hidden pairs and rows past the last of `queries` become 0.
// Bindings: 0 Params, 1 q | k rotated, 2 q | k | v, 3 dO [rows, q], 4 stats [heads, rows], 5 residual [rows],
// 6 A [block rows, keys], and for attnlrp 7 inner products [heads, rows], 8 d(q | k).
// One workgroup QV * LANES targets (x) and T sources (y).
enable subgroups;
#include attention-tile

struct Params {
  shape: Shape, window: u32, scale: f32, raise: f32, cap: f32,
  heads: u32, first_row: u32, first_query: u32, queries: u32, first_key: u32, columns: u32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rotated: array<vec4f>;
@group(0) @binding(2) var<storage, read> projections: array<vec4f>;
@group(0) @binding(3) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> edges: array<vec4f>;
#if RULE == attnlrp
@group(0) @binding(7) var<storage, read> inner: array<f32>;
@group(0) @binding(8) var<storage, read> rotated_gradient: array<vec4f>;
#end

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = id.x * $(QV * LANES)u;
  let key = p.first_key + id.y * $(T)u;
  let last_query = p.first_query + first + $(QV * LANES - 1)u;
  let first_query = p.first_query + first;
  let length = p.first_query + p.queries;
  #if RULE == attnlrp
  let own_chunks = select(0u, p.shape.chunks, key <= last_query && key + $(T)u > first_query);
  #end
  #for V 0 QV
  let query_$V = first_query + $(V * LANES)u + lane;
  let row_$V = p.first_row + min(query_$V, length - 1u);
  #for J 0 T
  var a_$(J)_$V = 0.0;
  #end
  var own_$V = residual[row_$V];
  #end
  #for S 0 SLOTS
  let key_row_$S = p.first_row + min(key + $(S * LANES)u + lane, length - 1u);
  #end
  // Tiles all of whose pairs are hidden have nothing to sum.
  let heads = select(0u, p.heads, key <= last_query && key + $(T)u + p.window > first_query + 1u);
  for (var head = 0u; head < heads; head++) {
    #for V 0 QV
    let q_at_$V = cell(row_$V, p.shape.rotated, head * p.shape.chunks);
    let o_at_$V = cell(row_$V, p.shape.queries, head * p.shape.chunks);
    #end
    #for S 0 SLOTS
    let k_at_$S = cell(key_row_$S, p.shape.rotated, p.shape.queries + head / p.shape.group * p.shape.chunks);
    let v_at_$S = cell(key_row_$S, p.shape.projections, p.shape.rotated + head / p.shape.group * p.shape.chunks);
    #end
    #include attention-product SUM=s OWN=q OWN_IN=rotated OTHER=k OTHER_IN=rotated
    #include attention-product SUM=d OWN=o OWN_IN=gradient OTHER=v OTHER_IN=projections
    #if RULE == attnlrp
    for (var c = 0u; c < own_chunks; c++) {
      #for V 0 QV
      own_$V += 0.25 * dot(rotated[q_at_$V + c * 16u], rotated_gradient[q_at_$V + c * 16u]);
      #end
    }
    #end
    #for V 0 QV
    let stat_$V = stats[head * p.shape.rows + row_$V];
    #if RULE == attnlrp
    let inner_$V = inner[head * p.shape.rows + row_$V];
    #end
    #for J 0 T
    {
      #if CAP == yes
      let t = tanh(clamp(p.scale * s_$(J)_$V / p.cap, -10.0, 10.0));
      let score = p.cap * t;
      #else
      let score = s_$(J)_$V;
      #end
      let sees_it = sees(query_$V, key + $(J)u, p.window);
      let probability = select(0.0, exp2(p.raise * (score - stat_$(V).x)) * stat_$(V).y, sees_it);
      #if RULE == attnlrp
      var ds = probability * (d_$(J)_$V - inner_$V);
      #if CAP == yes
      ds *= 1.0 - t * t;
      #end
      a_$(J)_$V += 0.5 * probability * d_$(J)_$V + 0.25 * p.scale * ds * s_$(J)_$V;
      #else
      a_$(J)_$V += probability * d_$(J)_$V;
      #end
    }
    #end
    #end
  }
  #for V 0 QV
  {
    #for J 0 T
    a_$(J)_$V = select(0.0, a_$(J)_$V + select(0.0, own_$V, key + $(J)u == query_$V), query_$V < length);
    #end
    let row = first + $(V * LANES)u + lane;
    let at = (row / 16u * p.columns + (key - p.first_key) / 4u) * 16u + row % 16u;
    if (row < padded(p.queries)) {
      #for C 0 STEP_CHUNKS
      edges[at + $(16 * C)u] =
        vec4f(a_$(4 * C)_$V, a_$(4 * C + 1)_$V, a_$(4 * C + 2)_$V, a_$(4 * C + 3)_$V);
      #end
    }
  }
  #end
}
