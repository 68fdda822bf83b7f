// Norm of q and k by given scales, then rotary position embedding (halves rotated against each other).
//
//   y = w * x * r;  out_d = y_d cos - y_(d+D/2) sin,  out_(d+D/2) = y_(d+D/2) cos + y_d sin
//
// NORM head: a head has its own r, and the weights are those of one head; NORM projection: all heads of q share r and have
// weights of their own, and so do those of k; NORM none: y = x.
// Bindings: 0 Params, 1 x [rows, q heads | k heads | v heads], 2 angles [rows, D / 8, (cos, sin)] in vec4,
// 3 out [rows, q heads | k heads], with VALUES yes [rows, q heads | k heads | v heads], where v is copied as it is; and with
// a norm 4 w [q weight | k weight], 5 r [slices, rows]. One invocation a row and head: workgroup 16 rows x 4 heads.
struct Params {
  chunks_in: u32, chunks_out: u32,
  query_heads: u32, heads: u32, // heads: of q and k together
  chunks_head: u32,
  rows: u32, // with padding
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> angles: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
#if NORM != none
@group(0) @binding(4) var<storage, read> w: array<vec4f>;
@group(0) @binding(5) var<storage, read> r: array<f32>;
#end

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let head = group.y * 4u + id.y;
  if (head * p.chunks_head >= p.chunks_out) { return; }
  let row = group.x * 16u + id.x;
  let x_at = (group.x * p.chunks_in + head * p.chunks_head) * 16u + id.x;
  let out_at = (group.x * p.chunks_out + head * p.chunks_head) * 16u + id.x;
  #if VALUES == yes
  if (head >= p.heads) {
    for (var chunk = 0u; chunk < p.chunks_head; chunk++) { out[out_at + chunk * 16u] = x[x_at + chunk * 16u]; }
    return;
  }
  #end
  #if NORM == head
  let weight = select(p.chunks_head, 0u, head < p.query_heads);
  let scale = r[head * p.rows + row];
  #end
  #if NORM == projection
  let weight = head * p.chunks_head;
  let scale = r[select(p.rows, 0u, head < p.query_heads) + row];
  #end
  let half_chunks = p.chunks_head / 2u;
  for (var chunk = 0u; chunk < half_chunks; chunk++) {
    #if NORM == none
    let low = x[x_at + chunk * 16u];
    let high = x[x_at + (half_chunks + chunk) * 16u];
    #else
    let low = w[weight + chunk] * (x[x_at + chunk * 16u] * scale);
    let high = w[weight + half_chunks + chunk] * (x[x_at + (half_chunks + chunk) * 16u] * scale);
    #end
    let angle = (row * half_chunks + chunk) * 2u;
    out[out_at + chunk * 16u] = low * angles[angle] - high * angles[angle + 1u];
    out[out_at + (half_chunks + chunk) * 16u] = high * angles[angle] + low * angles[angle + 1u];
  }
}
