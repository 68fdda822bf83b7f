// What attention-forward.wgsl computes, for hardware: a tile's queries and a step's keys go through workgroup memory
// (attention-shared.inc.wgsl), whatever the size of subgroups. Bindings and params are the same.
#include attention-tile
#include attention-shared

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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) index: u32) {
  let x = index % 16u;
  let y = index / 16u;
  let tile = tiles[id.x];
  let rows = tile.x;
  let length = tile.y;
  let first = tile.z;
  let head = id.y;
  let q_head = head * p.shape.chunks;
  let k_head = p.shape.queries + head / p.shape.group * p.shape.chunks;
  let v_head = p.shape.rotated + head / p.shape.group * p.shape.chunks;
  #for I 0 ROWS_EACH
  let query_$I = first + y + $(16 * I)u;
  var most_$I = LOWEST;
  var total_$I = 0.0;
  #for D 0 SLABS
  var o_$(D)_$I = vec4f(0);
  #end
  #end
  let end = min(first + $(ROWS)u, length);
  for (var step = first_key(first, p.window); step < end; step += $(T)u) {
    #include attention-shared-product SUM=s OWN_IN=rotated OWN_ROWS=rows OWN_STRIDE=p.shape.rotated OWN_HEAD=q_head OTHER_IN=rotated OTHER_ROWS=rows OTHER_STRIDE=p.shape.rotated OTHER_HEAD=k_head
    #if BIAS == yes
    #for J 0 2
    #if CAP == yes
    let bias_$J = bias[rows + min(step + x + $(16 * J)u, length - 1u)];
    #else
    // Scores have no scale yet: a key whose bias is 0 has the bits that it has without any.
    let bias_$J = bias[rows + min(step + x + $(16 * J)u, length - 1u)] / p.scale;
    #end
    #end
    #end
    workgroupBarrier();
    #for I 0 ROWS_EACH
    {
      var high = LOWEST;
      #for J 0 2
      #if CAP == yes
      s_$(I)_$J = p.cap * tanh(clamp(p.scale * s_$(I)_$J / p.cap, -10.0, 10.0));
      #end
      #if BIAS == yes
      s_$(I)_$J += bias_$J;
      #end
      s_$(I)_$J = select(LOWEST, s_$(I)_$J, sees(query_$I, step + x + $(16 * J)u, p.window));
      high = max(high, s_$(I)_$J);
      #end
      weights[(y + $(16 * I)u) * 33u + x] = high;
    }
    #end
    workgroupBarrier();
    #for I 0 ROWS_EACH
    var high_$I = most_$I;
    for (var other = 0u; other < 16u; other++) { high_$I = max(high_$I, weights[(y + $(16 * I)u) * 33u + other]); }
    let shrink_$I = exp2(p.raise * (most_$I - high_$I));
    most_$I = high_$I;
    // A step's are summed before they are added: beside a total near 1 small ones would be lost one by one.
    var part_$I = 0.0;
    #for J 0 2
    s_$(I)_$J = select(0.0, exp2(p.raise * (s_$(I)_$J - high_$I)), s_$(I)_$J > LOWEST);
    part_$I += s_$(I)_$J;
    #end
    total_$I = total_$I * shrink_$I + part_$I;
    #for D 0 SLABS
    o_$(D)_$I *= shrink_$I;
    #end
    #end
    #include attention-shared-weights BY=s
    #include attention-shared-sum SUM=o OTHER_IN=projections OTHER_ROWS=rows OTHER_STRIDE=p.shape.projections OTHER_HEAD=v_head
  }
  // A row's total: that of its invocations, each of which has every sixteenth key.
  workgroupBarrier();
  #for I 0 ROWS_EACH
  weights[(y + $(16 * I)u) * 33u + x] = total_$I;
  #end
  workgroupBarrier();
  #for I 0 ROWS_EACH
  if (query_$I < padded(length)) {
    var total = 0.0;
    for (var other = 0u; other < 16u; other++) { total += weights[(y + $(16 * I)u) * 33u + other]; }
    // A row all of whose keys are hidden by their bias gets zeros (softmax.ts).
    let seen = query_$I < length && total > 0.0 && most_$I > -1.0e29;
    let share = select(0.0, 1.0 / total, seen);
    #for D 0 SLABS
    if (x + $(16 * D)u < p.shape.chunks) {
      out[cell(rows + query_$I, p.shape.queries, q_head + x + $(16 * D)u)] = select(vec4f(0), o_$(D)_$I * share, seen);
    }
    #end
    if (x == 0u) { stats[head * p.shape.rows + rows + query_$I] = vec2f(most_$I, share); }
  }
  #end
}
