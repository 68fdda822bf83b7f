// The column of each row's largest value; of equal ones the first.
// Bindings: 0 Params, 1 x [rows, columns], 2 out [rows with padding]. One workgroup a panel.
struct Params { chunks: u32, columns: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

var<workgroup> values: array<f32, 128>;
var<workgroup> places: array<u32, 128>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let start = group.x * p.chunks * 16u + index % 16u;
  var most = -3.4e38;
  var place = 0u;
  for (var chunk = index / 16u; chunk < p.chunks; chunk += 8u) {
    let v = x[start + chunk * 16u];
    for (var i = 0u; i < 4u; i++) {
      let column = chunk * 4u + i;
      if (column < p.columns && v[i] > most) {
        most = v[i];
        place = column;
      }
    }
  }
  values[index] = most;
  places[index] = place;
  workgroupBarrier();
  if (index < 16u) {
    for (var lane = 1u; lane < 8u; lane++) {
      let other = lane * 16u + index;
      if (values[other] > most || (values[other] == most && places[other] < place)) {
        most = values[other];
        place = places[other];
      }
    }
    out[group.x * 16u + index] = place;
  }
}
