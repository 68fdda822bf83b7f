// y (+)= w * (x - mean) * r + b,  r = 1 / sqrt(mean((x - mean)^2) + epsilon), row by row. MODE set: y = ...; add: y += ...
// Columns that pad the last chunk stay zero: their w and b are.
// Bindings: 0 Params, 1 x [rows, columns], 2 [w | b], 3 y [rows, columns], 4 r [rows]. One workgroup a panel.
#include rows

struct Params { chunks: u32, columns: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> r: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = index % 16u;
  let start = group.x * p.chunks * 16u + row;
  var total = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let v = x[start + chunk * 16u];
    total += v.x + v.y + v.z + v.w;
  }
  let mean = row_sum(total, index) / f32(p.columns);
  var squares = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let counted = vec4u(chunk * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(p.columns);
    let v = select(vec4f(0), x[start + chunk * 16u] - mean, counted);
    squares += dot(v, v);
  }
  let scale = inverseSqrt(row_sum(squares, index) / f32(p.columns) + p.epsilon);
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let at = start + chunk * 16u;
    let value = w[chunk] * ((x[at] - mean) * scale) + w[p.chunks + chunk];
    #if MODE == add
    y[at] += value;
    #else
    y[at] = value;
    #end
  }
  if (index < 16u) { r[group.x * 16u + row] = scale; }
}
