// out[row] = sum over columns a * b: the relevance <h, g> of each row. With ADD yes: add[row] + factor times it.
// b may hold several gradients (targets of a pack), `panels` panels each, that share a.
// Bindings: 0 Params, 1 a [rows, columns], 2 b [targets, rows, columns], 3 out [targets, rows], written from `start` on;
// with ADD 4 add [rows]. a and b may have more columns, strides of `a_chunks` and `b_chunks`; `first` is the first panel.
#include rows

struct Params { chunks: u32, start: u32, panels: u32, a_chunks: u32, b_chunks: u32, first: u32, factor: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
#if ADD == yes
@group(0) @binding(4) var<storage, read> add: array<f32>;
#end

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let panel = p.first + group.x;
  let a_start = (panel % p.panels) * p.a_chunks * 16u + index % 16u;
  let b_start = panel * p.b_chunks * 16u + index % 16u;
  var sum = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    sum += dot(a[a_start + chunk * 16u], b[b_start + chunk * 16u]);
  }
  sum = row_sum(sum, index);
  if (index < 16u) {
    let row = panel * 16u + index;
    #if ADD == yes
    sum = add[row] + p.factor * sum;
    #end
    out[p.start + row] = sum;
  }
}
