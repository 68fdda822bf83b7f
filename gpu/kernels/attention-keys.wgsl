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

// A lane reads and writes cells of its own, so no barrier is needed.
var<workgroup> dv: array<vec4f, $(CHUNKS * QV * LANES)>;
#if QUERY == yes
var<workgroup> dk: array<vec4f, $(CHUNKS * QV * LANES)>;
#end

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
  for (var c = 0u; c < p.shape.chunks; c++) {
    #for V 0 QV
    dv[(c * $(QV)u + $(V)u) * $(LANES)u + lane] = vec4f(0);
    #if QUERY == yes
    dk[(c * $(QV)u + $(V)u) * $(LANES)u + lane] = vec4f(0);
    #end
    #end
  }
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
    #for J 0 T
    #for V 0 QV
    var s_$(J)_$V = 0.0;
    #if QUERY == yes
    var d_$(J)_$V = 0.0;
    #end
    #end
    #end
    for (var c = 0u; c < p.shape.chunks; c++) {
      #for V 0 QV
      let x_$V = rotated[k_at_$V + c * 16u];
      #end
      #for S 0 SLOTS
      let q_$S = rotated[q_at_$S + c * 16u];
      #end
      #for J 0 T
      {
        let y = subgroupBroadcast(q_$(J / LANES), $(J % LANES)u);
        #for V 0 QV
        s_$(J)_$V = s_$(J)_$V + x_$(V).x * y.x + x_$(V).y * y.y + x_$(V).z * y.z + x_$(V).w * y.w;
        #end
      }
      #end
    }
    #if QUERY == yes
    for (var c = 0u; c < p.shape.chunks; c++) {
      #for V 0 QV
      let x_$V = projections[v_at_$V + c * 16u];
      #end
      #for S 0 SLOTS
      let o_$S = gradient[o_at_$S + c * 16u];
      #end
      #for J 0 T
      {
        let y = subgroupBroadcast(o_$(J / LANES), $(J % LANES)u);
        #for V 0 QV
        d_$(J)_$V = d_$(J)_$V + x_$(V).x * y.x + x_$(V).y * y.y + x_$(V).z * y.z + x_$(V).w * y.w;
        #end
      }
      #end
    }
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
        #if CAP == yes
        let t = tanh(clamp(p.scale * s_$(J)_$V / p.cap, -10.0, 10.0));
        let score = p.cap * t;
        #else
        let score = s_$(J)_$V;
        #end
        let sees_it = is_query && sees(query + $(J)u, key_$V, p.window);
        s_$(J)_$V = select(0.0, exp2(p.raise * (score - stat.x)) * stat.y, sees_it);
        #if QUERY == yes
        d_$(J)_$V = s_$(J)_$V * (d_$(J)_$V - mean);
        #if CAP == yes
        d_$(J)_$V *= 1.0 - t * t;
        #end
        #end
      }
      #end
    }
    #end
    for (var c = 0u; c < p.shape.chunks; c++) {
      #for S 0 SLOTS
      let o_$S = gradient[o_at_$S + c * 16u];
      #end
      #for V 0 QV
      var sum_$V = dv[(c * $(QV)u + $(V)u) * $(LANES)u + lane];
      #end
      #for J 0 T
      {
        let y = subgroupBroadcast(o_$(J / LANES), $(J % LANES)u);
        #for V 0 QV
        sum_$V = sum_$V + s_$(J)_$V * y;
        #end
      }
      #end
      #for V 0 QV
      dv[(c * $(QV)u + $(V)u) * $(LANES)u + lane] = sum_$V;
      #end
    }
    #if QUERY == yes
    for (var c = 0u; c < p.shape.chunks; c++) {
      #for S 0 SLOTS
      let q_$S = rotated[q_at_$S + c * 16u];
      #end
      #for V 0 QV
      var sum_$V = dk[(c * $(QV)u + $(V)u) * $(LANES)u + lane];
      #end
      #for J 0 T
      {
        let y = subgroupBroadcast(q_$(J / LANES), $(J % LANES)u);
        #for V 0 QV
        sum_$V = sum_$V + d_$(J)_$V * y;
        #end
      }
      #end
      #for V 0 QV
      dk[(c * $(QV)u + $(V)u) * $(LANES)u + lane] = sum_$V;
      #end
    }
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
      let i = (c * $(QV)u + $(V)u) * $(LANES)u + lane;
      projections_gradient[dv_at + c * 16u] = p.value_factor * dv[i];
      #if QUERY == yes
      rotated_gradient[dk_at + c * 16u] = p.scale * dk[i];
      #end
    }
  }
  #end
}
