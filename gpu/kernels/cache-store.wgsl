// Copies the rotated keys and the values of new rows into the cache of one block: cache[target_row[i]] = (k_i, v_i).
// Bindings: 0 Params, 1 target_row [rows], 2 rotated [rows, q | k], 3 x [rows, q | k | v], 4 cache [slots, k | v].
// One invocation a row and chunk of k and v: workgroup 16 chunks x 4 rows.
struct Params { rows: u32, chunks_query: u32, chunks_key: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> target_row: array<u32>;
@group(0) @binding(2) var<storage, read> rotated: array<vec4f>;
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> cache: array<vec4f>;

fn cell(row: u32, chunks: u32, chunk: u32) -> u32 { return ((row / 16u) * chunks + chunk) * 16u + row % 16u; }

@compute @workgroup_size(16, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= 2u * p.chunks_key || id.y >= p.rows) { return; }
  let at = cell(target_row[id.y], 2u * p.chunks_key, id.x);
  if (id.x < p.chunks_key) {
    cache[at] = rotated[cell(id.y, p.chunks_query + p.chunks_key, p.chunks_query + id.x)];
  } else {
    cache[at] = x[cell(id.y, p.chunks_query + 2u * p.chunks_key, p.chunks_query + id.x)];
  }
}
