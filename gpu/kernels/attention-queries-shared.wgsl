// What attention-queries.wgsl computes, for hardware (attention-shared.inc.wgsl); bindings and params are the same. A first round
// over the keys finds <dO, O>, a second one dq = scale sum dS k: two sums side by side, as there, would take the registers.
#include attention-tile
#include attention-shared

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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) index: u32) {
  let x = index % 16u;
  let y = index / 16u;
  let tile = tiles[id.x];
  let rows = tile.x;
  let length = tile.y;
  let first = tile.z;
  let head = id.y;
  let gradient_rows = id.z * p.gradient_rows + rows;
  let q_head = head * p.shape.chunks;
  let k_head = p.shape.queries + head / p.shape.group * p.shape.chunks;
  let v_head = p.shape.rotated + head / p.shape.group * p.shape.chunks;
  let start = first_key(first, p.window);
  let end = min(first + $(ROWS)u, length);
  #for I 0 ROWS_EACH
  let query_$I = first + y + $(16 * I)u;
  let stat_$I = stats[head * p.shape.rows + rows + min(query_$I, padded(length) - 1u)];
  // All dP of a row are taken less that of its most probable key so far, so that their difference to <dO, O> cancels little.
  var base_$I = 0.0;
  var best_$I = -1.0;
  var inner_$I = 0.0;
  var total_$I = 0.0;
  #for D 0 SLABS
  var dq_$(D)_$I = vec4f(0);
  #end
  #end
  let steps = (end - start + $(T - 1)u) / $(T)u;
  for (var turn = 0u; turn < 2u * steps; turn++) {
    if (turn == steps) {
      // Of a row's <dO, O> each of its invocations has the part of every sixteenth key.
      workgroupBarrier();
      #for I 0 ROWS_EACH
      weights[(y + $(16 * I)u) * 33u + x] = inner_$I;
      #end
      workgroupBarrier();
      #for I 0 ROWS_EACH
      inner_$I = 0.0;
      for (var other = 0u; other < 16u; other++) { inner_$I += weights[(y + $(16 * I)u) * 33u + other]; }
      #end
    }
    let step = start + turn % steps * $(T)u;
    #include attention-shared-product SUM=s OWN_IN=rotated OWN_ROWS=rows OWN_STRIDE=p.shape.rotated OWN_HEAD=q_head OTHER_IN=rotated OTHER_ROWS=rows OTHER_STRIDE=p.shape.rotated OTHER_HEAD=k_head
    #include attention-shared-product SUM=d OWN_IN=gradient OWN_ROWS=gradient_rows OWN_STRIDE=p.shape.queries OWN_HEAD=q_head OTHER_IN=projections OTHER_ROWS=rows OTHER_STRIDE=p.shape.projections OTHER_HEAD=v_head
    #for I 0 ROWS_EACH
    #for J 0 2
    #if CAP == yes
    var slope_$(I)_$J = 0.0;
    #end
    {
      let product = s_$(I)_$J;
      let stat = stat_$I;
      let seen = sees(query_$I, step + x + $(16 * J)u, p.window);
      #include attention-probability
      s_$(I)_$J = probability;
      #if CAP == yes
      slope_$(I)_$J = slope;
      #end
    }
    #end
    #end
    workgroupBarrier();
    if (turn < steps) {
      #for I 0 ROWS_EACH
      {
        let likelier = s_$(I)_1 > s_$(I)_0;
        weights[(y + $(16 * I)u) * 33u + 2u * x] = max(s_$(I)_0, s_$(I)_1);
        weights[(y + $(16 * I)u) * 33u + 2u * x + 1u] = select(d_$(I)_0, d_$(I)_1, likelier);
      }
      #end
      workgroupBarrier();
      #for I 0 ROWS_EACH
      {
        var next = base_$I;
        for (var other = 0u; other < 16u; other++) {
          let probability = weights[(y + $(16 * I)u) * 33u + 2u * other];
          next = select(next, weights[(y + $(16 * I)u) * 33u + 2u * other + 1u], probability > best_$I);
          best_$I = max(best_$I, probability);
        }
        let part = s_$(I)_0 * (d_$(I)_0 - next) + s_$(I)_1 * (d_$(I)_1 - next);
        inner_$I = inner_$I + (base_$I - next) * total_$I + part;
        total_$I += s_$(I)_0 + s_$(I)_1;
        base_$I = next;
      }
      #end
      continue;
    }
    #for I 0 ROWS_EACH
    #for J 0 2
    s_$(I)_$J *= (d_$(I)_$J - base_$I) - inner_$I;
    #if CAP == yes
    s_$(I)_$J *= slope_$(I)_$J;
    #end
    #end
    #end
    #include attention-shared-weights BY=s
    #include attention-shared-sum SUM=dq OTHER_IN=rotated OTHER_ROWS=rows OTHER_STRIDE=p.shape.rotated OTHER_HEAD=k_head
  }
  #for I 0 ROWS_EACH
  if (x == 0u && query_$I < padded(length)) {
    inner[(id.z * p.shape.queries / p.shape.chunks + head) * p.gradient_rows + rows + query_$I] =
      select(0.0, inner_$I + base_$I, query_$I < length);
  }
  #end
  #for I 0 ROWS_EACH
  if (query_$I < padded(length)) {
    #for D 0 SLABS
    if (x + $(16 * D)u < p.shape.chunks) {
      rotated_gradient[cell(gradient_rows + query_$I, p.shape.rotated, q_head + x + $(16 * D)u)] =
        select(vec4f(0), p.scale * dq_$(D)_$I, query_$I < length);
    }
    #end
  }
  #end
}
