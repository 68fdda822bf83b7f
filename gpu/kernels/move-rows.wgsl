// Copies rows between matrices of the same width: MODE gather  to[i] = from[rows[i]];  MODE scatter  to[rows[i]] = from[i].
// Bindings: 0 Params, 1 rows [count], 2 from, 3 to. Of each row, `moved` chunks of 4 columns from `first` on.
// A workgroup of 16 rows x 4 moves 64 chunks of a panel: lanes that run together are rows, whose chunks lie side by side.
struct Params { chunks: u32, count: u32, first: u32, moved: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> from_rows: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> to_rows: array<vec4f>;

fn cells(row: u32) -> u32 { return (row / 16u) * p.chunks * 16u + row % 16u; }

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) lane: vec3u) {
  let row = tile.x * 16u + lane.x;
  if (row >= p.count) { return; }
  #if MODE == gather
  let from_at = cells(rows[row]);
  let to_at = cells(row);
  #else
  let from_at = cells(row);
  let to_at = cells(rows[row]);
  #end
  let end = p.first + min(p.moved, tile.y * 64u + 64u);
  for (var chunk = p.first + tile.y * 64u + lane.y; chunk < end; chunk += 4u) {
    to_rows[to_at + chunk * 16u] = from_rows[from_at + chunk * 16u];
  }
}
