// Pull-back through a LayerNorm, row by row. WRITE add: g += dx; WRITE set: g = dx. With u = w * dy and z = (x - mean) * r:
//
//   MODE constant (AttnLRP, CP-LRP):  dx = r * (u - mean(u))                    r counts as a constant, the mean does not
//   MODE exact (gradient):            dx = r * (u - mean(u) - z * mean(u * z))
//
// dy and g may hold several gradients (targets of a pack), `panels` panels each, that share x and r.
// Bindings: 0 Params, 1 dy [targets, rows, columns], 2 [w | b], 3 r [rows], 4 g (shape of dy),
// 5 x [rows, columns] (exact only). One workgroup a panel.
#include rows

struct Params { chunks: u32, columns: u32, panels: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> r: array<f32>;
@group(0) @binding(4) var<storage, read_write> g: array<vec4f>;
#if MODE == exact
@group(0) @binding(5) var<storage, read> x: array<vec4f>;
#end

fn sum4(v: vec4f) -> f32 { return v.x + v.y + v.z + v.w; }

// The chunk's columns that are no padding.
fn counted(chunk: u32) -> vec4<bool> {
  return vec4u(chunk * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(p.columns);
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = index % 16u;
  let start = group.x * p.chunks * 16u + row;
  let panel = group.x % p.panels;
  let scale = r[panel * 16u + row];
  var total = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    total += sum4(w[chunk] * dy[start + chunk * 16u]);
  }
  let mean = row_sum(total, index) / f32(p.columns);
  #if MODE == exact
  let x_start = panel * p.chunks * 16u + row;
  var all = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) { all += sum4(x[x_start + chunk * 16u]); }
  let x_mean = row_sum(all, index) / f32(p.columns);
  var inner = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    // w is zero where columns are padding.
    inner += dot(w[chunk] * dy[start + chunk * 16u], (x[x_start + chunk * 16u] - x_mean) * scale);
  }
  let along = row_sum(inner, index) / f32(p.columns);
  #end
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let at = start + chunk * 16u;
    #if MODE == exact
    let pulled = scale * (w[chunk] * dy[at] - mean - (x[x_start + chunk * 16u] - x_mean) * scale * along);
    #else
    let pulled = scale * (w[chunk] * dy[at] - mean);
    #end
    let dx = select(vec4f(0), pulled, counted(chunk));
    #if WRITE == add
    g[at] += dx;
    #else
    g[at] = dx;
    #end
  }
}
