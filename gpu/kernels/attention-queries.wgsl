// The gradient of q through attention (attention-forward.wgsl) without matrices of P, dP and dS, for subgroups of software
// adapters, and of each row the inner product <dO, O> = sum of P dP, which attention-keys.wgsl needs:
//
//   P = exp(score - largest) / sum,  dP = dO v^T,  dS = P (dP - <dO, O>), with CAP times 1 - tanh^2(score / cap)
//   dq = scale dS k = scale (sum P dP k - <dO, O> sum P k)
//
// O is not kept, so the two sums run side by side. All dP of a row are taken less that of its most probable key so far, so
// that the difference of the two cancels little, in rows of one key nothing: when another key becomes the most probable,
// both sums are moved. Lanes own queries as in the forward pass; z is a target's gradient.
// Bindings: 0 Params, 1 q | k rotated, 2 q | k | v, 3 dO [targets, gradient rows, q], 4 stats [heads, rows], 5 tiles,
// 6 inner products [targets, heads, gradient rows], 7 dq in d(q | k) [targets, gradient rows, q | k].
enable subgroups;
#include attention-tile
#include attention-lanes

struct Params {
  shape: Shape, window: u32, scale: f32, raise: f32, cap: f32, gradient_rows: u32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rotated: array<vec4f>;
@group(0) @binding(2) var<storage, read> projections: array<vec4f>;
@group(0) @binding(3) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read> tiles: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> inner: array<f32>;
@group(0) @binding(7) var<storage, read_write> rotated_gradient: array<vec4f>;

#include attention-cells NAME=weighted
#include attention-cells NAME=plain
#include attention-held NAME=q COUNT=QV
#include attention-held NAME=o COUNT=QV
#include attention-held NAME=k COUNT=SLOTS
#include attention-held NAME=v COUNT=SLOTS

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tile = tiles[id.x];
  let length = tile.y;
  let first = tile.z;
  let head = id.y;
  let end = min(first + $(QV * LANES)u, length);
  let start = first_key(first, p.window);
  #for V 0 QV
  let query_$V = first + $(V * LANES)u + lane;
  let row_$V = tile.x + min(query_$V, padded(length) - 1u);
  let q_at_$V = cell(row_$V, p.shape.rotated, head * p.shape.chunks);
  let o_at_$V = cell(id.z * p.gradient_rows + row_$V, p.shape.queries, head * p.shape.chunks);
  let stat_$V = stats[head * p.shape.rows + row_$V];
  var base_$V = 0.0;
  var best_$V = -1.0;
  var inner_$V = 0.0;
  var total_$V = 0.0;
  #end
  #if HELD == no
  for (var c = 0u; c < p.shape.chunks; c++) {
    #for V 0 QV
    weighted[own_cell(c * $(QV)u + $(V)u, lane)] = vec4f(0);
    plain[own_cell(c * $(QV)u + $(V)u, lane)] = vec4f(0);
    #end
  }
  #end
  #include attention-rows NAME=q COUNT=QV IN=rotated
  #include attention-rows NAME=o COUNT=QV IN=gradient
  let k_head = p.shape.queries + head / p.shape.group * p.shape.chunks;
  let v_head = p.shape.rotated + head / p.shape.group * p.shape.chunks;
  for (var key = start; key < end; key += $(T)u) {
    #for S 0 SLOTS
    let key_row_$S = tile.x + min(key + $(S * LANES)u + lane, length - 1u);
    let k_at_$S = cell(key_row_$S, p.shape.rotated, k_head);
    let v_at_$S = cell(key_row_$S, p.shape.projections, v_head);
    #end
    #include attention-rows NAME=k COUNT=SLOTS IN=rotated
    #include attention-rows NAME=v COUNT=SLOTS IN=projections
    #include attention-product SUM=s OWN=q OWN_IN=rotated OTHER=k OTHER_IN=rotated
    #include attention-product SUM=d OWN=o OWN_IN=gradient OTHER=v OTHER_IN=projections
    #for V 0 QV
    var next_$V = base_$V;
    #for J 0 T
    #if CAP == yes
    var slope_$(J)_$V = 0.0;
    #end
    {
      let product = s_$(J)_$V;
      let stat = stat_$V;
      let seen = sees(query_$V, key + $(J)u, p.window);
      #include attention-probability
      #if CAP == yes
      slope_$(J)_$V = slope;
      #end
      s_$(J)_$V = probability;
      next_$V = select(next_$V, d_$(J)_$V, probability > best_$V);
      best_$V = max(best_$V, probability);
    }
    #end
    let shift_$V = base_$V - next_$V;
    base_$V = next_$V;
    // A step's are summed before they are added, as in the forward pass.
    var part_$V = 0.0;
    var parts_$V = 0.0;
    #for J 0 T
    parts_$V += s_$(J)_$V;
    d_$(J)_$V = s_$(J)_$V * (d_$(J)_$V - base_$V);
    part_$V += d_$(J)_$V;
    #if CAP == yes
    s_$(J)_$V *= slope_$(J)_$V;
    d_$(J)_$V *= slope_$(J)_$V;
    #end
    #end
    inner_$V = inner_$V + shift_$V * total_$V + part_$V;
    total_$V += parts_$V;
    #end
    #include attention-sum SUM=weighted BY=d OTHER=k OTHER_IN=rotated SHRINK=no SECOND=plain SECOND_BY=s
  }
  #for V 0 QV
  if (query_$V < padded(length)) {
    let is_query = query_$V < length;
    let gradient_row = id.z * p.gradient_rows + row_$V;
    inner[(id.z * p.shape.queries / p.shape.chunks + head) * p.gradient_rows + row_$V] =
      select(0.0, inner_$V + base_$V, is_query);
    let at = cell(gradient_row, p.shape.rotated, head * p.shape.chunks);
    for (var c = 0u; c < p.shape.chunks; c++) {
      let i = own_cell(c * $(QV)u + $(V)u, lane);
      rotated_gradient[at + c * 16u] = select(vec4f(0), p.scale * (weighted[i] - inner_$V * plain[i]), is_query);
    }
  }
  #end
}
