// The part of a norm that is linear in x when its scale is given: KIND rms: y = w * x * r;  layer: y = w * (x - mean) * r.
// Bindings: 0 Params, 1 x [rows, columns], 2 w [columns], 3 r [rows], 4 y [rows, columns]. One workgroup a panel.
#include rows

struct Params { chunks: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> r: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = index % 16u;
  let start = group.x * p.chunks * 16u + row;
  var total = 0.0;
  #if KIND == layer
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let v = x[start + chunk * 16u];
    total += v.x + v.y + v.z + v.w;
  }
  #end
  let mean = row_sum(total, index) / f32(p.columns);
  let scale = r[group.x * 16u + row];
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let at = start + chunk * 16u;
    y[at] = w[chunk] * ((x[at] - mean) * scale);
  }
}
