// Edges of one block of target rows by the closed form (docs/method.md sections 3 and 11), without matrices of P, dP and dS,
// for subgroups of software adapters:
//
//   RULE attnlrp:  A[t, s] = sum_heads (1/2 P_ts dP_ts + 1/4 dS_ts S_ts),  A[t, t] += own[t]
//   RULE cplrp:    A[t, s] = sum_heads P_ts dP_ts,                         A[t, t] += own[t]
//
// P, dP and dS as in attention-queries.wgsl, which gives <dO, O>, S with its scale and before its cap. With LINEAR yes q, k
// and v have constant parts: the dP and S that stand here are those of the linear parts of v and k, while P and dS have all
// of them. Lanes own QV targets each, T sources come by broadcast; the sum over heads stays in a lane. Hidden pairs and rows
// past the last of `queries` become 0.
// Bindings: 0 Params, 1 q | k rotated, 2 q | k | v, 3 dO [rows, q], 4 stats [heads, rows], 5 own [rows],
// 6 A [block rows, keys], for attnlrp 7 inner products [heads, rows], with LINEAR 8 linear parts of q | k rotated | v.
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
@group(0) @binding(5) var<storage, read> own: array<f32>;
@group(0) @binding(6) var<storage, read_write> edges: array<vec4f>;
#if RULE == attnlrp
@group(0) @binding(7) var<storage, read> inner: array<f32>;
#end
#if LINEAR == yes
@group(0) @binding(8) var<storage, read> linear: array<vec4f>;
#end

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = id.x * $(QV * LANES)u;
  let key = p.first_key + id.y * $(T)u;
  let last_query = p.first_query + first + $(QV * LANES - 1)u;
  let first_query = p.first_query + first;
  let length = p.first_query + p.queries;
  #for V 0 QV
  let query_$V = first_query + $(V * LANES)u + lane;
  let row_$V = p.first_row + min(query_$V, length - 1u);
  #for J 0 T
  var a_$(J)_$V = 0.0;
  #end
  #end
  #for S 0 SLOTS
  let key_row_$S = p.first_row + min(key + $(S * LANES)u + lane, length - 1u);
  #end
  // Tiles all of whose pairs are hidden have nothing to sum.
  let heads = select(0u, p.heads, key <= last_query && key + $(T)u + p.window > first_query + 1u);
  for (var head = 0u; head < heads; head++) {
    let k_head = p.shape.queries + head / p.shape.group * p.shape.chunks;
    let v_head = p.shape.rotated + head / p.shape.group * p.shape.chunks;
    #for V 0 QV
    let q_at_$V = cell(row_$V, p.shape.rotated, head * p.shape.chunks);
    let o_at_$V = cell(row_$V, p.shape.queries, head * p.shape.chunks);
    #end
    #for S 0 SLOTS
    let k_at_$S = cell(key_row_$S, p.shape.rotated, k_head);
    let v_at_$S = cell(key_row_$S, p.shape.projections, v_head);
    #end
    #include attention-product SUM=s OWN=q OWN_IN=rotated OTHER=k OTHER_IN=rotated
    #include attention-product SUM=d OWN=o OWN_IN=gradient OTHER=v OTHER_IN=projections
    #for V 0 QV
    let stat_$V = stats[head * p.shape.rows + row_$V];
    #if RULE == attnlrp
    let inner_$V = inner[head * p.shape.rows + row_$V];
    #end
    #for J 0 T
    {
      let product = s_$(J)_$V;
      let stat = stat_$V;
      let seen = sees(query_$V, key + $(J)u, p.window);
      #include attention-probability
      #if RULE == attnlrp
      var ds = p.scale * probability * (d_$(J)_$V - inner_$V);
      #if CAP == yes
      ds *= slope;
      #end
      #if LINEAR == yes
      // The factors of what follows.
      s_$(J)_$V = 0.5 * probability;
      d_$(J)_$V = 0.25 * ds;
      #else
      a_$(J)_$V += 0.5 * probability * d_$(J)_$V + 0.25 * ds * s_$(J)_$V;
      #end
      #else
      a_$(J)_$V += probability * d_$(J)_$V;
      #end
    }
    #end
    #end
    #if LINEAR == yes
    #for S 0 SLOTS
    let linear_k_at_$S = cell(key_row_$S, p.shape.projections, k_head);
    #end
    #include attention-product SUM=dp OWN=o OWN_IN=gradient OTHER=v OTHER_IN=linear
    #include attention-product SUM=sk OWN=q OWN_IN=rotated OTHER=linear_k OTHER_IN=linear
    #for V 0 QV
    #for J 0 T
    a_$(J)_$V += s_$(J)_$V * dp_$(J)_$V + d_$(J)_$V * sk_$(J)_$V;
    #end
    #end
    #end
  }
  #for V 0 QV
  {
    let mine = own[row_$V];
    #for J 0 T
    a_$(J)_$V = select(0.0, a_$(J)_$V + select(0.0, mine, key + $(J)u == query_$V), query_$V < length);
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
