// Copies rows between matrices of the same width: MODE gather  to[i] = from[rows[i]];  MODE scatter  to[rows[i]] = from[i].
// Bindings: 0 Params, 1 rows [count], 2 from, 3 to. One invocation a row and chunk: workgroup 16 chunks x 4 rows.
struct Params { chunks: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> rows: array<u32>;
@group(0) @binding(2) var<storage, read> from_rows: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> to_rows: array<vec4f>;

fn cell(row: u32, chunk: u32) -> u32 { return ((row / 16u) * p.chunks + chunk) * 16u + row % 16u; }

@compute @workgroup_size(16, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.chunks || id.y >= p.count) { return; }
  #if MODE == gather
  to_rows[cell(id.y, id.x)] = from_rows[cell(rows[id.y], id.x)];
  #else
  to_rows[cell(rows[id.y], id.x)] = from_rows[cell(id.y, id.x)];
  #end
}
