// The logarithm of the sum of exponentials of each row: what turns a logit into the logarithm of a probability.
// Bindings: 0 Params, 1 x [rows, columns], 2 result f32 [rows with padding]. One workgroup a panel.
// Exponentials are of what is left of the largest value, so none is above 1. A lane adds them up in short runs: a single
// float32 sum of a vocabulary's worth would lose digits.
#include rows

struct Params { chunks: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

// Chunks of a run.
const RUN = 32u;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let start = group.x * p.chunks * 16u + index % 16u;
  let columns = vec4u(p.columns);
  var most = -3.0e38;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let seen = vec4u(chunk * 4u) + vec4u(0u, 1u, 2u, 3u) < columns;
    let v = select(vec4f(-3.0e38), x[start + chunk * 16u], seen);
    most = max(most, max(max(v.x, v.y), max(v.z, v.w)));
  }
  most = row_max(most, index);
  var total = vec4f(0.0);
  var run = vec4f(0.0);
  var length = 0u;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += LANES_PER_ROW) {
    let seen = vec4u(chunk * 4u) + vec4u(0u, 1u, 2u, 3u) < columns;
    run += select(vec4f(0.0), exp(x[start + chunk * 16u] - most), seen);
    length++;
    if (length == RUN) {
      total += run;
      run = vec4f(0.0);
      length = 0u;
    }
  }
  total += run;
  let sum = row_sum((total.x + total.y) + (total.z + total.w), index);
  if (index < 16u) { result[group.x * 16u + index] = most + log(sum); }
}
