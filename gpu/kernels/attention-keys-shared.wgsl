// What attention-keys.wgsl computes, for hardware (attention-shared.inc.wgsl); bindings and params are the same. A workgroup's own
// rows are keys, the other side's queries, of the heads of a group one after the other.
#include attention-tile
#include attention-shared

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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) index: u32) {
  let x = index % 16u;
  let y = index / 16u;
  let tile = tiles[id.x];
  let rows = tile.x;
  let length = tile.y;
  let first = tile.z;
  let gradient_rows = id.z * p.gradient_rows + rows;
  let k_head = p.shape.queries + id.y * p.shape.chunks;
  let v_head = p.shape.rotated + id.y * p.shape.chunks;
  #for I 0 ROWS_EACH
  let key_$I = first + y + $(16 * I)u;
  #for D 0 SLABS
  var dv_$(D)_$I = vec4f(0);
  #if QUERY == yes
  var dk_$(D)_$I = vec4f(0);
  #end
  #end
  #end
  let start = first / $(T)u * $(T)u;
  let end = min(length, first + $(ROWS - 1)u + p.window);
  let steps = (end - start + $(T - 1)u) / $(T)u;
  for (var turn = 0u; turn < steps * p.shape.group; turn++) {
    let head = id.y * p.shape.group + turn / steps;
    let step = start + turn % steps * $(T)u;
    let q_head = head * p.shape.chunks;
    #include attention-shared-product SUM=s OWN_IN=rotated OWN_ROWS=rows OWN_STRIDE=p.shape.rotated OWN_HEAD=k_head OTHER_IN=rotated OTHER_ROWS=rows OTHER_STRIDE=p.shape.rotated OTHER_HEAD=q_head
    #if QUERY == yes
    #include attention-shared-product SUM=d OWN_IN=projections OWN_ROWS=rows OWN_STRIDE=p.shape.projections OWN_HEAD=v_head OTHER_IN=gradient OTHER_ROWS=gradient_rows OTHER_STRIDE=p.shape.queries OTHER_HEAD=q_head
    #end
    #for J 0 2
    {
      let query = step + x + $(16 * J)u;
      let query_row = rows + min(query, length - 1u);
      let stat = stats[head * p.shape.rows + query_row];
      #if QUERY == yes
      let mean = inner[(id.z * p.shape.queries / p.shape.chunks + head) * p.gradient_rows + query_row];
      #end
      #for I 0 ROWS_EACH
      {
        let product = s_$(I)_$J;
        let seen = query < length && sees(query, key_$I, p.window);
        #include attention-probability
        s_$(I)_$J = probability;
        #if QUERY == yes
        d_$(I)_$J = probability * (d_$(I)_$J - mean);
        #if CAP == yes
        d_$(I)_$J *= slope;
        #end
        #end
      }
      #end
    }
    #end
    #include attention-shared-weights BY=s
    #include attention-shared-sum SUM=dv OTHER_IN=gradient OTHER_ROWS=gradient_rows OTHER_STRIDE=p.shape.queries OTHER_HEAD=q_head
    #if QUERY == yes
    #include attention-shared-weights BY=d
    #include attention-shared-sum SUM=dk OTHER_IN=rotated OTHER_ROWS=rows OTHER_STRIDE=p.shape.rotated OTHER_HEAD=q_head
    #end
  }
  #for I 0 ROWS_EACH
  // What no query sees, padding too, gets zeros.
  if (key_$I < padded(length)) {
    #for D 0 SLABS
    if (x + $(16 * D)u < p.shape.chunks) {
      let row = gradient_rows + key_$I;
      projections_gradient[cell(row, p.shape.projections, v_head + x + $(16 * D)u)] = p.value_factor * dv_$(D)_$I;
      #if QUERY == yes
      rotated_gradient[cell(row, p.shape.rotated, k_head + x + $(16 * D)u)] = p.scale * dk_$(D)_$I;
      #end
    }
    #end
  }
  #end
}
