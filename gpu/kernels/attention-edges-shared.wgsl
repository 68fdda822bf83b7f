// What attention-edges.wgsl computes, for hardware (attention-shared.inc.wgsl); bindings and params are the same. A workgroup's own
// rows are targets, the other side's sources; the sum over heads stays in an invocation.
#include attention-tile
#include attention-shared

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

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) index: u32) {
  let x = index % 16u;
  let y = index / 16u;
  let rows = p.first_row;
  let length = p.first_query + p.queries;
  let first = p.first_query + id.x * $(ROWS)u;
  let step = p.first_key + id.y * $(T)u;
  #for I 0 ROWS_EACH
  let query_$I = first + y + $(16 * I)u;
  let row_$I = rows + min(query_$I, length - 1u);
  #for J 0 2
  var a_$(I)_$J = 0.0;
  #end
  #end
  // Tiles all of whose pairs are hidden have nothing to sum.
  let heads = select(0u, p.heads, step < first + $(ROWS)u && step + $(T)u + p.window > first + 1u);
  for (var head = 0u; head < heads; head++) {
    let q_head = head * p.shape.chunks;
    let k_head = p.shape.queries + head / p.shape.group * p.shape.chunks;
    let v_head = p.shape.rotated + head / p.shape.group * p.shape.chunks;
    #include attention-shared-product SUM=s OWN_IN=rotated OWN_ROWS=rows OWN_STRIDE=p.shape.rotated OWN_HEAD=q_head OTHER_IN=rotated OTHER_ROWS=rows OTHER_STRIDE=p.shape.rotated OTHER_HEAD=k_head
    #include attention-shared-product SUM=d OWN_IN=gradient OWN_ROWS=rows OWN_STRIDE=p.shape.queries OWN_HEAD=q_head OTHER_IN=projections OTHER_ROWS=rows OTHER_STRIDE=p.shape.projections OTHER_HEAD=v_head
    #for I 0 ROWS_EACH
    {
      let stat = stats[head * p.shape.rows + row_$I];
      #if RULE == attnlrp
      let mean = inner[head * p.shape.rows + row_$I];
      #end
      #for J 0 2
      {
        let product = s_$(I)_$J;
        let seen = sees(query_$I, step + x + $(16 * J)u, p.window);
        #include attention-probability
        #if RULE == attnlrp
        var ds = p.scale * probability * (d_$(I)_$J - mean);
        #if CAP == yes
        ds *= slope;
        #end
        #if LINEAR == yes
        // The factors of what follows.
        s_$(I)_$J = 0.5 * probability;
        d_$(I)_$J = 0.25 * ds;
        #else
        a_$(I)_$J += 0.5 * probability * d_$(I)_$J + 0.25 * ds * s_$(I)_$J;
        #end
        #else
        a_$(I)_$J += probability * d_$(I)_$J;
        #end
      }
      #end
    }
    #end
    #if LINEAR == yes
    #include attention-shared-product SUM=dp OWN_IN=gradient OWN_ROWS=rows OWN_STRIDE=p.shape.queries OWN_HEAD=q_head OTHER_IN=linear OTHER_ROWS=rows OTHER_STRIDE=p.shape.projections OTHER_HEAD=v_head
    #include attention-shared-product SUM=sk OWN_IN=rotated OWN_ROWS=rows OWN_STRIDE=p.shape.rotated OWN_HEAD=q_head OTHER_IN=linear OTHER_ROWS=rows OTHER_STRIDE=p.shape.projections OTHER_HEAD=k_head
    #for I 0 ROWS_EACH
    #for J 0 2
    a_$(I)_$J += s_$(I)_$J * dp_$(I)_$J + d_$(I)_$J * sk_$(I)_$J;
    #end
    #end
    #end
  }
  #for I 0 ROWS_EACH
  {
    let mine = own[row_$I];
    #for J 0 2
    a_$(I)_$J = select(0.0, a_$(I)_$J + select(0.0, mine, step + x + $(16 * J)u == query_$I), query_$I < length);
    #end
  }
  #end
  #include attention-shared-weights BY=a
  workgroupBarrier();
  for (var i = index; i < $(8 * ROWS)u; i += 256u) {
    let local = i / 128u * 16u + i % 16u;
    let chunk = i / 16u % 8u;
    let row = id.x * $(ROWS)u + local;
    let column = id.y * $(T / 4)u + chunk;
    if (row < padded(p.queries) && column < p.columns) {
      let at = local * 33u + chunk * 4u;
      edges[(row / 16u * p.columns + column) * 16u + row % 16u] =
        vec4f(weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u]);
    }
  }
}
