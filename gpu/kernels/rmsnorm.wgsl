// y (+)= w * x * r,  r = 1 / sqrt(mean(x^2) + epsilon), row by row. MODE set: y = ...; MODE add: y += ...
// Bindings: 0 Params, 1 x [rows, columns], 2 w [columns], 3 y [rows, columns], 4 r [rows]. One workgroup a panel.
#include rows

struct Params { chunks: u32, columns: f32, epsilon: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> r: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = index % 16u;
  let start = group.x * p.chunks * 16u + row;
  var squares = 0.0;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let v = x[start + chunk * 16u];
    squares += dot(v, v);
  }
  let scale = inverseSqrt(row_sum(squares, index) / p.columns + p.epsilon);
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let at = start + chunk * 16u;
    #if MODE == add
    y[at] += w[chunk] * (x[at] * scale);
    #else
    y[at] = w[chunk] * (x[at] * scale);
    #end
  }
  if (index < 16u) { r[group.x * 16u + row] = scale; }
}
