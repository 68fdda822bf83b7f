// Pull-back through a RMS norm, row by row. WRITE add: g += dx; WRITE set: g = dx.
//
//   MODE constant (AttnLRP, CP-LRP):  dx = r * w * dy                      r counts as a constant
//   MODE exact (gradient):            dx = r * w * dy - x * r^3 / columns * sum(w * dy * x)
//
// dy and g may hold several gradients (targets of a pack), `panels` panels each, that share x and r.
// Bindings: 0 Params, 1 dy [targets, rows, columns], 2 w [columns], 3 r [rows], 4 g (shape of dy),
// 5 x [rows, columns] (exact only). One workgroup a panel.
#include rows

struct Params { chunks: u32, columns: f32, panels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> r: array<f32>;
@group(0) @binding(4) var<storage, read_write> g: array<vec4f>;
#if MODE == exact
@group(0) @binding(5) var<storage, read> x: array<vec4f>;
#end

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = index % 16u;
  let start = group.x * p.chunks * 16u + row;
  let panel = group.x % p.panels;
  let scale = r[panel * 16u + row];
  #if MODE == exact
  let x_start = panel * p.chunks * 16u + row;
  #end
  #if MODE == exact
  var inner = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let at = start + chunk * 16u;
    inner += dot(w[chunk] * dy[at], x[x_start + chunk * 16u]);
  }
  let pull = row_sum(inner, index) * scale * scale * scale / p.columns;
  #end
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let at = start + chunk * 16u;
    #if MODE == exact
    let dx = w[chunk] * dy[at] * scale - x[x_start + chunk * 16u] * pull;
    #else
    let dx = w[chunk] * dy[at] * scale;
    #end
    #if WRITE == add
    g[at] += dx;
    #else
    g[at] = dx;
    #end
  }
}
