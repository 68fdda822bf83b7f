// Attention of sequences to themselves without a matrix of scores (FlashAttention, arXiv 2205.14135), for subgroups of
// software adapters:
//
//   O = softmax(scores) v,  scores = scale q k^T, with CAP cap tanh(scores / cap), with BIAS a number for each key besides
//
// over the last `window` keys up to the query. Of each row (largest score, 1 / sum of exp(score - largest)) is stored,
// from which the backward pass has P again. The largest score is before the scale where nothing else is done to scores.
//
// A workgroup is one subgroup and has one tile of QV * LANES queries (attention-tile.inc.wgsl) and one head (y). A lane
// owns QV queries, whose softmax never leaves it; T keys a step come by broadcast. The sums of O lie in workgroup memory,
// where a lane has cells of its own, so no barrier is needed and loops need not be unrolled.
// Every sum has one order, which depends on the place in the sequence only. Padding of a sequence gets zeros.
// Bindings: 0 Params, 1 q | k rotated, 2 q | k | v, 3 O, 4 stats [heads, rows], 5 tiles, with BIAS 6 bias [rows].
enable subgroups;
#include attention-tile
#include attention-lanes

struct Params {
  shape: Shape, window: u32, scale: f32, raise: f32, cap: f32
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rotated: array<vec4f>;
@group(0) @binding(2) var<storage, read> projections: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read> tiles: array<vec4u>;
#if BIAS == yes
@group(0) @binding(6) var<storage, read> bias: array<f32>;
#end

#include attention-cells NAME=o
#include attention-held NAME=q COUNT=QV
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
  var most_$V = LOWEST;
  var total_$V = 0.0;
  #end
  #if HELD == no
  for (var c = 0u; c < p.shape.chunks; c++) {
    #for V 0 QV
    o[own_cell(c * $(QV)u + $(V)u, lane)] = vec4f(0);
    #end
  }
  #end
  #include attention-rows NAME=q COUNT=QV IN=rotated
  let k_head = p.shape.queries + head / p.shape.group * p.shape.chunks;
  let v_head = p.shape.rotated + head / p.shape.group * p.shape.chunks;
  for (var key = start; key < end; key += $(T)u) {
    #for S 0 SLOTS
    let key_row_$S = tile.x + min(key + $(S * LANES)u + lane, length - 1u);
    let k_at_$S = cell(key_row_$S, p.shape.rotated, k_head);
    let v_at_$S = cell(key_row_$S, p.shape.projections, v_head);
    #end
    #include attention-rows NAME=k COUNT=SLOTS IN=rotated
    #include attention-product SUM=s OWN=q OWN_IN=rotated OTHER=k OTHER_IN=rotated
    #if BIAS == yes
    #for S 0 SLOTS
    #if CAP == yes
    let bias_$S = bias[key_row_$S];
    #else
    // Scores have no scale yet: a key whose bias is 0 has the bits that it has without any.
    let bias_$S = bias[key_row_$S] / p.scale;
    #end
    #end
    #end
    #for V 0 QV
    var high_$V = most_$V;
    #for J 0 T
    #if CAP == yes
    s_$(J)_$V = p.cap * tanh(clamp(p.scale * s_$(J)_$V / p.cap, -10.0, 10.0));
    #end
    #if BIAS == yes
    s_$(J)_$V += subgroupBroadcast(bias_$(J / LANES), $(J % LANES)u);
    #end
    s_$(J)_$V = select(LOWEST, s_$(J)_$V, sees(query_$V, key + $(J)u, p.window));
    high_$V = max(high_$V, s_$(J)_$V);
    #end
    let shrink_$V = exp2(p.raise * (most_$V - high_$V));
    most_$V = high_$V;
    // A step's are summed before they are added: beside a total near 1 small ones would be lost one by one.
    var part_$V = 0.0;
    #for J 0 T
    s_$(J)_$V = select(0.0, exp2(p.raise * (s_$(J)_$V - high_$V)), s_$(J)_$V > LOWEST);
    part_$V += s_$(J)_$V;
    #end
    total_$V = total_$V * shrink_$V + part_$V;
    #end
    #include attention-rows NAME=v COUNT=SLOTS IN=projections
    #include attention-sum SUM=o BY=s OTHER=v OTHER_IN=projections SHRINK=yes SECOND=none
  }
  #for V 0 QV
  if (query_$V < padded(length)) {
    // A row all of whose keys are hidden by their bias gets zeros (softmax.ts).
    let seen = query_$V < length && total_$V > 0.0 && most_$V > -1.0e29;
    let share = select(0.0, 1.0 / total_$V, seen);
    let o_at = cell(row_$V, p.shape.queries, head * p.shape.chunks);
    for (var c = 0u; c < p.shape.chunks; c++) {
      out[o_at + c * 16u] = select(vec4f(0), o[own_cell(c * $(QV)u + $(V)u, lane)] * share, seen);
    }
    stats[head * p.shape.rows + row_$V] = vec2f(most_$V, share);
  }
  #end
}
