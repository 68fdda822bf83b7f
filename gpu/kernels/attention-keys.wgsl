// The gradients of k and v through attention (attention-forward.wgsl), as attention-queries.wgsl with the sides exchanged:
// lanes own QV keys each; T queries a step come by broadcast, with their stats and inner products. The query heads of a
// group follow one another in one sum. z is a target's gradient.
//
//   dv = value_factor P^T dO,  with QUERY  dk = scale dS^T q
//
// Bindings: 0 Params, 1 q | k rotated, 2 q | k | v, 3 dO [targets, gradient rows, q], 4 stats [heads, rows], 5 tiles,
// 6 dv in d(q | k | v) [targets, gradient rows, q | k | v], with QUERY 7 inner products [targets, heads, gradient rows],
// 8 dk in d(q | k).
enable subgroups;
#include attention-tile
#include attention-lanes

struct Params {
  shape: Shape, window: u32, scale: f32, raise: f32, cap: f32, gradient_rows: u32, value_factor: f32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rotated: array<vec4f>;
@group(0) @binding(2) var<storage, read> projections: array<vec4f>;
@group(0) @binding(3) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> projections_gradient: array<vec4f>;
#if QUERY == yes
@group(0) @binding(7) var<storage, read> inner: array<f32>;
@group(0) @binding(8) var<storage, read_write> rotated_gradient: array<vec4f>;
#end

#include attention-cells NAME=dv
#if QUERY == yes
#include attention-cells NAME=dk
#end
#include attention-held NAME=k COUNT=QV
#if QUERY == yes
#include attention-held NAME=v COUNT=QV
#end
#include attention-held NAME=q COUNT=SLOTS
#include attention-held NAME=o COUNT=SLOTS

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[id.x];
  let length = tile.y;
  let first = tile.z;
  let k_head = p.shape.queries + id.y * p.shape.chunks;
  let v_head = p.shape.rotated + id.y * p.shape.chunks;
  #for V 0 QV
  let key_$V = first + $(V * LANES)u + lane;
  let row_$V = tile.x + min(key_$V, padded(length) - 1u);
  let k_at_$V = cell(row_$V, p.shape.rotated, k_head);
  let v_at_$V = cell(row_$V, p.shape.projections, v_head);
  #end
  #if HELD == no
  for (var c = 0u; c < p.shape.chunks; c++) {
    #for V 0 QV
    dv[own_cell(c * $(QV)u + $(V)u, lane)] = vec4f(0);
    #if QUERY == yes
    dk[own_cell(c * $(QV)u + $(V)u, lane)] = vec4f(0);
    #end
    #end
  }
  #end
  #include attention-rows NAME=k COUNT=QV IN=rotated
  #if QUERY == yes
  #include attention-rows NAME=v COUNT=QV IN=projections
  #end
  let start = first / $(T)u * $(T)u;
  let end = min(length, first + $(QV * LANES - 1)u + p.window);
  let steps = (end - start + $(T - 1)u) / $(T)u;
  for (var i = 0u; i < steps * p.shape.group; i++) {
    let head = id.y * p.shape.group + i / steps;
    let query = start + i % steps * $(T)u;
    #for S 0 SLOTS
    let query_row_$S = tile.x + min(query + $(S * LANES)u + lane, length - 1u);
    let q_at_$S = cell(query_row_$S, p.shape.rotated, head * p.shape.chunks);
    let o_at_$S = cell(id.z * p.gradient_rows + query_row_$S, p.shape.queries, head * p.shape.chunks);
    let stat_$S = stats[head * p.shape.rows + query_row_$S];
    #if QUERY == yes
    let inner_$S = inner[(id.z * p.shape.queries / p.shape.chunks + head) * p.gradient_rows + query_row_$S];
    #end
    #end
    #include attention-rows NAME=q COUNT=SLOTS IN=rotated
    #include attention-rows NAME=o COUNT=SLOTS IN=gradient
    #include attention-product SUM=s OWN=k OWN_IN=rotated OTHER=q OTHER_IN=rotated
    #if QUERY == yes
    #include attention-product SUM=d OWN=v OWN_IN=projections OTHER=o OTHER_IN=gradient
    #end
    #for J 0 T
    {
      let stat = subgroupBroadcast(stat_$(J / LANES), $(J % LANES)u);
      #if QUERY == yes
      let mean = subgroupBroadcast(inner_$(J / LANES), $(J % LANES)u);
      #end
      let is_query = query + $(J)u < length;
      #for V 0 QV
      {
        let product = s_$(J)_$V;
        let seen = is_query && sees(query + $(J)u, key_$V, p.window);
        #include attention-probability
        s_$(J)_$V = probability;
        #if QUERY == yes
        d_$(J)_$V = s_$(J)_$V * (d_$(J)_$V - mean);
        #if CAP == yes
        d_$(J)_$V *= slope;
        #end
        #end
      }
      #end
    }
    #end
    #include attention-sum SUM=dv BY=s OTHER=o OTHER_IN=gradient SHRINK=no SECOND=none
    #if QUERY == yes
    #include attention-sum SUM=dk BY=d OTHER=q OTHER_IN=rotated SHRINK=no SECOND=none
    #end
  }
  #for V 0 QV
  // What no query sees, padding too, gets zeros.
  if (key_$V < padded(length)) {
    let gradient_row = id.z * p.gradient_rows + row_$V;
    let dv_at = cell(gradient_row, p.shape.projections, v_head);
    #if QUERY == yes
    let dk_at = cell(gradient_row, p.shape.rotated, k_head);
    #end
    for (var c = 0u; c < p.shape.chunks; c++) {
      let i = own_cell(c * $(QV)u + $(V)u, lane);
      projections_gradient[dv_at + c * 16u] = p.value_factor * dv[i];
      #if QUERY == yes
      rotated_gradient[dk_at + c * 16u] = p.scale * dk[i];
      #end
    }
  }
  #end
}
