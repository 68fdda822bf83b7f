// The largest values of each row and their columns, in order: largest first, of equal ones the first column first.
// Bindings: 0 Params, 1 x [rows, columns], 2 columns u32 [rows with padding, count], 3 values f32 of the same shape.
// One workgroup a panel; each pass finds the best of what stands behind the last one found.
struct Params { chunks: u32, columns: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> columns: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;

var<workgroup> bests: array<f32, 128>;
var<workgroup> places: array<u32, 128>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  let row = index % 16u;
  let start = group.x * p.chunks * 16u + row;
  // Nothing is larger than this, nor at an earlier column.
  var last = 3.4e38;
  var last_place = 0u;
  for (var rank = 0u; rank < p.count; rank++) {
    var best = -3.4e38;
    var place = 0xffffffffu;
    for (var chunk = index / 16u; chunk < p.chunks; chunk += 8u) {
      let v = x[start + chunk * 16u];
      for (var i = 0u; i < 4u; i++) {
        let column = chunk * 4u + i;
        let behind = v[i] < last || (v[i] == last && column > last_place);
        if (column < p.columns && behind && v[i] > best) {
          best = v[i];
          place = column;
        }
      }
    }
    bests[index] = best;
    places[index] = place;
    workgroupBarrier();
    for (var lane = 0u; lane < 8u; lane++) {
      let other = lane * 16u + row;
      if (bests[other] > best || (bests[other] == best && places[other] < place)) {
        best = bests[other];
        place = places[other];
      }
    }
    last = best;
    last_place = place;
    if (index < 16u) {
      columns[(group.x * 16u + row) * p.count + rank] = place;
      values[(group.x * 16u + row) * p.count + rank] = best;
    }
    workgroupBarrier();
  }
}
